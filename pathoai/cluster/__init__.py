"""Work that can be sent elsewhere: items, where they may run, and what becomes of them."""
