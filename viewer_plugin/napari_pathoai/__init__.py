"""Slides, predictions and annotations of pathoai in napari. Importing it loads neither."""
