"""A slide made of an array: for tests, notebooks and images that are already in memory."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.geometry import Mpp, Size
from pathoai.slide.reader import Level, SlideInfo, check_level


class MemoryReader:
    """A one-level slide whose pixels are an array.

    Args:
        pixels: ``(height, width, 3)`` uint8 RGB.
        mpp: Scale.
        slide_id: Coded id, if any.
        vendor: What the pixels come from.
        icc_profile: Of the pixels, if any.

    Raises:
        InvalidValueError: The array has another shape or type.
    """

    def __init__(
        self,
        pixels: NDArray[np.uint8],
        *,
        mpp: Mpp,
        slide_id: str = "",
        vendor: str = "memory",
        icc_profile: bytes | None = None,
    ) -> None:
        """Keep a reference to the array."""
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
            raise InvalidValueError(
                "a slide in memory needs RGB bytes",
                found=f"{pixels.dtype} of shape {pixels.shape}",
                allowed="uint8 of shape (height, width, 3)",
            )
        self._pixels = pixels
        size = Size(pixels.shape[1], pixels.shape[0])
        self._info = SlideInfo(
            slide_id, (Level(size, 1.0),), mpp, vendor=vendor, icc_profile=icc_profile
        )

    @property
    def info(self) -> SlideInfo:
        """What is known of the slide."""
        return self._info

    def read_region(self, x: int, y: int, level: int, size_px: Size) -> NDArray[np.uint8]:
        """Pixels, ``(height, width, 3)`` uint8; white outside the array.

        Raises:
            InvalidValueError: The slide has no such level.
        """
        check_level(level, 1)
        region = np.full((size_px.height, size_px.width, 3), 255, np.uint8)
        left, top = max(x, 0), max(y, 0)
        source = self._pixels[
            top : max(top, y + size_px.height), left : max(left, x + size_px.width)
        ]
        region[top - y : top - y + source.shape[0], left - x : left - x + source.shape[1]] = source
        return region

    def close(self) -> None:
        """Nothing to release."""

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to release."""
