"""The frame that outlines of a slide live in, and what exchange formats need to know of it."""

from __future__ import annotations

from dataclasses import dataclass

from pathoai.geometry import Mpp, Region, Size
from pathoai.store.slide_store import SlideStore


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
