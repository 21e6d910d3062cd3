"""Small pictures of whole slides, made once and kept."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pathoai.geometry import Size
from pathoai.store.slide_store import SlideStore

_KEPT = 256
"""Pictures: at 160 px a side some 20 MB, more slides than a worklist shows at once."""


def thumbnail(store: SlideStore, side_px: int) -> NDArray[np.uint8]:
    """A picture of the whole slide.

    Args:
        store: The slide.
        side_px: The picture's longer side, in its own pixels; less where the slide is smaller.

    Returns:
        ``(height, width, 3)`` uint8, antialiased, of the slide's proportions; not to be written to.

    Raises:
        StoreError: A chunk cannot be decoded.
    """
    changed_ns = (store.path / "zarr.json").stat().st_mtime_ns
    return _thumbnail(store.path, changed_ns, side_px)


@lru_cache(maxsize=_KEPT)
def _thumbnail(path: Path, _changed_ns: int, side_px: int) -> NDArray[np.uint8]:
    """By path and time of change, so that a store made again gets a new picture."""
    store = SlideStore(path)
    level = _level_for(store, side_px)
    size = store.header.layout[level].size_px
    image = Image.fromarray(store.read(level, 0, 0, Size(size.width, size.height)))
    image.thumbnail((side_px, side_px))
    picture = np.array(image)
    picture.setflags(write=False)
    return picture


def _level_for(store: SlideStore, side_px: int) -> int:
    """The coarsest level with at least as many pixels, so that little is read."""
    sides = [max(level.size_px.width, level.size_px.height) for level in store.header.layout]
    return max((i for i, side in enumerate(sides) if side >= side_px), default=0)
