"""Whole-slide AI for pathologists and researchers: the core.

Import names from the module that defines them (``from pathoai.geometry import Region``): this face
stays empty, so that ``import pathoai`` costs nothing.
"""

__all__ = ["__version__"]

__version__ = "0.1.0.dev0"
