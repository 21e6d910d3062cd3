"""The journal's annotations as an editable layer; every edit goes back at once.

Frames: the layer's data are level-0 pixels (y, x) with pixel edges at integers; its scale makes
them micrometres of the world.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.layers import Points, Shapes
from napari.layers.base._base_constants import ActionType
from shapely.geometry.base import BaseGeometry

from napari_pathoai.drawing.displayed_shapes import DisplayedShapes
from napari_pathoai.drawing.enter_edits import Edit, enter_edits, made
from napari_pathoai.drawing.outlines import (
    area_from,
    with_exact_vertices,
    with_outline,
    without_part,
)
from napari_pathoai.drawing.shape_changes import NO_ID, LayerRow, ShownShape, find_changes
from napari_pathoai.drawing.unsaved_work import DrawnWork, UnsavedWork
from napari_pathoai.drawing.within_slide import within_slide
from napari_pathoai.picture.layers import METADATA, vector_frame
from napari_pathoai.session import ReviewSession
from napari_pathoai.texts.texts import text
from pathoai.errors import AnnotationError
from pathoai.geometry import Region
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.drawing.brush_stroke import Intent
from pathoai_annotations.drawing.drawn_edits import DrawnEdit, DrawnEdits

if TYPE_CHECKING:
    from napari.utils.events import Event

_LINE_SCREEN_PX = 2.5
_SAME_WIDTH = 1.5
_SELECTING_MODES = ("select", "direct", "vertex_insert", "vertex_remove")


class AnnotationLayer:
    """Keeps a Shapes layer and the journal of a session the same.

    Args:
        session: Where annotations come from and edits go.
        say: Shows one line to the user, who must not miss it.
        tell: Shows one line to the user.
        changed: Called after every edit and every reload.

    Attributes:
        label: Key of the class of what is drawn next.
        intent: What the outline that is being drawn in the layer is for.
        is_drawing: True while an outline is unfinished.
        total: Number of annotations of the slide, shown or not.
        unsaved: What was drawn and could not be entered yet.
    """

    def __init__(
        self,
        session: ReviewSession,
        *,
        say: Callable[[str], None],
        tell: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        """Empty layers; nothing is read yet."""
        self.session = session
        self._say, self._tell = say, tell
        self._changed = changed
        self._region: Region | None = None
        self._selected: list[uuid.UUID] = []
        self.is_drawing = False
        self.total = 0
        self.label = session.classes[0].key
        self.intent = Intent.NEW
        frame: dict[str, Any] = {
            "metadata": {METADATA: {"kind": "annotations"}},
            **vector_frame(session.store.header.slide_mpp),
        }
        self._shapes = DisplayedShapes(session.ontology, frame)
        self.unsaved = UnsavedWork(session.ontology, frame)
        self.layer = self._shapes.layer
        self.layer.events.data.connect(self._on_data)
        self.layer.events.features.connect(self._on_features)
        self.layer.events.mode.connect(self._on_mode)
        # napari ends an outline with Escape, and with Space, which lends the mouse to the view.
        self.layer.bind_key("Escape", lambda _layer: self.give_up())
        self.layer.bind_key("Space", self._while_view_moves)
        self.layer.selected_data.events.items_changed.connect(self._on_selected)

    @property
    def layers(self) -> tuple[Points | Shapes, ...]:
        """The layers to add to the viewer, the editable one on top."""
        return self._shapes.layers

    @property
    def shown(self) -> tuple[Annotation, ...]:
        """The annotations on the screen."""
        return tuple(self._shapes.annotations.values())

    @property
    def shown_count(self) -> int:
        """Number of annotations on the screen."""
        return len(self._shapes.annotations)

    @property
    def region(self) -> Region | None:
        """What was in view when annotations were shown last, level-0 pixels."""
        return self._region

    @property
    def selected(self) -> list[uuid.UUID]:
        """Ids of the annotations that are selected."""
        return [one for one in self._selected if one in self._shapes.annotations]

    @property
    def target(self) -> Annotation | None:
        """The one selected annotation, to which strokes add; None where none or several are."""
        selected = self.selected
        return self._shapes.annotations[selected[0]] if len(selected) == 1 else None

    def show(self, region: Region | None) -> None:
        """Put the journal's present state into the layer.

        Args:
            region: What is in view, level-0 pixels: where a slide has too many annotations, only
                those are shown.
        """
        self.give_up()
        found = self.session.annotations(region)
        self._region = region
        self.total = found.total
        self._shapes.fill(found.annotations)
        self.select_all(self.selected)
        self._prepare_next()
        self._changed()

    def select(self, annotation_id: uuid.UUID) -> None:
        """Select an annotation, after loading its surroundings if it is not shown."""
        if annotation_id not in self._shapes.annotations:
            left, top, right, bottom = self.session.get(annotation_id).geometry.bounds
            self.show(Region(left, top, max(right - left, 1.0), max(bottom - top, 1.0)))
        self.select_all([annotation_id])

    def select_all(self, ids: Sequence[uuid.UUID]) -> None:
        """Select just these annotations, of those that are shown."""
        self._selected = list(ids)
        self._shapes.mark(self.selected)
        if self.layer.mode in _SELECTING_MODES:
            with self._shapes.not_the_user():
                self.layer.selected_data = self._shapes.rows_of(ids)

    def set_class(self, label: str) -> None:
        """Choose the class of what is drawn next, and give it to what is selected.

        In the midst of an outline, it is the class of the outline.
        """
        self.label = label
        if self.is_drawing:
            self._shapes.unfinished_in(self.session.ontology[label].colour)
            return
        if selected := self.selected:
            self._do([self._states(self.session.change_class, selected, label)])
        self._prepare_next()

    def accept(self, ids: Sequence[uuid.UUID]) -> None:
        """Validate annotations."""
        self._do([self._states(self.session.accept, ids)])

    def reject(self, ids: Sequence[uuid.UUID]) -> None:
        """Reject annotations; they leave the screen."""
        self._do([self._states(self.session.reject, ids)])

    def delete(self) -> None:
        """Reject what is selected; of an annotation of several parts, those that are selected."""
        if self.layer.mode in _SELECTING_MODES and self.layer.selected_data:
            self.layer.remove_selected()
        elif selected := self.selected:
            self.reject(selected)

    def apply(self, area: BaseGeometry, intent: Intent, *, smallest_area: float = 0.0) -> None:
        """Save what was drawn: as a new annotation, or as more or less of the selected one.

        Args:
            area: Level-0 pixels.
            intent: What it is for.
            smallest_area: Of a part that a subtraction leaves, level-0 pixels².
        """
        self._do([self._work(area, intent, smallest_area)])

    def draw_point(self, point: BaseGeometry) -> None:
        """Save a point of the chosen class, level-0 pixels."""
        label = self.label
        edit = partial(self.session.drawn, lambda hand: hand.draw(label, point))
        self._do([DrawnWork(point, label, edit)])

    def save_unsaved(self) -> bool:
        """Try again to enter what was drawn while another program held the journal.

        Returns:
            True where nothing is left.
        """
        if self.unsaved:
            self._do([])
        return not self.unsaved

    def change(self, edit: Callable[[DrawnEdits], DrawnEdit]) -> None:
        """Carry an edit out, save it and show it; what is refused is said."""
        self._do([partial(self.session.drawn, edit)])

    def give_up(self, why: str = "given_up") -> None:
        """Forget an outline that was not drawn to its end; nothing of it is saved.

        Args:
            why: Key of what the user is told.
        """
        if self.is_drawing:
            self.is_drawing = False
            self._shapes.give_up()
            self._prepare_next()
            self._tell(text(why))

    def reload(self) -> None:
        """Show again what the journal holds, with the same selection where it still exists."""
        self.show(self._region)

    def set_zoom(self, screen_px_per_um: float) -> None:
        """Keep outlines equally thin on the screen; small changes are left alone."""
        mpp = self.session.store.header.slide_mpp.mean
        wanted = _LINE_SCREEN_PX / max(screen_px_per_um * mpp, 1e-9)
        is_same = 1 / _SAME_WIDTH < wanted / self._shapes.line_px < _SAME_WIDTH
        if not is_same and not self.is_drawing:
            self._shapes.set_line(wanted)

    def _on_data(self, event: Event) -> None:
        """Bring what the user did to the shapes into the journal."""
        if self._shapes.is_ours:
            return
        if event.action == ActionType.ADDING:
            self.is_drawing = True
        elif event.action in (ActionType.ADDED, ActionType.CHANGED, ActionType.REMOVED):
            # napari still holds it for unfinished while it tells of the end.
            was_drawn = self._shapes.unfinished.is_there
            self._shapes.unfinished.end()
            self.is_drawing = False
            self._save(was_drawn=was_drawn)

    def _on_features(self, _event: Event) -> None:
        if not self._shapes.is_ours and not self.is_drawing:
            self._save()

    def _on_mode(self, _event: object) -> None:
        """Another tool is taken in the midst of an outline."""
        if not self._shapes.unfinished.is_paused:
            self.give_up()

    def _while_view_moves(self, layer: Shapes) -> Iterator[None]:
        """Napari's hook of a key that is held down: until it comes up, the mouse moves the view."""
        mode = layer.mode
        with self._shapes.paused():
            layer.mode = "pan_zoom"
            yield
            layer.mode = mode

    def _on_selected(self, *_event: object) -> None:
        """Napari's own tools select rows; its others clear what is selected, which says nothing."""
        if self._shapes.is_ours or self.is_drawing or self.layer.mode not in _SELECTING_MODES:
            return
        self._selected = self._shapes.ids_of(self.layer.selected_data)
        self._shapes.mark(self._selected)

    def _save(self, *, was_drawn: bool = False) -> None:
        rows = self._shapes.rows()
        if rows is None:
            # napari removed a shape but kept its features: rows no longer say whose they are.
            if was_drawn:
                self._tell(text("no_area"))
            else:
                self._say(text("too_few_points"))
            self.reload()
            return
        shown = self._shapes.shown
        changes = find_changes(shown, rows)
        if changes.strange:
            self._say(text("original_gone"))
            self.reload()
            return
        edits: list[Edit] = []
        drawn = [partial(self._drawn_row, row, rows[row]) for row in changes.drawn]
        outlined = [partial(self._changed_row, *changed) for changed in changes.outlined]
        edits.extend(made(make) for make in (*drawn, *outlined))
        edits.extend(
            self._states(self.session.change_class, [shape.annotation_id], rows[row].label)
            for row, shape in changes.relabelled
        )
        edits.extend(partial(self._delete, shape) for shape in changes.deleted)
        gone = {id(shape) for shape in changes.deleted}
        self._shapes.shown = [shape for shape in shown if id(shape) not in gone]
        if edits:
            self._do(edits, "refused" if changes.drawn else "outline_refused")

    def _do(self, edits: Sequence[Edit], refusal: str = "refused") -> None:
        """Enter what is not saved yet, and then these edits, and show what became of them."""
        self.give_up()
        known = self.shown_count
        waiting = [[work] for work in self.unsaved.take()]
        entered = enter_edits(self.session, [*waiting, edits])
        for error in entered.refused:
            self._say(text(refusal, reason=error))
        self._keep_unsaved(entered.left)
        if entered.refused or entered.left:
            self.reload()
        else:
            self._shapes.follow(
                [state for one in entered.done for state in one.changed],
                [annotation_id for one in entered.done for annotation_id in one.gone],
            )
            self.total += self.shown_count - known
            self.select_all(self.selected)
        self._prepare_next()
        self._changed()

    def _keep_unsaved(self, left: Sequence[Edit]) -> None:
        """Keep what was drawn of the edits that another program's lock left undone."""
        kept = [edit for edit in left if isinstance(edit, DrawnWork)]
        self.unsaved.keep(kept, self._shapes.line_px)
        if left:
            self._say(text("busy_kept" if kept else "busy"))

    def _states(self, operation: Callable[..., Sequence[Annotation]], *arguments: object) -> Edit:
        """An operation of the session that gives states, as an edit."""
        return lambda: DrawnEdit(tuple(operation(*arguments)))

    def _work(self, area: BaseGeometry, intent: Intent, smallest_area: float = 0.0) -> DrawnWork:
        """What was drawn, for the annotation that is selected now."""
        return DrawnWork(
            area,
            self.label,
            partial(self._applied, area, intent, self.label, self.target, smallest_area),
        )

    def _applied(
        self,
        area: BaseGeometry,
        intent: Intent,
        label: str,
        target: Annotation | None,
        smallest_area: float,
    ) -> DrawnEdit:
        if intent is Intent.SUBTRACT and target is None:
            raise AnnotationError(text("nothing_selected"))
        if target is None or intent is Intent.NEW:
            return self._entered(area, label)
        if intent is Intent.ADD:
            return self.session.drawn(lambda hand: hand.add(target.id, area))
        return self.session.drawn(
            lambda hand: hand.subtract(target.id, area, smallest_area=smallest_area)
        )

    def _entered(self, area: BaseGeometry, label: str) -> DrawnEdit:
        edit = self.session.drawn(lambda hand: hand.draw(label, area))
        self._selected = [state.id for state in edit.changed]
        return edit

    def _drawn_row(self, row: int, drawn: LayerRow) -> DrawnWork:
        intent, self.intent = self.intent, Intent.NEW
        area = within_slide(area_from(self._shapes.outline(row)), self.session.store.slide.size)
        if drawn.annotation_id != NO_ID and drawn.label in self.session.ontology:
            # A copy that was pasted brings its own class; what is drawn has the chosen one.
            return DrawnWork(area, drawn.label, partial(self._entered, area, drawn.label))
        return self._work(area, intent)

    def _changed_row(self, row: int, shape: ShownShape) -> DrawnWork:
        outline = with_exact_vertices(self._shapes.outline(row), shape.outline)

        def change() -> DrawnEdit:
            # Its other parts may have been changed just before.
            state = self.session.get(shape.annotation_id)
            whole = with_outline(state.geometry, shape.part, outline)
            changed = within_slide(whole, self.session.store.slide.size)
            return DrawnEdit((self.session.change_outline(state.id, changed),))

        return DrawnWork(area_from(outline), shape.label, change)

    def _delete(self, shape: ShownShape) -> DrawnEdit:
        rest = without_part(self.session.get(shape.annotation_id).geometry, shape.part)
        if rest is None:
            return DrawnEdit(tuple(self.session.reject([shape.annotation_id])))
        return DrawnEdit((self.session.change_outline(shape.annotation_id, rest),))

    def _prepare_next(self) -> None:
        """What is drawn next has no id yet, the chosen class and its colour."""
        self._shapes.prepare_next(self.label, author=self.session.reader)
