"""Coarser levels of a stored image, made from what is stored of the level below."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Size
from pathoai.store.level_reader import WHITE, LevelReader, paste
from pathoai.store.level_writing import LevelsWriting
from pathoai.store.pyramid import halved
from pathoai.store.shards import ShardWriter


def coarser_levels(first: int, below: LevelReader, writers: Sequence[ShardWriter]) -> LevelsWriting:
    """The making of levels from the one below, each pixel the mean of a square of four.

    Args:
        first: Index of the finest of them.
        below: The level below.
        writers: Of the levels, each half the one before, the first half of ``below``.
    """
    side, (_, height, width) = writers[0].chunk_px, writers[0].array.shape
    everywhere = np.ones((-(-height // side), -(-width // side)), np.bool_)

    def make(x_px: int, y_px: int, size_px: Size) -> NDArray[np.uint8] | None:
        return _shrunk(below, x_px, y_px, size_px)

    return LevelsWriting(first, writers, make, everywhere)


def _shrunk(below: LevelReader, x_px: int, y_px: int, size_px: Size) -> NDArray[np.uint8] | None:
    """A chunk of the coarser level; None where nothing below it is stored."""
    out = np.full((size_px.height, size_px.width, 3), WHITE, np.uint8)
    side, size, found = below.layout.chunk_px, below.layout.size_px, False
    for row in range(2 * y_px // side, -(-2 * (y_px + size_px.height) // side)):
        for column in range(2 * x_px // side, -(-2 * (x_px + size_px.width) // side)):
            top, left = row * side, column * side
            if top >= size.height or left >= size.width:
                continue
            pixels = below.chunk((row, column))
            if pixels is None:
                continue
            found = True
            inside = pixels[: size.height - top, : size.width - left]
            paste(halved(inside), out, left // 2 - x_px, top // 2 - y_px)
    return out if found else None
