"""A small picture of a slide, for people who have to see why it has no tissue."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pathoai.atomic_file import write_bytes_atomically

_LONGEST_SIDE_PX = 1024


def thumbnail_of(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image at most 1024 pixels wide and high.

    Args:
        pixels: ``(H, W, 3)`` uint8.

    Returns:
        ``(h, w, 3)`` uint8, antialiased; a copy.
    """
    image = Image.fromarray(pixels)
    image.thumbnail((_LONGEST_SIDE_PX, _LONGEST_SIDE_PX))
    return np.array(image)


def write_thumbnail(path: Path, thumbnail: NDArray[np.uint8]) -> None:
    """Write a thumbnail as PNG, whole or not at all; its folder is made where it is missing.

    Args:
        path: Where, named by the coded slide id and never by the slide's file.
        thumbnail: ``(h, w, 3)`` uint8.

    Raises:
        OSError: The folder is not writable or the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = io.BytesIO()
    Image.fromarray(thumbnail).save(file, format="png")
    write_bytes_atomically(path, file.getvalue())
