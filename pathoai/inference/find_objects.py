"""Objects of a label: each connected region of a class becomes a polygon with a probability."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai.inference.label_outlines import at_level_0, outline_label
from pathoai.inference.numbered_objects import numbered_objects
from pathoai.store.label_image import LabelImage
from pathoai.store.objects import ObjectTable
from pathoai.vector.outlined_regions import OutlinedRegions

SMALLEST_OBJECT_UM2 = 8.0
"""Smaller regions are noise: the smallest nuclei of lymphocytes cover about 20 µm²."""


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
        yield from found_objects(label, classes=classes)


def find_objects(
    label: LabelImage, *, classes: tuple[int, ...], smallest_um2: float = SMALLEST_OBJECT_UM2
) -> ObjectTable:
    """All objects of a slide's label at once; see :func:`found_objects`."""
    return ObjectTable.joined(
        list(found_objects(label, classes=classes, smallest_um2=smallest_um2))
    )


def found_objects(
    label: LabelImage, *, classes: tuple[int, ...], smallest_um2: float = SMALLEST_OBJECT_UM2
) -> Iterator[ObjectTable]:
    """Outline every object of a slide's label; the borders of shards leave no trace.

    Args:
        label: A class map, with probabilities or without.
        classes: Values to outline; the order is that of the label's probability channels.
        smallest_um2: Smaller objects are left out.

    Yields:
        Tables of objects that end in one row of shards, one table or more, in level-0 pixels; the
        objects are in the order of their last pixels, from the top and then from the left.
    """
    others = sorted(set(range(256)) - set(classes))
    smallest_px = smallest_um2 / label.mpp**2
    for row in outline_label(label, label.reader, ignore=others, smallest_px=smallest_px):
        if len(row.ended) or row.is_first:
            yield _table(row.ended, label, classes)


def _table(found: OutlinedRegions, label: LabelImage, classes: tuple[int, ...]) -> ObjectTable:
    source: dict[str, Any] = {"label": label.name} | label.about
    return ObjectTable(
        at_level_0(found.outline, label.grid()),
        found.sums.value.astype(np.uint8),
        _probability(found, classes) if label.probability_channels else _certain(len(found)),
        (found.sums.area_px * label.mpp**2).astype(np.float32),
        source,
    )


def _probability(found: OutlinedRegions, classes: tuple[int, ...]) -> NDArray[np.float32]:
    """The mean over each object of the probability of its own class."""
    channel = np.zeros(256, np.int64)
    channel[list(classes)] = np.arange(len(classes))
    own = found.sums.weight[np.arange(len(found)), channel[found.sums.value]]
    return (own / found.sums.area_px / 255).astype(np.float32)


def _certain(count: int) -> NDArray[np.float32]:
    return np.ones(count, np.float32)
