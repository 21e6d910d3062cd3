"""Commands of this package; each module is light, for it is imported by ``pathoai --help``."""
