"""Annotations in columns, for what needs their places and classes but not their outlines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathoai.provenance import sha256_of_json
from pathoai_annotations.journal.rows import Row
from pathoai_annotations.journal.schema import events


@dataclass(frozen=True, slots=True)
class AnnotationColumns:
    """Annotations of one slide.

    Args:
        ids: ``(N,)`` text, their identities.
        labels: ``(N,)`` text, keys of their classes.
        statuses: ``(N,)`` text.
        origins: ``(N,)`` text.
        authors: ``(N,)`` text, codes of who last changed them.
        bounds: ``(N, 4)`` float64: left, top, right and bottom in level-0 pixels; of a point, the
            point twice.
        outlines: ``(N,)`` bytes, WKB in level-0 pixels.
    """

    ids: NDArray[np.object_]
    labels: NDArray[np.object_]
    statuses: NDArray[np.object_]
    origins: NDArray[np.object_]
    authors: NDArray[np.object_]
    bounds: NDArray[np.float64]
    outlines: NDArray[np.object_]

    def __len__(self) -> int:
        """Number of annotations."""
        return len(self.ids)

    @property
    def centres(self) -> NDArray[np.float64]:
        """Centres of the bounding boxes, ``(N, 2)`` x and y in level-0 pixels."""
        return np.asarray((self.bounds[:, :2] + self.bounds[:, 2:]) / 2)

    @property
    def sha256(self) -> str:
        """Hash over identities, classes, statuses and outlines, in whatever order they came."""
        rows = zip(self.ids, self.labels, self.statuses, self.outlines, strict=True)
        return sha256_of_json(sorted((i, label, s, wkb.hex()) for i, label, s, wkb in rows))

    def chosen(self, keep: NDArray[np.bool_]) -> AnnotationColumns:
        """Some of the annotations.

        Args:
            keep: ``(N,)``, which.
        """
        return AnnotationColumns(*(getattr(self, name)[keep] for name in self.__slots__))


IN_COLUMNS = tuple(
    events.c[name]
    for name in (
        *("annotation_id", "label", "status", "origin", "author"),
        *("min_x", "min_y", "max_x", "max_y", "geometry"),
    )
)
"""What of the log is needed for them."""


def columns_in(rows: Sequence[Row]) -> AnnotationColumns:
    """Rows of ``IN_COLUMNS``, in columns."""
    columns = list(zip(*rows, strict=True)) or [()] * len(IN_COLUMNS)
    bounds = np.array(columns[5:9], np.float64).T
    ids, labels, statuses, origins, authors = (np.array(c, object) for c in columns[:5])
    outlines = np.array(columns[9], object)
    return AnnotationColumns(ids, labels, statuses, origins, authors, bounds, outlines)
