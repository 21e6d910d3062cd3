"""The contract of a slide reader, and what is known of a slide.

The vocabulary is OpenSlide's. A reader is proven by ``pathoai.testing.slide_readers``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.geometry import Grid, Mpp, Region, Size


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a slide's pyramid: its size in its own pixels, and level-0 pixels per pixel."""

    size_px: Size
    downsample: float


@dataclass(frozen=True, slots=True)
class SlideInfo:
    """What pathoai relies on about an open slide.

    Args:
        slide_id: The coded id, or empty for a slide outside any study.
        levels: Finest first; ``levels[0].downsample`` is 1.
        mpp: Scale of level 0, checked.
        objective_power: As the scanner says; shown, never computed with.
        bounds: The scanned part of the canvas, where the file states it.
        vendor: As OpenSlide names it.
        quickhash: OpenSlide's hash of the slide, where it gives one.
        icc_profile: Of level 0, as the file holds it: what `pathoai.slide.icc` makes sRGB with.
    """

    slide_id: str
    levels: tuple[Level, ...]
    mpp: Mpp
    objective_power: float | None = None
    bounds: Region | None = None
    vendor: str = "unknown"
    quickhash: str | None = None
    icc_profile: bytes | None = None

    def __post_init__(self) -> None:
        """Refuse a pyramid that is empty, unsorted or does not start at level 0."""
        downsamples = [level.downsample for level in self.levels]
        if not downsamples or abs(downsamples[0] - 1) > 1e-9 or sorted(downsamples) != downsamples:
            raise InvalidValueError(
                "levels must start at downsample 1 and grow coarser", found=downsamples
            )

    @property
    def size(self) -> Size:
        """Full canvas in level-0 pixels."""
        return self.levels[0].size_px

    def grid(self, mpp: float) -> Grid:
        """The raster of square pixels of ``mpp`` µm that covers the slide."""
        return Grid.covering(self.size, self.mpp, mpp)

    def level_for(self, downsample: float) -> int:
        """The coarsest level that is still at least as fine as a downsample (level 0 if none)."""
        # 1 % of slack: scanners' 4× levels are 4.0003× because sizes are rounded.
        fine_enough = [i for i, v in enumerate(self.levels) if v.downsample <= downsample * 1.01]
        return fine_enough[-1] if fine_enough else 0


@dataclass(frozen=True, slots=True)
class SlideDescription:
    """What a file says of itself, unchecked: for ``pathoai info``.

    Args:
        vendor: As OpenSlide names it.
        levels: Finest first.
        stated_mpp: The texts that the file gives for x and y; None where absent.
        objective_power: As the scanner says.
        compression: Of level 0's tiles, where the container says.
        associated_images: Name → size in pixels.
        reader: Name of the backend that describes it.
    """

    vendor: str
    levels: tuple[Level, ...]
    stated_mpp: tuple[str | None, str | None]
    objective_power: str | None
    compression: str
    associated_images: Mapping[str, Size]
    reader: str = ""


@runtime_checkable
class SlideReader(Protocol):
    """An open slide. One per thread: readers need not be thread-safe."""

    @property
    def info(self) -> SlideInfo:
        """What is known of the slide."""
        ...

    def read_region(self, x: int, y: int, level: int, size_px: Size) -> NDArray[np.uint8]:
        """Pixels of one level.

        Args:
            x: Left edge in level-0 pixels.
            y: Top edge in level-0 pixels.
            level: Index of the level to read.
            size_px: What to read, in pixels of that level.

        Returns:
            ``(height, width, 3)`` uint8 RGB; white where the slide has no pixel.

        Raises:
            InvalidValueError: The slide has no such level.
            DamagedSlideError: The pixels cannot be decoded; the slide stays usable elsewhere.
        """
        ...

    def close(self) -> None:
        """Release the file; a second call does nothing."""
        ...

    def __enter__(self) -> Self:
        """Itself."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        ...


class SlideBackend(Protocol):
    """How a kind of file is recognised, described and opened; registered by entry point.

    A backend looks at what a file is, never at its name, and is light to import: an optional
    dependency is imported inside, and one that is missing is a cause like any other.

    Attributes:
        name: As registered.
        rank: Backends are asked in this order: openslide 0, tiff 10, dicom 20, ome-zarr 30,
            image 90. The first that describes a file reads it.
    """

    name: str
    rank: int

    def describe(self, path: Path) -> SlideDescription:
        """What the file, or the folder, says of itself.

        Raises:
            NotASlideError: It is not of this backend's kind; `what` is the cause in a few words.
            DamagedSlideError: It is of its kind, but cannot serve.
        """
        ...

    def open(self, path: Path, mpp: Mpp, slide_id: str) -> SlideReader:
        """The slide, with its checked scale.

        Raises:
            DamagedSlideError: The file cannot be opened.
        """
        ...


def check_level(level: int, count: int) -> None:
    """Refuse a level that a slide does not have.

    Raises:
        InvalidValueError: The level is negative or too large.
    """
    if not 0 <= level < count:
        raise InvalidValueError(
            "no such level", where="level", found=level, allowed=f"0 to {count - 1}"
        )


def finite_number(text: str | None) -> float | None:
    """The number that a file states as text; None where it states none, or no finite one."""
    try:
        number = float(text) if text else None
    except ValueError:
        return None
    return number if number is not None and math.isfinite(number) else None
