"""Commands of the core; each module holds one and is light to import."""
