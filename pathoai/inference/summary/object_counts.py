"""How many objects of which class each region holds: one pass over their table, in batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from pathoai.inference.summary.counted_regions import CountedRegions
from pathoai.inference.summary.places import Places, Where
from pathoai.inference.summary.region_areas import VALUES
from pathoai.store.object_batches import object_batches


@dataclass(frozen=True)
class ObjectCounts:
    """Objects by class; an object lies where its centroid does.

    Args:
        fragments: ``(F + 1, 256)`` int64; row 0 counts what lies on no tissue.
        annotated: ``(A, 256)`` int64.
        places: In each place that rules look at, ``(256,)`` int64.
    """

    fragments: NDArray[np.int64]
    annotated: NDArray[np.int64]
    places: Mapping[Where, NDArray[np.int64]]

    @property
    def tissue(self) -> NDArray[np.int64]:
        """On all tissue, ``(256,)``."""
        return np.asarray(self.fragments[1:].sum(axis=0))


def count_objects(
    path: Path,
    regions: CountedRegions,
    places: Places | None = None,
) -> ObjectCounts:
    """Count the objects of a table; memory does not grow with their number.

    Args:
        path: The table.
        regions: Where.
        places: Where else they are counted; None for nowhere.

    Raises:
        StoreError: There is no table, or it is damaged.
    """
    masks = {} if places is None else places.counted()
    fragments = np.zeros((regions.fragments + 1, VALUES), np.int64)
    annotated = np.zeros((len(regions.outlines), VALUES), np.int64)
    in_places = {where: np.zeros(VALUES, np.int64) for where in masks}
    for batch in object_batches(path):
        values = batch.class_index.astype(np.int64)
        centroids = shapely.centroid(batch.geometry)
        xy = np.stack([shapely.get_x(centroids), shapely.get_y(centroids)], axis=1)
        np.add.at(fragments, (regions.fragment_of(xy), values), 1)
        points, areas = regions.annotated_pairs(xy)
        np.add.at(annotated, (areas, values[points]), 1)
        for where, by_value in masks.items():
            assert places is not None  # it gave the masks
            for value, mask in by_value.items():
                own = xy[values == value]
                in_places[where][value] += np.count_nonzero(places.cells.holds(mask, own))
    return ObjectCounts(fragments, annotated, in_places)
