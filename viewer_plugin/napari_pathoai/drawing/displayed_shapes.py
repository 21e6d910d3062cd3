"""Annotations as rows of a napari Shapes layer, with what is shown beside them.

Frames: the layer's data are level-0 pixels (y, x) with pixel edges at integers; its scale makes
them micrometres of the world.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from napari.layers import Points, Shapes

from napari_pathoai.drawing.companions import Companions, needs_companion
from napari_pathoai.drawing.outlines import (
    Outline,
    as_displayed,
    ellipse_outline,
    parts_of,
    vertices_of,
)
from napari_pathoai.drawing.shape_changes import NO_ID, LayerRow, ShownShape
from napari_pathoai.drawing.style import edge_colours, face_colours, features_of
from napari_pathoai.drawing.unfinished_outline import UnfinishedOutline
from napari_pathoai.texts.texts import text
from pathoai.errors import AnnotationError
from pathoai.ontology import Ontology
from pathoai_annotations.annotation import Annotation, Origin, Status

_NO_PART = -1
_AREAS = ("polygon", "rectangle", "ellipse")


class DisplayedShapes:
    """The annotations on the screen.

    Args:
        ontology: Gives their colours.
        frame: Scale, translate, units and metadata of the layers.

    Attributes:
        shown: One entry per row of the layer, in its order.
        annotations: What is on the screen, points included, by id.
        line_px: Width of outlines, level-0 pixels.
        unfinished: What the user is drawing: a row beyond those that are shown.
    """

    def __init__(self, ontology: Ontology, frame: Mapping[str, Any]) -> None:
        """Empty layers."""
        self._ontology = ontology
        self._busy = False
        self.shown: list[ShownShape] = []
        self.annotations: dict[uuid.UUID, Annotation] = {}
        self.line_px = 4.0
        self.layer = Shapes(ndim=2, name=text("annotations"), features=features_of([], []), **frame)
        self.unfinished = UnfinishedOutline(self.layer)
        self.companions = Companions(ontology, frame)

    @property
    def layers(self) -> tuple[Points | Shapes, ...]:
        """The layers to add to the viewer, the editable one on top."""
        beside = self.companions
        return (beside.halo, beside.holes, beside.points, self.layer)

    @property
    def is_ours(self) -> bool:
        """True while the layer's events are our own doing, and not the user's."""
        return self._busy

    @contextmanager
    def not_the_user(self) -> Iterator[None]:
        """While this holds, events of the layer change no annotation."""
        before, self._busy = self._busy, True
        try:
            yield
        finally:
            self._busy = before

    def prepare_next(self, label: str, *, author: str) -> None:
        """What is drawn next has no id yet, the chosen class and its colour."""
        with self.not_the_user():
            self.layer.feature_defaults = {
                "id": NO_ID,
                "part": _NO_PART,
                "label": label,
                "status": Status.VALIDATED.value,
                "origin": Origin.PATHOLOGIST.value,
                "author": author,
            }
            if not self.layer.selected_data:
                self.layer.current_edge_color = self._ontology[label].colour
                self.layer.current_face_color = "transparent"
                self.layer.current_edge_width = self.line_px

    def fill(self, annotations: Sequence[Annotation]) -> None:
        """Show these annotations and no others."""
        self.give_up()
        with self.not_the_user():
            self.layer.selected_data = set()
            self.layer.data = []
            # Only now: a row that is still there is never taken for a drawn one.
            self.annotations = {a.id: a for a in annotations}
            self.shown = []
            self._append([shape for a in annotations for shape in _shapes_of(a)])
            self._restyle()
            self.companions.fill(self.annotations.values(), self.line_px)

    def follow(self, changed: Sequence[Annotation], gone: Collection[uuid.UUID]) -> None:
        """Show edits without filling the layer anew, which takes 1 s at 2,000 shapes.

        Args:
            changed: Annotations as they are now, new ones among them.
            gone: Those that are no longer there.
        """
        self.give_up()
        latest = {a.id: a for a in changed}
        touched = {*gone, *latest}
        before = [self.annotations.pop(one) for one in touched if one in self.annotations]
        here = [a for a in latest.values() if a.status is not Status.REJECTED and a.id not in gone]
        self.annotations |= {a.id: a for a in here}
        with self.not_the_user():
            self._claim_drawn(here)
            stale, fresh = self._differing(here)
            if stale:
                self.shown = [s for row, s in enumerate(self.shown) if row not in stale]
                self.layer.remove(sorted(stale))
            self._append(fresh)
            self._restyle()
            if any(needs_companion(a) for a in (*before, *here)):
                self.companions.fill(self.annotations.values(), self.line_px)

    def give_up(self) -> None:
        """Take what the user has not drawn to its end out of the layer."""
        if self.unfinished.is_there:
            with self.not_the_user():
                self.unfinished.give_up(len(self.shown))

    def unfinished_in(self, colour: str) -> None:
        """Show what the user is drawing in a colour, ``#rrggbb``."""
        if self.unfinished.is_there:
            with self.not_the_user():
                # napari has selected it, and gives the colour to what is selected.
                self.layer.current_edge_color = colour

    @contextmanager
    def paused(self) -> Iterator[None]:
        """While this holds, the layer's mode may change, and what is drawn goes on afterwards."""
        if not self.unfinished.is_there:
            yield
            return
        with self.unfinished.paused():
            yield

    def mark(self, ids: Sequence[uuid.UUID]) -> None:
        """Show that these are selected, whatever tool is in the hand."""
        found = [self.annotations[one] for one in ids if one in self.annotations]
        with self.not_the_user():
            self.companions.show_halo(found, self.line_px)

    def rows_of(self, ids: Collection[uuid.UUID]) -> set[int]:
        """Rows of the layer that show these annotations."""
        return {row for row, shape in enumerate(self.shown) if shape.annotation_id in ids}

    def ids_of(self, rows: Collection[int]) -> list[uuid.UUID]:
        """The annotations that some rows show, each once."""
        known = sorted(row for row in rows if row < len(self.shown))
        return list(dict.fromkeys(self.shown[row].annotation_id for row in known))

    def rows(self) -> list[LayerRow] | None:
        """The layer as it is now; None where napari lost count of whose rows they are."""
        data, features = self.layer.data, self.layer.features
        if len(features) != len(data):
            return None
        columns = zip(data, features["id"], features["part"], features["label"], strict=True)
        return [LayerRow(str(i), int(p), str(c), np.asarray(d)) for d, i, p, c in columns]

    def outline(self, row: int) -> Outline:
        """The outline of a row of the layer.

        Raises:
            AnnotationError: It encloses nothing: a line, a path.
        """
        kind = self.layer.shape_type[row]
        if kind not in _AREAS:
            raise AnnotationError(text("not_an_area"), found=kind)
        vertices = np.asarray(self.layer.data[row], np.float64)
        return ellipse_outline(vertices) if kind == "ellipse" else vertices

    def set_line(self, line_px: float) -> None:
        """Make outlines ``line_px`` level-0 pixels wide."""
        self.line_px = line_px
        with self.not_the_user():
            self.layer.current_edge_width = line_px
            if len(self.layer.data):
                self.layer.edge_width = [line_px] * len(self.layer.data)
            self.companions.set_line(line_px)

    def _append(self, shapes: Sequence[ShownShape]) -> None:
        if shapes:
            outlines = [shape.outline for shape in shapes]
            self.layer.add(outlines, shape_type="polygon", edge_width=self.line_px)
            self.shown = [*self.shown, *shapes]

    def _claim_drawn(self, states: Sequence[Annotation]) -> None:
        """What was just drawn is the first row that nobody claimed: napari appends."""
        data = self.layer.data
        known = {shape.annotation_id for shape in self.shown}
        for state in states:
            row, wanted = len(self.shown), _shapes_of(state)
            is_new = state.id not in known and len(wanted) == 1 and row < len(data)
            if is_new and np.array_equal(as_displayed(wanted[0].outline), data[row]):
                self.shown.append(wanted[0])

    def _differing(self, states: Sequence[Annotation]) -> tuple[set[int], list[ShownShape]]:
        """Rows that show what is no longer so, and the shapes that take their place."""
        data, fresh = self.layer.data, []
        stale = {*range(len(self.shown), len(data))}
        stale |= {
            row for row, s in enumerate(self.shown) if s.annotation_id not in self.annotations
        }
        for state in states:
            rows, wanted = sorted(self.rows_of([state.id])), _shapes_of(state)
            same = len(rows) == len(wanted) and all(
                np.array_equal(as_displayed(shape.outline), data[row])
                for row, shape in zip(rows, wanted, strict=True)
            )
            if not same:
                stale |= set(rows)
                fresh.extend(wanted)
                continue
            for row, shape in zip(rows, wanted, strict=True):
                self.shown[row] = shape
        return stale, fresh

    def _restyle(self) -> None:
        states = [self.annotations[shape.annotation_id] for shape in self.shown]
        self.layer.features = features_of(self.shown, states)
        if states:
            self.layer.edge_color = edge_colours(self._ontology, states)
            self.layer.face_color = face_colours(self._ontology, states)


def _shapes_of(annotation: Annotation) -> list[ShownShape]:
    return [
        ShownShape(annotation.id, part, annotation.label, vertices_of(polygon))
        for part, polygon in enumerate(parts_of(annotation.geometry))
    ]
