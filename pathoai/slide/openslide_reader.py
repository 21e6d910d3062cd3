"""Slides that OpenSlide reads: SVS, NDPI, MRXS, SCN, BIF, generic tiled TIFF and others."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import openslide
from numpy.typing import NDArray

from pathoai.errors import DamagedSlideError, NotASlideError, SlideError
from pathoai.geometry import Mpp, Region, Size
from pathoai.slide.reader import (
    Level,
    SlideDescription,
    SlideInfo,
    check_level,
    finite_number,
)
from pathoai.slide.tiff_directory import TiffSource
from pathoai.slide.tiff_levels import tiff_level

_WHITE = 255
_OME_HEAD = 2048
"""Characters of an image description within which OME-XML begins, after comments."""


class OpenSlideBackend:
    """Recognises, describes and opens what OpenSlide reads."""

    name = "openslide"
    rank = 0

    def describe(self, path: Path) -> SlideDescription:
        """What the file says of itself.

        Raises:
            NotASlideError: OpenSlide does not know such files, or would not give their values.
            DamagedSlideError: OpenSlide knows the format, but cannot open the file.
        """
        if openslide.OpenSlide.detect_format(path) is None:
            raise NotASlideError("it is of no format that OpenSlide knows")
        with _opened(path) as slide:
            properties = slide.properties
            if "<OME" in properties.get("tiff.ImageDescription", "")[:_OME_HEAD]:
                # Its levels lie in SubIFDs and its scale in XML: OpenSlide sees neither.
                raise NotASlideError("it is an OME-TIFF, of which OpenSlide sees one level")
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
                reader=self.name,
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
        # Left of and above the canvas OpenSlide misplaces coarse levels by up to a pixel (4.0.1
        # cuts fractions towards zero), so what lies there is painted here.
        downsample = self._info.levels[level].downsample
        left_px, top_px = (max(0, math.ceil(-v / downsample)) for v in (x, y))
        if left_px or top_px:
            region = np.full((size_px.height, size_px.width, 3), _WHITE, np.uint8)
            if left_px < size_px.width and top_px < size_px.height:
                region[top_px:, left_px:] = self._read(
                    max(0, round(x + left_px * downsample)),
                    max(0, round(y + top_px * downsample)),
                    level,
                    Size(size_px.width - left_px, size_px.height - top_px),
                )
            return region
        return self._read(x, y, level, size_px)

    def _read(self, x: int, y: int, level: int, size_px: Size) -> NDArray[np.uint8]:
        if self._slide is None:
            self._slide = _opened(self._path)
        try:
            rgba = self._slide.read_region((x, y), level, (size_px.width, size_px.height))
        except openslide.OpenSlideError as error:
            self.close()
            raise DamagedSlideError(
                "pixels cannot be decoded",
                where=f"{self._info.slide_id or 'slide'} at level-0 x={x}, y={y}, level {level}",
                found=_without_path(error, self._path),
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
            found=_without_path(error, path),
            remedy="copy or scan it again; the file is damaged, cut short or of a kind "
            "that OpenSlide does not read",
        ) from error


def _without_path(error: openslide.OpenSlideError, path: Path) -> str:
    """The message, without the path: it would betray which file a coded slide is."""
    # MRXS, VMS and others lie in a folder named like the file, without its suffix.
    text = str(error).replace(str(path), "the file")
    return text.replace(str(path.with_suffix("")), "the folder")


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
        objective_power=finite_number(power),
        bounds=_bounds(properties, Size(*slide.dimensions)),
        vendor=properties.get(openslide.PROPERTY_NAME_VENDOR, "unknown"),
        quickhash=properties.get(openslide.PROPERTY_NAME_QUICKHASH1),
        icc_profile=_icc_profile(slide),
    )


def _icc_profile(slide: openslide.OpenSlide) -> bytes | None:
    """As the file holds it: `color_profile` would parse it, and refuse a malformed one."""
    # Far outside the canvas, where nothing has to be decoded.
    beyond = slide.read_region((-100_000, -100_000), 0, (1, 1))
    profile = beyond.info.get("icc_profile")
    return profile if isinstance(profile, bytes) else None


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


def _bounds(properties: Mapping[str, str], canvas: Size) -> Region | None:
    """The scanned rectangle, as far as it lies on the canvas.

    It is a hint for speed: where it is not stated or cannot be true, the slide is read whole.
    """
    names = (
        openslide.PROPERTY_NAME_BOUNDS_X,
        openslide.PROPERTY_NAME_BOUNDS_Y,
        openslide.PROPERTY_NAME_BOUNDS_WIDTH,
        openslide.PROPERTY_NAME_BOUNDS_HEIGHT,
    )
    values = [
        number for name in names if (number := finite_number(properties.get(name))) is not None
    ]
    if len(values) < len(names):
        return None
    x, y, width, height = values
    left, top = max(x, 0.0), max(y, 0.0)
    right, bottom = min(x + width, canvas.width), min(y + height, canvas.height)
    return Region(left, top, right - left, bottom - top) if right > left and bottom > top else None


def _on_white(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB over white: unscanned area is transparent, and must not read as black tissue."""
    alpha = rgba[..., 3]
    if (alpha == _WHITE).all():
        return np.ascontiguousarray(rgba[..., :3])
    weight = alpha[..., None].astype(np.float32) / _WHITE
    blended = rgba[..., :3] * weight + _WHITE * (1 - weight)
    return np.asarray(np.rint(blended), dtype=np.uint8)


def _compression(path: Path) -> str:
    """Of a TIFF file, refused where its values are larger than OpenSlide gives them."""
    try:
        with TiffSource(path) as source:
            level = tiff_level(source.directories()[0])
    except SlideError:
        return "not stated"
    if not level.fits_bytes:
        # OpenSlide keeps the upper eight bits: of twelve of sixteen it would leave the slide black.
        raise NotASlideError("OpenSlide would cut its values to bytes")
    return level.compression_name
