"""The tools of drawing: exactly one is in the hand; every one has a key, and a button."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from psygnal import Signal
from shapely import Point

from napari_pathoai.drawing.mouse_place import LEFT_BUTTON, place_of
from napari_pathoai.drawing.stroke_block import StrokeBlock
from napari_pathoai.keys.actions import ReviewAction, WhileDrawing
from napari_pathoai.settings import setting
from napari_pathoai.texts.refusal import refusal
from napari_pathoai.texts.texts import text
from napari_pathoai.tools.click_tool import ClickTool
from napari_pathoai.tools.outline_tool import CLICK_SCREEN_PX, EDIT_MODE, OutlineTool
from napari_pathoai.tools.pointing_tools import PointTool, SelectTool
from napari_pathoai.tools.stroke_tools import Brush, Eraser, Knife, Wand
from napari_pathoai.tools.tool import Press, Tool
from pathoai.errors import PathoaiError
from pathoai_annotations.drawing.click_outline import OutlineMethod
from pathoai_annotations.drawing.outline_choice import chosen_method
from pathoai_annotations.drawing.outline_edits import holes_at
from pathoai_annotations.journal.undo import Undone

if TYPE_CHECKING:
    import napari
    from napari.layers import Shapes
    from napari.utils.events import Event

    from napari_pathoai.review import Review
    from napari_pathoai.session import ReviewSession

_GROUP = "group_drawing"
_BRUSH_STEP = 1.25
_KEYS = {
    "tool_select": "V",
    "tool_polygon": "L",
    "tool_lasso": "F",
    "tool_brush": "B",
    "tool_eraser": "D",
    "tool_wand": "W",
    "tool_rectangle": "R",
    "tool_ellipse": "O",
    "tool_point": "T",
    "tool_edit": "E",
    "tool_click": "G",
    "tool_split": "K",
}

_ENDS = ("take_draft", "escape")
"""Their keys end an outline, or give it up."""


class DrawingTools:
    """Gives the mouse to the tool in the hand.

    Args:
        review: Where they draw.

    Attributes:
        taken: Emitted with the name of the tool that comes into the hand.
        tools: All of them, by name.
        brush: One of them.
        wand: One of them.
        click: One of them.
    """

    taken = Signal(str)

    def __init__(self, review: Review) -> None:
        """The tool that selects is in the hand."""
        self._review = review
        self._block: StrokeBlock | None = None
        self.brush = Brush(review, self._paper)
        eraser = Eraser(review, self._paper)
        self.brush.resized.connect(eraser.set_size)
        self.wand = Wand(review, self._paper)
        self.click = ClickTool(review, _method)
        shapes = {
            "tool_polygon": "add_polygon",
            "tool_lasso": "add_polygon_lasso",
            "tool_rectangle": "add_rectangle",
            "tool_ellipse": "add_ellipse",
            "tool_edit": EDIT_MODE,
        }
        every: list[Tool] = [
            SelectTool(review),
            self.brush,
            eraser,
            self.wand,
            *(OutlineTool(review, name, mode) for name, mode in shapes.items()),
            PointTool(review),
            Knife(review, self._paper),
            self.click,
        ]
        self.tools = {name: tool for name in _KEYS for tool in every if tool.name == name}
        self._tool: Tool = self.tools["tool_select"]
        self.review_actions = self._actions()
        review.opened.connect(self._on_opened)
        review.closing.connect(self._on_closing)
        review.viewer.mouse_drag_callbacks.append(self._on_drag)

    @property
    def in_hand(self) -> str:
        """Name of the tool in the hand."""
        return self._tool.name

    def take(self, name: str) -> None:
        """Put one tool down and take another."""
        self._tool.stop()
        self._tool = self.tools[name]
        self._review.hold_annotations()
        self._tool.start()
        self.taken.emit(name)

    def delete(self) -> None:
        """Take what is selected away; it is rejected, and stays in the journal."""
        if (annotations := self._review.annotations) is not None:
            annotations.delete()

    def merge(self) -> None:
        """Make one annotation of those that are selected."""
        annotations = self._review.annotations
        if annotations is not None and (selected := annotations.selected):
            annotations.change(lambda hand: hand.merge(selected))

    def fill_holes(self, *, under_mouse: bool) -> None:
        """Fill the holes of the selected annotation.

        Args:
            under_mouse: Only the one under the mouse, where there is one.
        """
        annotations = self._review.annotations
        if annotations is None:
            return
        if (target := annotations.target) is None:
            self._review.tell(text("select_one"))
            return
        at = Point(self._mouse()) if under_mouse else None
        if at is not None and not holes_at(target.geometry, at):
            at = None
        annotations.change(lambda hand: hand.fill_holes(target.id, at))

    def take_draft(self) -> None:
        """Make an annotation of what a click outlined; or else of what is not saved yet."""
        if self.click.draft is not None:
            self.click.accept()
        elif (annotations := self._review.annotations) is not None:
            annotations.save_unsaved()

    def escape(self) -> None:
        """Forget an outline that is not accepted yet, or else what is selected."""
        if self.click.draft is not None or self.click.is_busy:
            self.click.cancel()
        elif (annotations := self._review.annotations) is not None:
            annotations.select_all([])

    def undo(self) -> None:
        """Take back what the reader did last, and show where."""
        if (session := self._review.session) is not None:
            self._show_undone(session.undo, "nothing_to_undo")

    def redo(self) -> None:
        """Do again what was taken back last, and show where."""
        if (session := self._review.session) is not None:
            self._show_undone(session.redo, "nothing_to_redo")

    def _actions(self) -> tuple[ReviewAction, ...]:
        take = [
            ReviewAction(
                *(n, (_KEYS[n],), _GROUP, partial(self.take, n)),
                while_drawing=WhileDrawing.PASSES,
            )
            for n in self.tools
        ]
        fill_one = partial(self.fill_holes, under_mouse=True)
        fill_all = partial(self.fill_holes, under_mouse=False)
        others: list[tuple[str, tuple[str, ...], Callable[[], None]]] = [
            ("brush_larger", ("]",), partial(self.brush.resize, _BRUSH_STEP)),
            ("brush_smaller", ("[",), partial(self.brush.resize, 1 / _BRUSH_STEP)),
            ("fill_hole", ("Shift+F",), fill_one),
            ("fill_holes", ("Shift+H",), fill_all),
            ("merge", ("J",), self.merge),
            ("delete", ("Del", "Backspace"), self.delete),
            ("take_draft", ("Return", "Enter"), self.take_draft),
            ("escape", ("Esc",), self.escape),
            ("undo", ("Ctrl+Z",), self.undo),
            ("redo", ("Ctrl+Y", "Ctrl+Shift+Z"), self.redo),
        ]
        rest = (
            ReviewAction(
                *(name, keys, _GROUP, run),
                while_drawing=WhileDrawing.PASSES if name in _ENDS else WhileDrawing.NOTHING,
            )
            for name, keys, run in others
        )
        return (*take, *rest)

    def _show_undone(self, operation: Callable[[], Undone | None], nothing: str) -> None:
        self.click.cancel()
        try:
            undone = operation()
        except PathoaiError as error:
            self._review.say(refusal(error))
            return
        if undone is None:
            self._review.tell(text(nothing))
            return
        self._review.reload()
        place, seen = undone.region, self._review.region_in_view()
        x, y = place.x + place.width / 2, place.y + place.height / 2
        if not (seen.x <= x <= seen.right and seen.y <= y <= seen.bottom):
            self._review.show_region(place)

    def _paper(self) -> StrokeBlock | None:
        return self._block

    def _on_opened(self, session: ReviewSession) -> None:
        self._block = StrokeBlock(
            self._review.viewer, session.store.slide.size, session.store.header.slide_mpp
        )
        assert self._review.annotations is not None  # the session was just opened
        for name, key in _KEYS.items():
            # While an outline is drawn, keys are napari's: another tool gives the outline up.
            self._review.annotations.layer.bind_key(key, self._taker(name))
        self._tool.start()

    def _taker(self, name: str) -> Callable[[Shapes], None]:
        def take(_layer: Shapes) -> None:  # napari asks for its name, which a partial lacks
            self.take(name)

        return take

    def _on_closing(self) -> None:
        self.click.cancel()
        self._tool.stop()
        if self._block is not None:
            self._block.close()
        self._block = None

    def _on_drag(self, _viewer: napari.Viewer, event: Event) -> Iterator[None]:
        """Napari's hook, called before the active layer's own."""
        session = self._review.session
        if session is None or event.button != LEFT_BUTTON:
            return
        if self._misses_layers():
            self._review.hold_annotations()
            self._tool.start()
        mpp, keys = session.store.header.slide_mpp, event.modifiers
        tool, began = self._tool, tuple(event.pos)
        tool.pressed(Press(place_of(event, mpp), "Shift" in keys, "Alt" in keys, "Control" in keys))
        yield
        while event.type == "mouse_move":
            tool.moved(place_of(event, mpp))
            yield
        as_click = math.dist(began, event.pos) <= CLICK_SCREEN_PX
        tool.released(place_of(event, mpp), as_click=as_click)

    def _misses_layers(self) -> bool:
        """Whether the user removed what is drawn in from napari's list."""
        annotations, block = self._review.annotations, self._block
        wanted = [] if annotations is None else list(annotations.layers)
        if block is not None and block.is_taken:
            wanted.append(block.layer)
        return any(layer not in self._review.viewer.layers for layer in wanted)

    def _mouse(self) -> tuple[float, float]:
        """Where the mouse is, level-0 pixels."""
        assert self._review.session is not None  # only asked while a slide is shown
        mpp = self._review.session.store.header.slide_mpp
        y_um, x_um = self._review.viewer.cursor.position[-2:]
        return x_um / mpp.x, y_um / mpp.y


def _method() -> OutlineMethod:
    return chosen_method(str(setting("outline_model")))
