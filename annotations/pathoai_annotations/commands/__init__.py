"""Commands about annotations; each module holds one and is light to import."""
