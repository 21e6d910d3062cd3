"""Pictures of the tiles that a model gets most wrong."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pathoai_training.data.tiles_dataset import TileColumns

CASES = 12
_LARGEST_SHARE = 0.25
"""Of the gallery that one slide may take, so that one bad slide does not hide the others."""
_TRUE, _SAID = (0, 114, 178), (213, 94, 0)
OUTLINES = "outlines: truth blue, model orange"


def worst_tiles(wrong: NDArray[np.floating], tiles: TileColumns) -> list[int]:
    """Positions of the tiles with the most errors, worst first.

    Args:
        wrong: ``(N,)`` errors of each tile, 0 where there is none.
        tiles: The same tiles.
    """
    most = max(1, int(CASES * _LARGEST_SHARE))
    several = len(np.unique(tiles.slide)) > 1
    taken: dict[int, int] = {}
    found: list[int] = []
    for index in np.argsort(-wrong, kind="stable"):
        slide = int(tiles.slide[index])
        if wrong[index] <= 0 or len(found) == CASES:
            break
        if several and taken.get(slide, 0) == most:
            continue
        taken[slide] = taken.get(slide, 0) + 1
        found.append(int(index))
    return found


def outlined_png(
    image: NDArray[np.uint8], truth: NDArray[np.integer], said: NDArray[np.integer]
) -> bytes:
    """A tile with what is true and what was said drawn over it.

    Args:
        image: ``(3, H, W)``.
        truth: ``(H, W)`` true classes or objects.
        said: ``(H, W)`` predicted ones.
    """
    picture = np.ascontiguousarray(image.transpose(1, 2, 0))
    for plane, colour in ((truth, _TRUE), (said, _SAID)):
        picture[_borders(plane)] = colour
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", optimize=True)
    return file.getvalue()


def _borders(plane: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Pixels whose right or lower neighbour is another."""
    found = np.zeros(plane.shape, bool)
    found[:, :-1] |= plane[:, :-1] != plane[:, 1:]
    found[:-1] |= plane[:-1] != plane[1:]
    return found


def by_slide(
    values: NDArray[np.number], tiles: TileColumns, shown: Sequence[int]
) -> NDArray[np.float64]:
    """Sums of tiles over each of the slides shown, ``(len(shown), …)``.

    Args:
        values: ``(N, …)`` of the tiles.
        tiles: The same tiles.
        shown: Positions of slides, as the tiles count them, ascending.
    """
    found = np.zeros((len(shown), *values.shape[1:]))
    np.add.at(found, np.searchsorted(np.asarray(shown), tiles.slide), values)
    return found
