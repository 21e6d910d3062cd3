"""The resampled encoding: a slide's pixels at the store's scale, chunk by chunk.

On the CPU, chunks are read, resampled (``SourceWindow``) and encoded in threads; on a GPU a row of
chunks is resampled at once (``pathoai.preprocess.resample``). Both are within 1/255 of the mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Size
from pathoai.preprocess.slide_windows import SlideWindows
from pathoai.slide.source_window import SourceWindow

ChangeColours = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""From pixels ``(h, w, 3)`` uint8 to pixels of the same shape; called from several threads."""


def unchanged(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same pixels."""
    return pixels


@dataclass(frozen=True)
class Resampling:
    """Where the store's pixels come from.

    Args:
        windows: A level of the slide.
        ratio_x: Pixels of that level per pixel of the store, along x.
        ratio_y: Likewise along y.
        change_colours: What is done to the resampled pixels, e.g. stain normalisation.
    """

    windows: SlideWindows
    ratio_x: float
    ratio_y: float
    change_colours: ChangeColours = unchanged

    @property
    def is_same_scale(self) -> bool:
        """Whether a chunk needs no pixel beyond its edges."""
        return self.ratio_x == self.ratio_y == 1

    def chunk(self, x_px: int, y_px: int, size_px: Size) -> NDArray[np.uint8]:
        """Pixels ``(h, w, 3)`` uint8 of a place of the store, positions in store pixels.

        Raises:
            DamagedSlideError: The slide cannot give them.
        """
        window = SourceWindow.of(
            x_px * self.ratio_x,
            y_px * self.ratio_y,
            size_px,
            ratio_x=self.ratio_x,
            ratio_y=self.ratio_y,
        )
        pixels = self.windows.read(window.x_px, window.y_px, window.span_px)
        return self.change_colours(window.resampled(pixels))
