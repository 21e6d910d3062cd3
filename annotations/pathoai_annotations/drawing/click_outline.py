"""Click to outline: the outline of what lies under a click, made better by more clicks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from shapely.geometry.base import BaseGeometry

from pathoai.entry_points import load
from pathoai.errors import AnnotationError
from pathoai_annotations.drawing.block import Block, painted_outline

GROUP = "pathoai.outline_methods"
"""Entry points of methods; each is an `OutlineMethod`."""
DEFAULT_METHOD = "random-walker"
LARGEST_WINDOW_PX = 512
_SMALLEST_WINDOW_PX = 128

Place = tuple[float, float]
"""x and y, level-0 pixels."""
PixelPoints = NDArray[np.float64]
"""``(N, 2)`` x and y in pixels of a window, edges at integers."""


class OutlineMethod(Protocol):
    """Finds what the clicks are on. It may be called in a thread, one call at a time."""

    def __call__(
        self,
        pixels: NDArray[np.uint8],
        probability: NDArray[np.float32] | None,
        foreground: PixelPoints,
        background: PixelPoints,
    ) -> NDArray[np.bool_]:
        """The pixels of the object.

        Args:
            pixels: ``(height, width, 3)`` uint8 RGB.
            probability: ``(height, width)`` float32, 0 to 1: what a model says of the chosen class;
                None where no model does.
            foreground: ``(N, 2)`` places in the object, at least one.
            background: ``(M, 2)`` places beside it.

        Returns:
            ``(height, width)`` bool.
        """


@dataclass(frozen=True, slots=True)
class Clicks:
    """What a reader clicked on.

    Args:
        foreground: Places in the object, at least one.
        background: Places that are not.
    """

    foreground: tuple[Place, ...]
    background: tuple[Place, ...] = ()

    def with_click(self, place: Place, *, in_object: bool) -> Clicks:
        """The same with one more."""
        if in_object:
            return replace(self, foreground=(*self.foreground, place))
        return replace(self, background=(*self.background, place))


@dataclass(frozen=True)
class Picture:
    """Where a method's windows are read from.

    Args:
        pixels: Gives ``(height, width, 3)`` uint8 of a block.
        probability: Gives ``(height, width)`` float32 of a block, or None where no model says
            anything.
    """

    pixels: Callable[[Block], NDArray[np.uint8]]
    probability: Callable[[Block], NDArray[np.float32] | None]


def outline_method(name: str = DEFAULT_METHOD) -> OutlineMethod:
    """A registered method.

    Raises:
        InvalidValueError: There is none of that name.
        MissingDependencyError: It needs a package that is not installed.
    """
    method: OutlineMethod = load(GROUP, name)
    return method


def outline_of_clicks(
    clicks: Clicks, pixel: Place, picture: Picture, method: OutlineMethod
) -> BaseGeometry:
    """The outline of what was clicked on.

    The method looks at a small window about the clicks first, and at one twice as large as long as
    what it finds reaches the border, so that a nucleus takes a moment and a gland is whole.

    Args:
        clicks: Where.
        pixel: Width and height of the window's pixels, level-0 pixels: those of the screen.
        picture: Where to look.
        method: Which finds it.

    Returns:
        An area, level-0 pixels.

    Raises:
        AnnotationError: The clicks lie too far apart, or there is nothing under them.
    """
    side_px = _smallest_side(clicks, pixel)
    while True:
        block = Block.about(clicks.foreground[0], pixel, side_px)
        mask = _object_in(block, clicks, picture, method)
        if side_px >= LARGEST_WINDOW_PX or not _touches_border(mask):
            break
        side_px = min(2 * side_px, LARGEST_WINDOW_PX)
    outline = painted_outline(mask, block)
    if outline is None:
        raise AnnotationError("nothing to outline was found there", remedy="click in its middle")
    return outline


def _object_in(
    block: Block, clicks: Clicks, picture: Picture, method: OutlineMethod
) -> NDArray[np.bool_]:
    """What hangs together with a click, without holes."""
    foreground, background = (_in_pixels(p, block) for p in (clicks.foreground, clicks.background))
    found = method(picture.pixels(block), picture.probability(block), foreground, background)
    regions, _ = ndimage.label(found)
    columns, rows = np.floor(foreground).astype(int).T
    wanted = np.setdiff1d(regions[rows, columns], [0])
    filled: NDArray[np.bool_] = ndimage.binary_fill_holes(np.isin(regions, wanted))
    return filled


def _in_pixels(places: tuple[Place, ...], block: Block) -> PixelPoints:
    return np.asarray([block.in_pixels(*place) for place in places], np.float64).reshape(-1, 2)


def _smallest_side(clicks: Clicks, pixel: Place) -> int:
    """Side of the smallest window about the first click that holds all of them, with a margin."""
    places = np.asarray([*clicks.foreground, *clicks.background])
    farthest_px = (np.abs(places - places[0]) / pixel).max()
    side_px = _SMALLEST_WINDOW_PX
    while side_px < 2.5 * farthest_px:
        side_px *= 2
    if side_px > LARGEST_WINDOW_PX:
        raise AnnotationError(
            "the clicks lie too far apart",
            found=f"{farthest_px:.0f} pixels of the screen",
            allowed=f"{LARGEST_WINDOW_PX / 2.5:.0f}",
            remedy="zoom out, or draw it",
        )
    return side_px


def _touches_border(mask: NDArray[np.bool_]) -> bool:
    return bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())
