"""The table of a label whose objects are numbered: row i is the object of number i + 1."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import shapely
from numpy.typing import NDArray

from pathoai.errors import StoreError
from pathoai.inference.label_outlines import at_level_0, outline_label
from pathoai.store.label_image import LabelImage
from pathoai.store.objects import ObjectTable
from pathoai.vector.outlined_regions import OutlinedRegions, RegionSums

_BATCH = 1 << 14


def numbered_objects(label: LabelImage, *, classes: tuple[int, ...]) -> Iterator[ObjectTable]:
    """The objects of a slide's label, in the order of their numbers, at most 16384 at once.

    Class and probability are read off the stored probabilities, areas are counted: the same label
    gives the same table, whoever makes it and when. A row of shards is under way, and what ended
    while an object of a smaller number goes on.

    Args:
        label: With numbered objects, probabilities and blocks of shards.
        classes: Values in the class map of the label's probability channels.

    Yields:
        One table or more, empty where there is no object; outlines in level-0 pixels.

    Raises:
        StoreError: A number is missing.
    """
    values = np.array(classes, np.uint8)
    given, waiting = 0, list[OutlinedRegions]()
    for row in outline_label(label, label.instance_reader, ignore=(0,)):
        found = OutlinedRegions.joined([*waiting, row.ended])
        found = found.of(np.argsort(found.sums.value, kind="stable"))
        is_ready = found.sums.value < row.going_on.min(initial=np.iinfo(np.int64).max)
        ready, waiting = found.of(is_ready), [found.of(~is_ready)]
        numbers, outlines, sums = _by_number(ready)
        if not np.array_equal(numbers, given + 1 + np.arange(len(numbers))):
            raise StoreError(
                "the objects of the label are not numbered one by one",
                where=label.name,
                remedy="run the command that made the label again",
            )
        given += len(numbers)
        for start in range(0, len(numbers), _BATCH):
            rows = np.arange(start, min(start + _BATCH, len(numbers)))
            yield _table(label, values, outlines[rows], sums.of(rows))
    if not given:
        yield _table(label, values, np.empty(0, object), row.ended.sums.of(np.empty(0, np.int64)))


def _by_number(
    found: OutlinedRegions,
) -> tuple[NDArray[np.int64], NDArray[np.object_], RegionSums]:
    """Numbers, outlines and sums of objects; the pieces of one are one outline of several parts."""
    numbers, first, member, pieces = np.unique(
        found.sums.value, return_index=True, return_inverse=True, return_counts=True
    )
    outlines = found.outline[first]
    several = pieces > 1
    if several.any():
        of_several = several[member]
        outlines[several] = shapely.multipolygons(
            found.outline[of_several], indices=(np.cumsum(several) - 1)[member[of_several]]
        )
    return numbers, outlines, found.sums.added_up(member.astype(np.int32))


def _table(
    label: LabelImage, values: NDArray[np.uint8], outlines: NDArray[np.object_], sums: RegionSums
) -> ObjectTable:
    most = sums.weight.max(axis=1, initial=0)
    scale = label.pixel_mpp
    return ObjectTable(
        at_level_0(outlines, label.grid()),
        values[sums.weight.argmax(axis=1)],
        (most / np.maximum(sums.weight.sum(axis=1), 1)).astype(np.float32),
        (sums.area_px * (scale.x * scale.y)).astype(np.float32),
        {"label": label.name} | label.about,
    )
