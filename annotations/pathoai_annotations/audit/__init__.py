"""Labels judged by pathologists: what is read of them, and how precise it makes them."""
