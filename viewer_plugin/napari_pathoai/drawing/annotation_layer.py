"""The journal's annotations as an editable layer; every edit goes back at once.

Frames: the layer's data are level-0 pixels (y, x) with pixel edges at integers; its scale makes
them micrometres of the world.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points, Shapes
from napari.layers.base._base_constants import ActionType

from napari_pathoai.drawing.companions import Companions, needs_companion
from napari_pathoai.drawing.outlines import (
    Outline,
    as_displayed,
    ellipse_outline,
    parts_of,
    polygon_from,
    vertices_of,
    with_exact_vertices,
    with_outline,
    without_part,
)
from napari_pathoai.drawing.shape_changes import NO_ID, LayerRow, ShownShape, find_changes
from napari_pathoai.drawing.style import edge_colours, face_colours, features_of
from napari_pathoai.picture.layers import METADATA, vector_frame
from napari_pathoai.session import ReviewSession
from napari_pathoai.texts.texts import text
from pathoai.errors import AnnotationError, PathoaiError
from pathoai.geometry import Region
from pathoai_annotations.annotation import Annotation, Origin, Status

if TYPE_CHECKING:
    from napari.utils.events import Event

_LINE_SCREEN_PX = 2.5
_SAME_WIDTH = 1.5
_NO_PART = -1
_AREAS = ("polygon", "rectangle", "ellipse")

Edit = Callable[[], Sequence[Annotation]]
"""Changes the journal and returns the states of the annotations it touched."""


class AnnotationLayer:
    """Keeps a Shapes layer and the journal of a session the same.

    Args:
        session: Where annotations come from and edits go.
        say: Shows one line to the user.
        changed: Called after every edit and every reload.
    """

    def __init__(
        self, session: ReviewSession, *, say: Callable[[str], None], changed: Callable[[], None]
    ) -> None:
        """Empty layers; nothing is read yet."""
        self.session = session
        self._say = say
        self._changed = changed
        self._shown: list[ShownShape] = []
        self._annotations: dict[uuid.UUID, Annotation] = {}
        self._region: Region | None = None
        self._busy = False
        self._line_px = 4.0
        self.is_drawing = False
        self.total = 0
        self.label = session.classes[0].key
        frame: dict[str, Any] = {
            "metadata": {METADATA: {"kind": "annotations"}},
            **vector_frame(session.store.header.slide_mpp),
        }
        self.layer = Shapes(ndim=2, name=text("annotations"), features=features_of([], []), **frame)
        self._companions = Companions(session.ontology, frame)
        self.layer.events.data.connect(self._on_data)
        self.layer.events.features.connect(self._on_features)

    @property
    def layers(self) -> tuple[Points | Shapes, ...]:
        """The layers to add to the viewer, the editable one on top."""
        return (self._companions.holes, self._companions.points, self.layer)

    @property
    def shown_count(self) -> int:
        """Number of annotations on the screen."""
        return len(self._annotations)

    @property
    def selected(self) -> list[uuid.UUID]:
        """Ids of the annotations that are selected."""
        rows = sorted(row for row in self.layer.selected_data if row < len(self._shown))
        return list(dict.fromkeys(self._shown[row].annotation_id for row in rows))

    def show(self, region: Region | None) -> None:
        """Put the journal's present state into the layer.

        Args:
            region: What is in view, level-0 pixels: where a slide has too many annotations, only
                those are shown.
        """
        found = self.session.annotations(region)
        self._region = region
        self.total = found.total
        self._annotations = {a.id: a for a in found.annotations}
        self._shown = [shape for a in found.annotations for shape in _shapes_of(a)]
        self.is_drawing = False
        with self._not_the_user():
            self.layer.selected_data = set()
            self.layer.data = []
            if self._shown:
                outlines = [shape.outline for shape in self._shown]
                self.layer.add(outlines, shape_type="polygon", edge_width=self._line_px)
            self._restyle()
            self._companions.fill(self._annotations.values(), self._line_px)
        self._prepare_next()
        self._changed()

    def select(self, annotation_id: uuid.UUID) -> None:
        """Select an annotation, after loading its surroundings if it is not shown."""
        if annotation_id not in self._annotations:
            left, top, right, bottom = self.session.get(annotation_id).geometry.bounds
            self.show(Region(left, top, max(right - left, 1.0), max(bottom - top, 1.0)))
        if self.layer.mode not in ("select", "direct"):
            self.layer.mode = "select"
        self.layer.selected_data = self._rows_of([annotation_id])

    def set_class(self, label: str) -> None:
        """Choose the class of what is drawn next, and give it to what is selected."""
        self.label = label
        if selected := self.selected:
            self._do([partial(self.session.change_class, selected, label)], "refused")
        self._prepare_next()

    def accept(self, ids: Sequence[uuid.UUID]) -> None:
        """Validate annotations."""
        self._do([partial(self.session.accept, ids)], "refused")

    def reject(self, ids: Sequence[uuid.UUID]) -> None:
        """Reject annotations; they leave the screen."""
        self._do([partial(self.session.reject, ids)], "refused")

    def reload(self) -> None:
        """Show again what the journal holds, with the same selection where it still exists."""
        selected = self.selected
        self.show(self._region)
        if rows := self._rows_of(selected):
            self.layer.selected_data = rows

    def set_zoom(self, screen_px_per_um: float) -> None:
        """Keep outlines equally thin on the screen; small changes are left alone."""
        mpp = self.session.store.header.slide_mpp.mean
        wanted = _LINE_SCREEN_PX / max(screen_px_per_um * mpp, 1e-9)
        if 1 / _SAME_WIDTH < wanted / self._line_px < _SAME_WIDTH or self.is_drawing:
            return
        self._line_px = wanted
        with self._not_the_user():
            self.layer.current_edge_width = wanted
            if len(self.layer.data):
                self.layer.edge_width = [wanted] * len(self.layer.data)
            self._companions.set_line(wanted)

    @contextmanager
    def _not_the_user(self) -> Iterator[None]:
        """While this holds, events of the layer are our own doing and change no annotation."""
        before, self._busy = self._busy, True
        try:
            yield
        finally:
            self._busy = before

    def _on_data(self, event: Event) -> None:
        """Bring what the user did to the shapes into the journal."""
        if self._busy:
            return
        if event.action == ActionType.ADDING:
            self.is_drawing = True
        elif event.action in (ActionType.ADDED, ActionType.CHANGED, ActionType.REMOVED):
            self.is_drawing = False
            self._save()

    def _on_features(self, _event: Event) -> None:
        if not self._busy and not self.is_drawing:
            self._save()

    def _save(self) -> None:
        rows = self._layer_rows()
        if rows is None:
            # napari removed a shape but kept its features: rows no longer say whose they are.
            self._say(text("too_few_points"))
            self.reload()
            return
        changes = find_changes(self._shown, rows)
        edits: list[Edit] = []
        edits.extend(partial(self._add, row, rows[row].label) for row in changes.drawn)
        edits.extend(partial(self._change_outline, *changed) for changed in changes.outlined)
        edits.extend(
            partial(self.session.change_class, [shape.annotation_id], rows[row].label)
            for row, shape in changes.relabelled
        )
        edits.extend(partial(self._delete, shape) for shape in _last_first(changes.deleted))
        gone = {id(shape) for shape in changes.deleted}
        self._shown = [shape for shape in self._shown if id(shape) not in gone]
        if edits:
            self._do(edits, "outline_refused")

    def _do(self, edits: Sequence[Edit], refusal: str) -> None:
        """Each edit by itself, so that one that is refused does not lose the others."""
        touched: list[Annotation] = []
        refused = False
        with self.session.as_one_action():
            for edit in edits:
                try:
                    touched.extend(edit())
                except PathoaiError as error:
                    refused = True
                    self._say(text(refusal, reason=error))
        if refused or not self._follow(touched):
            self.reload()
        self._changed()

    def _follow(self, touched: Sequence[Annotation]) -> bool:
        """Show edits without filling the layer anew (1 s at 2,000 shapes); False where it must."""
        before = [self._annotations[a.id] for a in touched if a.id in self._annotations]
        known = len(self._annotations)
        for state in touched:
            if state.status is Status.REJECTED:
                self._annotations.pop(state.id, None)
            else:
                self._annotations[state.id] = state
                if not self._shows(state):
                    return False
        self.total += len(self._annotations) - known
        with self._not_the_user():
            gone = {
                i for i, s in enumerate(self._shown) if s.annotation_id not in self._annotations
            }
            if gone:
                self._shown = [shape for i, shape in enumerate(self._shown) if i not in gone]
                self.layer.remove(sorted(gone))
            if len(self.layer.data) != len(self._shown):
                return False
            self._restyle()
            if any(needs_companion(a) for a in (*before, *touched)):
                self._companions.fill(self._annotations.values(), self._line_px)
        self._prepare_next()
        return True

    def _shows(self, state: Annotation) -> bool:
        """Note how an annotation is shown now; False where the layer shows it otherwise."""
        wanted = _shapes_of(state)
        rows = sorted(self._rows_of([state.id]))
        if not rows and len(wanted) == 1 and len(self._shown) < len(self.layer.data):
            # Just drawn: napari appends, so it is the first row that nobody claimed yet.
            rows = [len(self._shown)]
            self._shown.append(wanted[0])
        if len(rows) != len(wanted):
            return False
        for row, shape in zip(rows, wanted, strict=True):
            self._shown[row] = shape
            if not np.array_equal(as_displayed(shape.outline), self.layer.data[row]):
                return False
        return True

    def _rows_of(self, ids: Sequence[uuid.UUID]) -> set[int]:
        return {row for row, shape in enumerate(self._shown) if shape.annotation_id in ids}

    def _layer_rows(self) -> list[LayerRow] | None:
        data, features = self.layer.data, self.layer.features
        if len(features) != len(data):
            return None
        columns = zip(data, features["id"], features["part"], features["label"], strict=True)
        return [LayerRow(str(i), int(p), str(c), np.asarray(d)) for d, i, p, c in columns]

    def _add(self, row: int, label: str) -> list[Annotation]:
        # A copy brings its own class; what is drawn has the chosen one.
        known = label in self.session.ontology
        return [self.session.add(label if known else self.label, polygon_from(self._outline(row)))]

    def _change_outline(self, row: int, shape: ShownShape) -> list[Annotation]:
        state = self.session.get(shape.annotation_id)
        outline = with_exact_vertices(self._outline(row), shape.outline)
        changed = with_outline(state.geometry, shape.part, outline)
        return [self.session.change_outline(state.id, changed)]

    def _delete(self, shape: ShownShape) -> Sequence[Annotation]:
        rest = without_part(self.session.get(shape.annotation_id).geometry, shape.part)
        if rest is None:
            return self.session.reject([shape.annotation_id])
        return [self.session.change_outline(shape.annotation_id, rest)]

    def _outline(self, row: int) -> Outline:
        kind = self.layer.shape_type[row]
        if kind not in _AREAS:
            raise AnnotationError(text("not_an_area"), found=kind)
        vertices = np.asarray(self.layer.data[row], np.float64)
        return ellipse_outline(vertices) if kind == "ellipse" else vertices

    def _restyle(self) -> None:
        states = [self._annotations[shape.annotation_id] for shape in self._shown]
        self.layer.features = features_of(self._shown, states)
        if states:
            self.layer.edge_color = edge_colours(self.session.ontology, states)
            self.layer.face_color = face_colours(self.session.ontology, states)

    def _prepare_next(self) -> None:
        """What is drawn next has no id yet, the chosen class and its colour."""
        with self._not_the_user():
            self.layer.feature_defaults = {
                "id": NO_ID,
                "part": _NO_PART,
                "label": self.label,
                "status": Status.VALIDATED.value,
                "origin": Origin.PATHOLOGIST.value,
                "author": self.session.reader,
            }
            if not self.layer.selected_data:
                self.layer.current_edge_color = self.session.ontology[self.label].colour
                self.layer.current_face_color = "transparent"
                self.layer.current_edge_width = self._line_px


def _shapes_of(annotation: Annotation) -> list[ShownShape]:
    return [
        ShownShape(annotation.id, part, annotation.label, vertices_of(polygon))
        for part, polygon in enumerate(parts_of(annotation.geometry))
    ]


def _last_first(shapes: Sequence[ShownShape]) -> list[ShownShape]:
    """Parts of one annotation from the last to the first, so that their numbers stay true."""
    return sorted(shapes, key=lambda shape: shape.part, reverse=True)
