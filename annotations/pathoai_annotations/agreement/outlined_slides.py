"""What each reader, and a model, outlined on each slide."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pathoai.geometry import Mpp
from pathoai.metrics.outline_overlap import united
from pathoai.ontology import Ontology

_POLYGONS = ("Polygon", "MultiPolygon")


@dataclass(frozen=True)
class Outlines:
    """What one rater outlined on one slide; points and lines have no area and are only counted.

    Args:
        labels: ``(n,)`` text, keys of the classes that the polygons count with.
        polygons: ``(n,)`` shapely polygons, level-0 pixels.
        ids: ``(n,)`` text, ids of the annotations; empty ones of a model's objects.
        without_area: How many points and lines there are besides.
    """

    labels: NDArray[np.object_]
    polygons: NDArray[np.object_]
    ids: NDArray[np.object_]
    without_area: int = 0

    @classmethod
    def of(
        cls, found: Iterable[tuple[str, str, BaseGeometry]], counts_as: Mapping[str, str]
    ) -> Outlines:
        """From ids, classes and outlines.

        Args:
            found: Id of the annotation, key of its class, and its outline, of each.
            counts_as: Key of each class → that which it counts with.
        """
        rows = list(found)
        kept = [row for row in rows if row[2].geom_type in _POLYGONS]
        columns = np.empty((3, len(kept)), object)
        for at, (annotation_id, label, polygon) in enumerate(kept):
            columns[:, at] = counts_as[label], polygon, annotation_id
        labels, polygons, ids = columns
        return cls(labels, polygons, ids, len(rows) - len(kept))

    def __len__(self) -> int:
        """Number of polygons."""
        return len(self.labels)

    def of_class(self, label: str) -> NDArray[np.object_]:
        """The polygons of one class."""
        return np.asarray(self.polygons[self.labels == label], object)

    @cached_property
    def _united(self) -> dict[str, BaseGeometry]:
        return {label: united(self.of_class(label)) for label in set(self.labels)}

    def area_of(self, label: str) -> BaseGeometry:
        """All of one class as one shape, level-0 pixels; empty where there is none."""
        return self._united.get(label, shapely.Polygon())


@dataclass(frozen=True)
class OutlinedSlide:
    """A slide that two or more raters outlined.

    Args:
        slide_id: Its code.
        patient: Code of its patient, or what stands for an unknown one.
        mpp: Scale of level 0.
        outlines: By rater; of a rater without any, an empty one: he found nothing.
    """

    slide_id: str
    patient: str
    mpp: Mpp
    outlines: Mapping[str, Outlines]

    def in_um(self, shape: BaseGeometry) -> BaseGeometry:
        """A shape in µm, so that distances are true where pixels are not square."""
        return shapely.transform(shape, lambda xy: xy * (self.mpp.x, self.mpp.y))


def counted_classes(ontology: Ontology, *, roll_up: bool) -> dict[str, str]:
    """What each class counts with: itself, or the topmost class that it is a kind of."""
    return {c.key: ontology.ancestors(c.key)[-1] if roll_up else c.key for c in ontology.classes}


def classes_in(slides: Iterable[OutlinedSlide], ontology: Ontology) -> tuple[str, ...]:
    """Keys of the classes that anybody outlined, in the order of the ontology."""
    seen: Collection[str] = {
        str(label) for slide in slides for one in slide.outlines.values() for label in one.labels
    }
    return tuple(c.key for c in ontology.classes if c.key in seen)
