"""Annotations on the canvas, and the tools that change them."""
