"""The journal's annotations as an editable layer; every edit goes back at once.

Frames: the layer's data are level-0 pixels (y, x) with pixel edges at integers; its scale makes
them micrometres of the world.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from napari.layers import Points, Shapes
from napari.layers.base._base_constants import ActionType

from napari_pathoai.layers import METADATA, vector_frame
from napari_pathoai.outlines import (
    Outline,
    ellipse_outline,
    holes_of,
    parts_of,
    polygon_from,
    vertices_of,
    with_outline,
    without_part,
)
from napari_pathoai.session import ReviewSession
from napari_pathoai.shape_changes import NO_ID, LayerRow, ShownShape, find_changes
from napari_pathoai.texts import text
from pathoai.errors import AnnotationError, PathoaiError
from pathoai.geometry import Region
from pathoai_annotations.annotation import Annotation, Status

if TYPE_CHECKING:
    from napari.utils.events import Event

_LINE_SCREEN_PX = 2.5
_PROPOSED_FILL = 0.30
_JUDGED_FILL = 0.0
_NO_PART = -1
_AREAS = ("polygon", "rectangle", "ellipse")


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
        self.is_drawing = False
        self.total = 0
        self.label = session.classes[0].key
        self._line_px = 4.0
        frame = {
            "metadata": {METADATA: {"kind": "annotations"}},
            **vector_frame(session.store.header.slide_mpp),
        }
        self.layer = Shapes(
            ndim=2,
            name=text("annotations"),
            features=_features([], []),
            **frame,
        )
        # What cannot be edited as an outline is shown all the same.
        self.holes = Shapes(ndim=2, name=text("holes"), **frame)
        self.points = Points(ndim=2, name=text("points"), **frame)
        self.holes.editable = self.points.editable = False
        self.layer.events.data.connect(self._on_data)
        self.layer.events.features.connect(self._on_features)

    @property
    def layers(self) -> tuple[Points | Shapes, ...]:
        """The layers to add to the viewer, the editable one on top."""
        return (self.holes, self.points, self.layer)

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
        self._fill()
        self._changed()

    def select(self, annotation_id: uuid.UUID) -> None:
        """Select an annotation, after loading its surroundings if it is not shown."""
        if annotation_id not in self._annotations:
            left, top, right, bottom = self.session.get(annotation_id).geometry.bounds
            self.show(Region(left, top, max(right - left, 1.0), max(bottom - top, 1.0)))
        rows = {i for i, s in enumerate(self._shown) if s.annotation_id == annotation_id}
        if self.layer.mode not in ("select", "direct"):
            self.layer.mode = "select"
        self.layer.selected_data = rows

    def set_class(self, label: str) -> None:
        """Choose the class of what is drawn next, and give it to what is selected."""
        self.label = label
        selected = self.selected
        if selected:
            self._try(partial(self.session.change_class, selected, label))
        self._prepare_next()

    def accept(self, ids: Sequence[uuid.UUID]) -> None:
        """Validate annotations."""
        self._try(partial(self.session.accept, ids))

    def reject(self, ids: Sequence[uuid.UUID]) -> None:
        """Reject annotations; they leave the screen."""
        self._try(partial(self.session.reject, ids))

    def reload(self) -> None:
        """Show again what the journal holds, with the same selection where it still exists."""
        selected = self.selected
        self.show(self._region)
        rows = {i for i, s in enumerate(self._shown) if s.annotation_id in selected}
        if rows:
            self.layer.selected_data = rows

    def set_zoom(self, screen_px_per_um: float) -> None:
        """Keep outlines equally thin on the screen; small changes are left alone."""
        mpp = self.session.store.header.slide_mpp.mean
        wanted = _LINE_SCREEN_PX / max(screen_px_per_um * mpp, 1e-9)
        if 1 / 1.5 < wanted / self._line_px < 1.5 or self.is_drawing:
            return
        self._line_px = wanted
        self._busy = True
        try:
            for layer in (self.layer, self.holes):
                layer.current_edge_width = wanted
                if len(layer.data):
                    layer.edge_width = [wanted] * len(layer.data)
        finally:
            self._busy = False

    def _try(self, operation: Callable[[], object]) -> None:
        """Do an operation and show its result, or say why it was refused."""
        try:
            operation()
        except PathoaiError as error:
            self._say(text("refused", reason=error))
        self.reload()

    def _on_data(self, event: Event) -> None:
        """Bring what the user did to the shapes into the journal."""
        if self._busy:
            return
        if event.action == ActionType.ADDING:
            self.is_drawing = True
        elif event.action in (ActionType.ADDED, ActionType.CHANGED, ActionType.REMOVED):
            self.is_drawing = False
            self._save()

    def _on_features(self, event: Event) -> None:
        if not self._busy and not self.is_drawing:
            self._save()

    def _save(self) -> None:
        rows = self._rows()
        if rows is None:
            # napari removed a shape but kept its features: rows no longer say whose they are.
            self._say(text("too_few_points"))
            self.reload()
            return
        changes = find_changes(self._shown, rows)
        edits: list[Callable[[], object]] = []
        edits.extend(partial(self._add, row, rows[row].label) for row in changes.drawn)
        edits.extend(partial(self._change_outline, *changed) for changed in changes.outlined)
        edits.extend(
            partial(self.session.change_class, [shape.annotation_id], rows[row].label)
            for row, shape in changes.relabelled
        )
        edits.extend(partial(self._delete, shape) for shape in _last_first(changes.deleted))
        if edits:
            self._apply(edits)

    def _apply(self, edits: Sequence[Callable[[], object]]) -> None:
        """Each edit by itself, so that one that is refused does not lose the others."""
        for edit in edits:
            try:
                edit()
            except PathoaiError as error:
                self._say(text("outline_refused", reason=error))
        self.reload()

    def _rows(self) -> list[LayerRow] | None:
        data, features = self.layer.data, self.layer.features
        if len(features) != len(data):
            return None
        columns = zip(data, features["id"], features["part"], features["label"], strict=True)
        return [LayerRow(str(i), int(p), str(c), np.asarray(d)) for d, i, p, c in columns]

    def _add(self, row: int, label: str) -> None:
        # A copy brings its own class; what is drawn has the chosen one.
        known = label in self.session.ontology
        self.session.add(label if known else self.label, polygon_from(self._outline(row)))

    def _change_outline(self, row: int, shape: ShownShape) -> None:
        state = self.session.get(shape.annotation_id)
        changed = with_outline(state.geometry, shape.part, self._outline(row))
        self.session.change_outline(state.id, changed)

    def _delete(self, shape: ShownShape) -> None:
        rest = without_part(self.session.get(shape.annotation_id).geometry, shape.part)
        if rest is None:
            self.session.reject([shape.annotation_id])
        else:
            self.session.change_outline(shape.annotation_id, rest)

    def _outline(self, row: int) -> Outline:
        kind = self.layer.shape_type[row]
        if kind not in _AREAS:
            raise AnnotationError(text("not_an_area"), found=kind)
        vertices = np.asarray(self.layer.data[row], np.float64)
        return ellipse_outline(vertices) if kind == "ellipse" else vertices

    def _fill(self) -> None:
        """Fill the layers from ``_shown``; napari's events of it are not the user's."""
        self._busy = True
        self.is_drawing = False
        try:
            self.layer.selected_data = set()
            self._fill_shapes()
            self._fill_companions()
        finally:
            self._busy = False
        self._prepare_next()

    def _fill_shapes(self) -> None:
        states = [self._annotations[shape.annotation_id] for shape in self._shown]
        edges = [self._colour(a.label, 1.0) for a in states]
        fills = [
            _JUDGED_FILL if a.status is not Status.PROPOSED else _PROPOSED_FILL for a in states
        ]
        _replace(
            self.layer,
            [shape.outline for shape in self._shown],
            edge_width=self._line_px,
            edge_color=edges,
            face_color=[self._colour(a.label, f) for a, f in zip(states, fills, strict=True)],
        )
        self.layer.features = _features(self._shown, states)

    def _fill_companions(self) -> None:
        outlines, colours = [], []
        for annotation in self._annotations.values():
            for part in parts_of(annotation.geometry):
                outlines.extend(holes_of(part))
                colours.extend([self._colour(annotation.label, 1.0)] * len(part.interiors))
        _replace(
            self.holes,
            outlines,
            edge_width=self._line_px,
            edge_color=colours,
            face_color="transparent",
        )
        dots = [a for a in self._annotations.values() if not parts_of(a.geometry)]
        centres = [(a.geometry.centroid.y, a.geometry.centroid.x) for a in dots]
        self.points.data = np.asarray(centres, np.float64).reshape(-1, 2)
        if dots:
            self.points.face_color = [self._colour(a.label, 1.0) for a in dots]

    def _prepare_next(self) -> None:
        """What is drawn next has no id yet, the chosen class and its colour."""
        self._busy = True
        try:
            self.layer.feature_defaults = {
                "id": NO_ID,
                "part": _NO_PART,
                "label": self.label,
                "status": Status.VALIDATED.value,
                "origin": "pathologist",
                "author": self.session.reader,
            }
            if not self.layer.selected_data:
                self.layer.current_edge_color = self.session.ontology[self.label].colour
                self.layer.current_face_color = "transparent"
                self.layer.current_edge_width = self._line_px
        finally:
            self._busy = False

    def _colour(self, label: str, alpha: float) -> tuple[float, float, float, float]:
        ontology = self.session.ontology
        # A class that left the ontology is still shown, in a colour that no class has.
        red, green, blue = ontology[label].rgb if label in ontology else (255, 0, 255)
        return (red / 255, green / 255, blue / 255, alpha)


def _shapes_of(annotation: Annotation) -> list[ShownShape]:
    return [
        ShownShape(annotation.id, part, annotation.label, vertices_of(polygon))
        for part, polygon in enumerate(parts_of(annotation.geometry))
    ]


def _features(shown: Sequence[ShownShape], states: Sequence[Annotation]) -> pd.DataFrame:
    """The table of a layer's shapes; typed, because an empty column would become numbers."""
    texts = {
        "id": [str(shape.annotation_id) for shape in shown],
        "label": [a.label for a in states],
        "status": [a.status.value for a in states],
        "origin": [a.origin.value for a in states],
        "author": [a.author for a in states],
    }
    table = pd.DataFrame({name: pd.Series(column, dtype=object) for name, column in texts.items()})
    table.insert(1, "part", pd.Series([shape.part for shape in shown], dtype=np.int64))
    return table


def _last_first(shapes: Sequence[ShownShape]) -> list[ShownShape]:
    """Parts of one annotation from the last to the first, so that their numbers stay true."""
    return sorted(shapes, key=lambda shape: shape.part, reverse=True)


def _replace(layer: Shapes, outlines: Sequence[Outline], **style: Any) -> None:  # noqa: ANN401
    layer.data = []
    if outlines:
        layer.add(list(outlines), shape_type="polygon", **style)
