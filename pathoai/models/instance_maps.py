"""What a network of instances learns besides classes: how deep inside its object each pixel lies.

One map per pixel, 0 to 1: 1 in the middle of an object, falling to its rim, and free of scale so
that small and large nuclei weigh alike. The idea is that of Naylor P et al. Segmentation of nuclei
in histology images by deep regression of the distance map. IEEE Trans Med Imaging 2019, normalised
per object.
"""

from __future__ import annotations

MAPS = ("distance",)
"""Channels that follow the classes in the output of a network of instances."""
