"""Annotations in columns, for what needs their places and classes but not their outlines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from pathoai.provenance import sha256_of_json
from pathoai_annotations.journal_schema import EventRow


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


def read_columns(session: Session, query: sa.Select[Any]) -> AnnotationColumns:
    """The rows of a query, in columns.

    Args:
        session: Open.
        query: For rows of the journal.
    """
    row = EventRow
    texts = (row.annotation_id, row.label, row.status, row.origin, row.author)
    box = (row.min_x, row.min_y, row.max_x, row.max_y)
    found = session.execute(query.with_only_columns(*texts, *box, row.geometry)).all()
    columns = list(zip(*found, strict=True)) or [()] * 10
    bounds = np.array(columns[5:9], np.float64).T
    ids, labels, statuses, origins, authors = (np.array(c, object) for c in columns[:5])
    outlines = np.array(columns[9], object)
    return AnnotationColumns(ids, labels, statuses, origins, authors, bounds, outlines)
