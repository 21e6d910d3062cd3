"""Brush, wand and knife: what they paint on the screen is saved when the button comes up."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal
from shapely import LineString

from napari_pathoai.drawing.mouse_place import Place
from napari_pathoai.drawing.stroke_block import ERASED, PAINTED, StrokeBlock
from napari_pathoai.drawing.style import class_colour
from napari_pathoai.settings import setting
from napari_pathoai.texts.texts import text
from napari_pathoai.tools.tool import Press
from pathoai.geometry import Size
from pathoai_annotations.drawing.block import Block, on_slide, painted_outline
from pathoai_annotations.drawing.brush_stroke import Intent, intent_of
from pathoai_annotations.drawing.slide_window import read_pixels
from pathoai_annotations.drawing.wand import NARROW_PX, REACH_PX, WINDOW_PX, wand

if TYPE_CHECKING:
    from napari_pathoai.review import Review

SMALLEST_BRUSH_PX, LARGEST_BRUSH_PX = 3, 400
_FIRST_BRUSH_PX = 40
_THIN_PX = 3
_WAND_STEP_PX = 3.0
"""The wand looks again when the mouse has moved so far on the screen."""
_CRUMB_PX2 = 12
"""Parts that a subtraction leaves, smaller than so many pixels of the screen, go with it."""
_KNIFE_COLOUR = (1.0, 0.9, 0.0, 1.0)

Paper = Callable[[], StrokeBlock | None]
"""Gives the block of the slide that is shown."""


class Brush:
    """Paints areas; its size is of the screen, and so follows the zoom.

    Args:
        review: Where it paints.
        paper: On what.

    Attributes:
        size_px: Diameter, pixels of the screen.
        resized: Emitted with a new diameter.
    """

    name = "tool_brush"
    resized = Signal(int)

    def __init__(self, review: Review, paper: Paper) -> None:
        """A brush of a size that fits a small gland at middle zoom."""
        self._review = review
        self._paper = paper
        self._intent = Intent.NEW
        self.size_px = _FIRST_BRUSH_PX

    def start(self) -> None:
        """See `Tool`."""
        if (block := self._paper()) is not None:
            block.take(self.size_px, self._on_stroke)

    def stop(self) -> None:
        """See `Tool`."""
        if (block := self._paper()) is not None:
            block.put_down()

    def resize(self, factor: float) -> None:
        """Make the brush larger or smaller, by a pixel at least."""
        step = round(self.size_px * (factor - 1)) or (1 if factor > 1 else -1)
        self.set_size(self.size_px + step)

    def set_size(self, size_px: int) -> None:
        """Take a brush of this diameter, pixels of the screen."""
        size_px = min(max(size_px, SMALLEST_BRUSH_PX), LARGEST_BRUSH_PX)
        if size_px == self.size_px:
            return
        self.size_px = size_px
        block = self._paper()
        if block is not None and block.is_taken_by(self._on_stroke):
            block.layer.brush_size = size_px
        self.resized.emit(size_px)

    def pressed(self, press: Press) -> None:
        """See `Tool`: napari paints; where the stroke begins and its keys say what it is for."""
        block, annotations = self._paper(), self._review.annotations
        if block is None or annotations is None or not block.paints:
            return
        target = annotations.target
        outline = None if target is None else target.geometry
        self._intent = intent_of(press.place, outline, shift=press.shift, alt=press.alt)
        value = ERASED if self._intent is Intent.SUBTRACT else PAINTED
        block.begin(value, class_colour(annotations.session.ontology, annotations.label))

    def moved(self, place: Place) -> None:
        """See `Tool`."""

    def released(self, place: Place, *, as_click: bool) -> None:
        """See `Tool`; napari says when the stroke is over."""
        if (block := self._paper()) is not None:
            block.end()

    def _on_stroke(self, painted: NDArray[np.bool_], block: Block) -> None:
        annotations = self._review.annotations
        outline = painted_outline(painted, block)
        if annotations is None or outline is None:
            return
        area = on_slide(outline, annotations.session.store.slide.size)
        if area is not None:
            crumb = _CRUMB_PX2 * block.pixel_area
            annotations.apply(area, self._intent, smallest_area=crumb)


class Eraser(Brush):
    """Takes from the selected annotation, as the brush does with Alt: for the mouse alone."""

    name = "tool_eraser"

    def pressed(self, press: Press) -> None:
        """See `Tool`."""
        super().pressed(replace(press, alt=True))


class Wand(Brush):
    """Paints what looks like the place under the mouse, and hangs together with it.

    Attributes:
        sensitivity: How unlike it may be, see `pathoai_annotations.drawing.wand.wand`.
    """

    name = "tool_wand"

    def __init__(self, review: Review, paper: Paper) -> None:
        """A wand as sensitive as the settings say."""
        super().__init__(review, paper)
        self.size_px = _THIN_PX
        self.sensitivity = float(setting("wand_sensitivity"))
        self._reach_px = REACH_PX
        self._last: Place | None = None

    def start(self) -> None:
        """See `Tool`."""
        if (block := self._paper()) is not None:
            block.take(self.size_px, self._on_stroke, self._grow)

    def pressed(self, press: Press) -> None:
        """See `Tool`; with Control it takes the nearest surroundings only."""
        super().pressed(press)
        self._reach_px = NARROW_PX if press.control else REACH_PX
        self._last = None

    def _grow(self, place: Place) -> None:
        block, annotations = self._paper(), self._review.annotations
        if block is None or annotations is None:
            return
        here = block.block.in_pixels(*place)
        if self._last is not None and math.dist(here, self._last) < _WAND_STEP_PX:
            return
        self._last = here
        column, row = (math.floor(value) for value in here)
        left, top = column - WINDOW_PX // 2, row - WINDOW_PX // 2
        window = _part(block.block, left, top)
        store = annotations.session.store
        pixels = self._review.guarded(lambda: read_pixels(store, window))
        if pixels is None:
            return
        seed = (WINDOW_PX // 2, WINDOW_PX // 2)
        mask = wand(pixels, seed, self.sensitivity, reach_px=self._reach_px)
        block.add(mask, left, top)


class Knife:
    """Cuts the selected annotation along a line that is drawn across it."""

    name = "tool_split"

    def __init__(self, review: Review, paper: Paper) -> None:
        """No line is drawn yet."""
        self._review = review
        self._paper = paper
        self._line: list[Place] = []

    def start(self) -> None:
        """See `Tool`."""
        if (block := self._paper()) is not None:
            block.take(_THIN_PX, self._on_stroke)

    def stop(self) -> None:
        """See `Tool`."""
        if (block := self._paper()) is not None:
            block.put_down()

    def pressed(self, press: Press) -> None:
        """See `Tool`."""
        block = self._paper()
        if block is not None and block.paints:
            self._line = [press.place]
            block.begin(PAINTED, _KNIFE_COLOUR)

    def moved(self, place: Place) -> None:
        """See `Tool`."""
        self._line.append(place)

    def released(self, place: Place, *, as_click: bool) -> None:
        """See `Tool`; napari says when the stroke is over."""
        self._line.append(place)
        if (block := self._paper()) is not None:
            block.end()

    def _on_stroke(self, _painted: NDArray[np.bool_], block: Block) -> None:
        annotations, line = self._review.annotations, LineString(self._line)
        if annotations is None or not line.length:
            return
        if (target := annotations.target) is None:
            self._review.tell(text("select_one"))
            return
        crumb = _CRUMB_PX2 * block.pixel_area
        annotations.change(lambda hand: hand.split(target.id, line, smallest_area=crumb))


def _part(block: Block, left_px: int, top_px: int) -> Block:
    """The wand's window in a block; it may reach beyond it."""
    x, y = block.x + left_px * block.pixel_x, block.y + top_px * block.pixel_y
    return Block(x, y, block.pixel_x, block.pixel_y, Size(WINDOW_PX, WINDOW_PX))
