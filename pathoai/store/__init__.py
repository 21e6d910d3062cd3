"""The slide store: one Zarr v3 group per slide, an OME-Zarr 0.5 image with labels."""
