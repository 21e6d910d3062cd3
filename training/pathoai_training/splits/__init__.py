"""Who is trained on and who is tested on: dealt once, sealed, and checked for leaks."""
