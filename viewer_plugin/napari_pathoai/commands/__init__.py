"""Commands that the viewer adds to ``pathoai``."""
