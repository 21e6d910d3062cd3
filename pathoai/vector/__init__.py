"""Between rasters and polygons, exactly: outlines follow pixel edges."""
