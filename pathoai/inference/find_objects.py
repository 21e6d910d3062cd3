"""Objects of a label: each connected region of a class becomes a polygon with a probability."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Size
from pathoai.inference.numbered_objects import numbered_objects
from pathoai.store.label_image import LabelImage
from pathoai.store.objects import ObjectTable
from pathoai.store.shards import SHARD_PX, Shard, shard_slices, shards_of
from pathoai.vector.polygonise import Piece, merge_seams, polygonise, to_level_0

SMALLEST_OBJECT_UM2 = 8.0
"""Smaller regions are noise: the smallest nuclei of lymphocytes cover about 20 µm²."""
_SHARDS_AT_ONCE = 2
"""Outlined side by side: one is read while another is outlined."""


def objects_of(label: LabelImage, *, classes: tuple[int, ...]) -> Iterator[ObjectTable]:
    """The objects of a prediction, a part at a time: those it numbers, or else its regions.

    Args:
        label: With probabilities.
        classes: Values in the class map of the probability channels.

    Yields:
        One table or more.
    """
    if label.with_instances:
        yield from numbered_objects(label, classes=classes)
    else:
        yield find_objects(label, classes=classes)


def find_objects(
    label: LabelImage, *, classes: tuple[int, ...], smallest_um2: float = SMALLEST_OBJECT_UM2
) -> ObjectTable:
    """Outline every object of a slide's label; the borders of shards leave no trace.

    Args:
        label: A class map, with probabilities or without.
        classes: Values to outline; the order is that of the label's probability channels.
        smallest_um2: Smaller objects are left out.

    Returns:
        The objects, from top to bottom, in level-0 pixels.
    """
    shards = shards_of(label.array().shape)
    with ThreadPoolExecutor(_SHARDS_AT_ONCE) as pool:
        pieces = chain.from_iterable(pool.map(lambda shard: _pieces(label, classes, shard), shards))
        whole = [
            p
            for p in merge_seams(pieces, block_px=SHARD_PX)
            if p.polygon.area * label.mpp**2 >= smallest_um2
        ]
    return _table(sorted(whole, key=_from_top), label)


def _pieces(label: LabelImage, classes: tuple[int, ...], shard: Shard) -> list[Piece]:
    """The parts of objects that lie in a shard, in pixels of the label."""
    rows, columns = shard_slices(shard, label.array().shape)
    size = Size(columns.stop - columns.start, rows.stop - rows.start)
    block = label.read(columns.start, rows.start, size)
    pieces: list[Piece] = []
    for channel, value in enumerate(classes):
        if (block == value).any():
            pieces += polygonise(
                np.where(block == value, block, np.uint8(0)),
                origin_px=(columns.start, rows.start),
                weights=_probability(label, channel, rows, columns),
            )
    return pieces


def _probability(
    label: LabelImage, channel: int, rows: slice, columns: slice
) -> NDArray[np.float32] | None:
    if not label.probability_channels:
        return None
    stored = np.asarray(label.probability()[channel, rows, columns])
    return np.asarray(stored / 255, dtype=np.float32)


def _from_top(piece: Piece) -> tuple[float, float]:
    x, y, _, _ = piece.polygon.bounds
    return (y, x)


def _table(pieces: list[Piece], label: LabelImage) -> ObjectTable:
    affine = label.grid().affine_to_level_0()
    outlines = np.empty(len(pieces), dtype=object)
    outlines[:] = [to_level_0(p.polygon, affine) for p in pieces]
    source: dict[str, Any] = {"label": label.name} | label.about
    return ObjectTable(
        outlines,
        np.array([p.value for p in pieces], np.uint8),
        np.array([p.weight for p in pieces], np.float32).clip(0, 1),
        np.array([p.polygon.area * label.mpp**2 for p in pieces], np.float32),
        source,
    )
