"""Figures for papers: a map of a store laid over its slide, with scale bar, legend and caption."""
