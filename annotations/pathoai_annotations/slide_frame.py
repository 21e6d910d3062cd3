"""The frame that outlines of a slide live in, and how coordinates of files lie in it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pathoai.errors import AnnotationError
from pathoai.geometry import Mpp, Region, Size

if TYPE_CHECKING:  # zarr is heavy, and who only checks a package needs none
    from pathoai.store.slide_store import SlideStore

_TILE_REMEDY = "tile the slide first (`pathoai tile STUDY`): its store knows"


class Corner(StrEnum):
    """What a file calls (0, 0)."""

    CANVAS = "canvas"
    """Top left of the full canvas, as OpenSlide has it."""
    BOUNDS = "bounds"
    """Top left of the scanned part, as programs count that show this part alone."""


@dataclass(frozen=True, slots=True)
class Placement:
    """How a file's coordinates lie on level 0: ``level_0 = file × scale + shift``.

    Args:
        scale: Level-0 pixels per unit of the file along x and y.
        shift: Level-0 pixels: where the file's (0, 0) lies.
    """

    scale: tuple[float, float] = (1.0, 1.0)
    shift: tuple[float, float] = (0.0, 0.0)

    @property
    def is_identity(self) -> bool:
        """True where the file counts as pathoai does."""
        return self == Placement()

    def to_level_0(self, geometry: BaseGeometry) -> BaseGeometry:
        """An outline in the file's coordinates, in level-0 pixels."""
        return self._moved(geometry, self.scale, self.shift)

    def from_level_0(self, geometry: BaseGeometry) -> BaseGeometry:
        """An outline in level-0 pixels, in the file's coordinates."""
        (scale_x, scale_y), (shift_x, shift_y) = self.scale, self.shift
        return self._moved(
            geometry, (1 / scale_x, 1 / scale_y), (-shift_x / scale_x, -shift_y / scale_y)
        )

    def _moved(
        self, geometry: BaseGeometry, scale: tuple[float, float], shift: tuple[float, float]
    ) -> BaseGeometry:
        # Left alone where nothing moves, so that coordinates keep their last bit.
        if self.is_identity:
            return geometry

        def move(points: NDArray[np.float64]) -> NDArray[np.float64]:
            return points * scale + shift

        return shapely.transform(geometry, move)


@dataclass(frozen=True, slots=True)
class SlideFrame:
    """A slide's level 0: OpenSlide's full canvas, origin at its top left.

    Args:
        size: Of the canvas, level-0 pixels.
        mpp: Scale of level 0.
        bounds: The scanned part of the canvas, where the file states it. Some programs, QuPath
            among them, show and count from this part alone.
        quickhash: OpenSlide's hash of the slide, where there is one.
    """

    size: Size
    mpp: Mpp
    bounds: Region | None = None
    quickhash: str | None = None

    @classmethod
    def of(cls, store: SlideStore) -> SlideFrame:
        """The frame of a stored slide."""
        info = store.slide
        return cls(info.size, info.mpp, info.bounds, info.quickhash)

    @property
    def canvas(self) -> Region:
        """The whole canvas."""
        return Region(0, 0, self.size.width, self.size.height)

    @property
    def scan_origin(self) -> tuple[float, float]:
        """Top left of the scanned part: what programs that crop call (0, 0)."""
        return (0.0, 0.0) if self.bounds is None else (self.bounds.x, self.bounds.y)

    def part(self, corner: Corner) -> Region:
        """The part of the canvas that a file speaks of, level-0 pixels.

        Raises:
            AnnotationError: The scanned part is asked for, and the slide states none.
        """
        if corner is Corner.CANVAS:
            return self.canvas
        if self.bounds is None:
            raise AnnotationError(
                "the slide states no scanned part",
                where="--origin",
                found=corner,
                allowed=Corner.CANVAS,
                remedy="leave --origin out; or tile the slide again where its store is older than "
                "this option",
            )
        return self.bounds


def known_frame(frame: SlideFrame | None, why: str) -> SlideFrame:
    """The frame, where it is known.

    Args:
        frame: Of the slide, or None where it was not tiled.
        why: What needs it, e.g. ``--origin bounds``.

    Raises:
        AnnotationError: It is not.
    """
    if frame is None:
        raise AnnotationError(
            "the slide's size and scale are not known", where=why, remedy=_TILE_REMEDY
        )
    return frame


def placement(
    frame: SlideFrame | None, corner: Corner = Corner.CANVAS, mpp: float | None = None
) -> Placement:
    """How coordinates lie on a slide.

    Args:
        frame: Of the slide; needed unless they are level-0 pixels of the canvas.
        corner: What they call (0, 0).
        mpp: µm per unit of the file; level-0 pixels where None.

    Raises:
        AnnotationError: The frame is not known, or the slide states no scanned part.
    """
    if corner is Corner.CANVAS and mpp is None:
        return Placement()
    known = known_frame(frame, "--mpp" if corner is Corner.CANVAS else f"--origin {corner}")
    part = known.part(corner)
    scale = (1.0, 1.0) if mpp is None else (mpp / known.mpp.x, mpp / known.mpp.y)
    return Placement(scale, (part.x, part.y))
