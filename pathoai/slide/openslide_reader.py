"""Slides that OpenSlide reads: SVS, NDPI, MRXS, SCN, BIF, generic tiled TIFF and others."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import openslide
from numpy.typing import NDArray

from pathoai.errors import DamagedSlideError, InvalidValueError
from pathoai.geometry import Mpp, Region, Size
from pathoai.slide.reader import Level, SlideDescription, SlideInfo, check_level

_WHITE = 255


class OpenSlideBackend:
    """Recognises, describes and opens what OpenSlide reads."""

    def describe(self, path: Path) -> SlideDescription | None:
        """What the file says of itself; None where OpenSlide does not know such files.

        Raises:
            DamagedSlideError: OpenSlide knows the format, but cannot open the file.
        """
        if openslide.OpenSlide.detect_format(path) is None:
            return None
        with _opened(path) as slide:
            properties = slide.properties
            return SlideDescription(
                vendor=properties.get(openslide.PROPERTY_NAME_VENDOR, "unknown"),
                levels=_levels(slide),
                stated_mpp=(
                    properties.get(openslide.PROPERTY_NAME_MPP_X),
                    properties.get(openslide.PROPERTY_NAME_MPP_Y),
                ),
                objective_power=properties.get(openslide.PROPERTY_NAME_OBJECTIVE_POWER),
                compression=_compression(path),
                associated_images=_associated_images(properties),
            )

    def open(self, path: Path, mpp: Mpp, slide_id: str) -> OpenSlideReader:
        """The slide, with its checked scale.

        Raises:
            DamagedSlideError: The file cannot be opened.
        """
        return OpenSlideReader(path, mpp=mpp, slide_id=slide_id)


class OpenSlideReader:
    """A slide opened by OpenSlide.

    OpenSlide latches errors: after one damaged tile the same handle refuses good ones. So the
    handle is dropped at an error, and the next read opens a new one.
    """

    def __init__(self, path: Path, *, mpp: Mpp, slide_id: str = "") -> None:
        """Open the file.

        Raises:
            DamagedSlideError: OpenSlide cannot open it.
        """
        self._path = path
        self._slide: openslide.OpenSlide | None = _opened(path)
        self._info = _info(self._slide, mpp=mpp, slide_id=slide_id)

    @property
    def info(self) -> SlideInfo:
        """What is known of the slide."""
        return self._info

    def read_region(self, x: int, y: int, level: int, size_px: Size) -> NDArray[np.uint8]:
        """Pixels of one level, ``(height, width, 3)`` uint8; see ``SlideReader.read_region``.

        Raises:
            InvalidValueError: The slide has no such level.
            DamagedSlideError: The pixels cannot be decoded; the slide stays usable elsewhere.
        """
        check_level(level, len(self._info.levels))
        if self._slide is None:
            self._slide = _opened(self._path)
        try:
            rgba = self._slide.read_region((x, y), level, (size_px.width, size_px.height))
        except openslide.OpenSlideError as error:
            self.close()
            raise DamagedSlideError(
                "pixels cannot be decoded",
                where=f"{self._info.slide_id or 'slide'} at level-0 x={x}, y={y}, level {level}",
                found=str(error),
                remedy="scan or copy the slide again; the file is damaged or was cut short",
            ) from error
        return _on_white(np.asarray(rgba))

    def close(self) -> None:
        """Release the file; a later read opens it again."""
        if self._slide is not None:
            self._slide.close()
            self._slide = None

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()


def _opened(path: Path) -> openslide.OpenSlide:
    try:
        return openslide.OpenSlide(path)
    except openslide.OpenSlideError as error:
        raise DamagedSlideError(
            "the slide cannot be opened",
            # The path would betray which file a coded slide is.
            found=str(error).replace(str(path), "the file"),
            remedy="copy or scan it again; the file is damaged, cut short or of a kind "
            "that OpenSlide does not read",
        ) from error


def _levels(slide: openslide.OpenSlide) -> tuple[Level, ...]:
    return tuple(
        Level(Size(*size), float(downsample))
        for size, downsample in zip(slide.level_dimensions, slide.level_downsamples, strict=True)
    )


def _info(slide: openslide.OpenSlide, *, mpp: Mpp, slide_id: str) -> SlideInfo:
    properties = slide.properties
    power = properties.get(openslide.PROPERTY_NAME_OBJECTIVE_POWER)
    return SlideInfo(
        slide_id=slide_id,
        levels=_levels(slide),
        mpp=mpp,
        objective_power=_number(power),
        bounds=_bounds(properties),
        vendor=properties.get(openslide.PROPERTY_NAME_VENDOR, "unknown"),
        quickhash=properties.get(openslide.PROPERTY_NAME_QUICKHASH1),
    )


def _associated_images(properties: Mapping[str, str]) -> dict[str, Size]:
    """Sizes as the file states them: a damaged label must not hide what else is known."""
    prefix, suffix = "openslide.associated.", ".width"
    found = {}
    # By key: items() reads every value, and fails on damaged files.
    for key in properties:
        if key.startswith(prefix) and key.endswith(suffix):
            name = key.removeprefix(prefix).removesuffix(suffix)
            width, height = properties[key], properties[f"{prefix}{name}.height"]
            found[name] = Size(int(width), int(height))
    return found


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text else None
    except ValueError:
        return None
    return number if number is not None and math.isfinite(number) else None


def _bounds(properties: Mapping[str, str]) -> Region | None:
    names = (
        openslide.PROPERTY_NAME_BOUNDS_X,
        openslide.PROPERTY_NAME_BOUNDS_Y,
        openslide.PROPERTY_NAME_BOUNDS_WIDTH,
        openslide.PROPERTY_NAME_BOUNDS_HEIGHT,
    )
    values = [_number(properties.get(name)) for name in names]
    if any(value is None for value in values):
        return None
    try:
        return Region(*(value for value in values if value is not None))
    except InvalidValueError:
        # Bounds are a hint for speed; a file with an empty one is read whole.
        return None


def _on_white(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB over white: unscanned area is transparent, and must not read as black tissue."""
    alpha = rgba[..., 3]
    if (alpha == _WHITE).all():
        return np.ascontiguousarray(rgba[..., :3])
    weight = alpha[..., None].astype(np.float32) / _WHITE
    blended = rgba[..., :3] * weight + _WHITE * (1 - weight)
    return np.asarray(np.rint(blended), dtype=np.uint8)


def _compression(path: Path) -> str:
    import tifffile  # heavy, and needed for `pathoai info` alone

    # Its warnings quote the image description, which can hold a patient's name.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    try:
        with tifffile.TiffFile(path) as tiff:
            return tifffile.COMPRESSION(tiff.pages.first.compression).name
    except Exception:  # noqa: BLE001 - on damaged files tifffile fails in ten different ways
        return "not stated by a TIFF header"
