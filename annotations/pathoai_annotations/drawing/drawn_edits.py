"""Drawing in the journal: every stroke, cut and merge of a reader is one action, kept at once."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from shapely import LineString, Point
from shapely.geometry.base import BaseGeometry

from pathoai.errors import AnnotationError
from pathoai.ontology import Ontology
from pathoai_annotations.annotation import Annotation, Origin
from pathoai_annotations.drawing.outline_edits import (
    added,
    merged,
    split_by,
    subtracted,
    without_holes,
)
from pathoai_annotations.journal.edit import EditDetails
from pathoai_annotations.journal.journal import Journal


@dataclass(frozen=True)
class DrawnEdit:
    """What an action did.

    Args:
        changed: Annotations as they are now, new ones among them.
        gone: Ids of those that are no longer there.
    """

    changed: tuple[Annotation, ...] = ()
    gone: tuple[uuid.UUID, ...] = ()

    @property
    def count(self) -> int:
        """Number of annotations that the action touched."""
        return len(self.changed) + len(self.gone)


@dataclass(frozen=True)
class DrawnEdits:
    """What a reader draws on a slide; all that is done with one of these is one action.

    Geometries are in level-0 pixels.

    Args:
        journal: Where it is kept.
        slide_id: Of the slide.
        ontology: Its classes are those that there are.
        edit: Who draws, and the action that it is; see `pathoai_annotations.journal.edit.Edit`.
    """

    journal: Journal
    slide_id: str
    ontology: Ontology
    edit: EditDetails

    def draw(self, label: str, geometry: BaseGeometry) -> DrawnEdit:
        """A new annotation, validated: who draws stands behind it.

        Raises:
            AnnotationError: The outline is malformed.
            OntologyError: The class is unknown.
        """
        return DrawnEdit((self._enter(self.ontology[label].key, geometry),))

    def add(self, annotation_id: uuid.UUID, area: BaseGeometry) -> DrawnEdit:
        """More of an annotation.

        Raises:
            AnnotationError: It is unknown, or nothing was drawn.
        """
        state = self.journal.get(annotation_id)
        return self._correct(state, added(state.geometry, area))

    def subtract(
        self, annotation_id: uuid.UUID, area: BaseGeometry, *, smallest_area: float = 0.0
    ) -> DrawnEdit:
        """Less of an annotation; where nothing is left, it is rejected.

        Args:
            annotation_id: Which.
            area: What is taken away.
            smallest_area: Of a part that is kept, level-0 pixels².

        Raises:
            AnnotationError: It is unknown.
        """
        state = self.journal.get(annotation_id)
        if not state.geometry.intersects(area):
            return DrawnEdit()
        left = subtracted(state.geometry, area, smallest_area=smallest_area)
        if left is not None:
            return self._correct(state, left)
        self.journal.reject([state.id], **self.edit)
        return DrawnEdit(gone=(state.id,))

    def fill_holes(self, annotation_id: uuid.UUID, at: Point | None = None) -> DrawnEdit:
        """Fill the hole at a place, or all of them.

        Raises:
            AnnotationError: The annotation is unknown, or has no hole there.
        """
        state = self.journal.get(annotation_id)
        return self._correct(state, without_holes(state.geometry, at))

    def split(
        self, annotation_id: uuid.UUID, line: LineString, *, smallest_area: float = 0.0
    ) -> DrawnEdit:
        """Cut an annotation: it keeps the largest piece, the others are new ones of its class.

        Args:
            annotation_id: Which.
            line: Across it.
            smallest_area: Of a piece of its own, level-0 pixels².

        Raises:
            AnnotationError: It is unknown, or the line does not cut it.
        """
        state = self.journal.get(annotation_id)
        kept, *others = split_by(state.geometry, line, smallest_area=smallest_area)
        source = f"annotation:{state.id}"
        new = [self._enter(state.label, piece, derived_from=source) for piece in others]
        return DrawnEdit((*self._correct(state, kept).changed, *new))

    def merge(self, ids: Sequence[uuid.UUID]) -> DrawnEdit:
        """Make one annotation of several of one class: the first stays, the others go into it.

        Raises:
            AnnotationError: One is unknown, they are of several classes, or fewer than two.
        """
        states = [self.journal.get(one) for one in ids]
        labels = sorted({state.label for state in states})
        if len(labels) > 1:
            raise AnnotationError(
                "only annotations of one class are merged",
                found=", ".join(labels),
                remedy="give them one class first",
            )
        whole = merged([state.geometry for state in states])
        first, *others = states
        gone = tuple(state.id for state in others)
        self.journal.delete(gone, **self.edit)
        return replace(self._correct(first, whole), gone=gone)

    def _enter(
        self, label: str, geometry: BaseGeometry, *, derived_from: str | None = None
    ) -> Annotation:
        drawn = Annotation(
            uuid.uuid4(),
            self.slide_id,
            label,
            geometry,
            Origin.PATHOLOGIST,
            self.edit["author"],
            derived_from=derived_from,
        )
        self.journal.propose([drawn], action=self.edit.get("action"))
        self.journal.validate([drawn.id], **self.edit)
        return self.journal.get(drawn.id)

    def _correct(self, state: Annotation, geometry: BaseGeometry) -> DrawnEdit:
        return DrawnEdit((self.journal.correct(state.id, geometry=geometry, **self.edit),))
