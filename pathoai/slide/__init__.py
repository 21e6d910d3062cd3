"""Slides: one small contract, one file per backend."""
