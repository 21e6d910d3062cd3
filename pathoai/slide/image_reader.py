"""Plain images as slides of one level: PNG, JPEG, BMP, WebP, JPEG 2000, PPM and GIF.

An image states no scale that can be believed (the dpi of photographs is that of a print), so it
opens with the user's scale alone. It is decoded once and kept in memory. Orientation by EXIF is
applied: level 0 is the picture as every viewer shows it, and as it would be annotated.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from pathoai.errors import DamagedSlideError, NotASlideError
from pathoai.geometry import Mpp, Size
from pathoai.slide.memory_reader import MemoryReader
from pathoai.slide.reader import Level, SlideDescription

LARGEST_IMAGE_PX = 2**27
"""Pixels of the largest plain image (11,585 × 11,585, 384 MiB of RGB); larger ones are slides."""

# TIFF has a reader of its own; EPS and PDF would start other programs.
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "JPEG2000", "PPM", "GIF")
_TURNED = (5, 6, 7, 8)
"""EXIF orientations whose width is the height of what is stored."""
_DIRECT_MODES = ("RGB", "L", "1", "P", "PA", "LA", "La", "RGBA", "RGBa", "RGBX", "YCbCr")
# What Pillow's parsers raise on damaged files, found by fuzzing.
_PILLOW_FAILS_BY = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


class ImageBackend:
    """Recognises, describes and opens plain images."""

    name = "image"
    rank = 90

    def describe(self, path: Path) -> SlideDescription:
        """What the file says of itself.

        Raises:
            NotASlideError: It is no such image.
            DamagedSlideError: It is one, but its header is damaged, it is too large, it is an
                animation, or its pixels are neither RGB, grey nor from a palette.
        """
        with _opened(path) as image:
            turned = image.getexif().get(ExifTags.Base.Orientation) in _TURNED
            width, height = reversed(image.size) if turned else image.size
            return SlideDescription(
                vendor="image",
                levels=(Level(Size(width, height), 1.0),),
                stated_mpp=(None, None),
                objective_power=None,
                compression=image.format or "not stated",
                associated_images={},
                reader=self.name,
            )

    def open(self, path: Path, mpp: Mpp, slide_id: str) -> MemoryReader:
        """The image, decoded, with its checked scale.

        Raises:
            NotASlideError: It is no such image.
            DamagedSlideError: It cannot be decoded.
        """
        with _opened(path) as image:
            profile = image.info.get("icc_profile")
            pixels = _on_white(ImageOps.exif_transpose(image))
            return MemoryReader(
                pixels, mpp=mpp, slide_id=slide_id, vendor="image", icc_profile=profile or None
            )


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The image, before it is decoded; Pillow's failures become ours."""
    if not path.is_file():
        raise NotASlideError("it is a folder, not an image")
    with path.open("rb") as file:
        with warnings.catch_warnings():
            # Pillow warns below our own bound, of which the user is told in our own words.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            try:
                image = Image.open(file, formats=_FORMATS)
            except UnidentifiedImageError:
                raise NotASlideError("it is no PNG, JPEG or other plain image") from None
            except _PILLOW_FAILS_BY as error:
                raise _damaged(error) from error
        _refuse_unfit(image)
        try:
            yield image
        except _PILLOW_FAILS_BY as error:
            raise _damaged(error) from error


def _damaged(error: BaseException) -> DamagedSlideError:
    if isinstance(error, Image.DecompressionBombError):
        return _too_large("the size in its header")
    return DamagedSlideError(
        "the image cannot be decoded",
        found=f"{type(error).__name__}: {error}",
        remedy="copy or export it again; the file is damaged or was cut short",
    )


def _too_large(found: str) -> DamagedSlideError:
    return DamagedSlideError(
        "the image is too large to be held whole in memory",
        found=found,
        allowed=f"{LARGEST_IMAGE_PX} pixels",
        remedy="export it as a tiled, pyramidal TIFF",
    )


def _refuse_unfit(image: Image.Image) -> None:
    width, height = image.size
    if width * height > LARGEST_IMAGE_PX:
        raise _too_large(f"{width} × {height} px")
    # A second frame of MPO, which some cameras write as JPEG, is a preview.
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise DamagedSlideError("the image is an animation", remedy="export one picture of it")
    if image.mode not in _DIRECT_MODES:
        raise DamagedSlideError(
            "the image's pixels are not 8-bit colour or grey",
            found=f"mode {image.mode}",
            remedy="export it as 8-bit RGB; which values are black and white, and what the inks "
            "look like, is not for a reader to guess",
        )


def _on_white(image: Image.Image) -> NDArray[np.uint8]:
    """RGB, `(height, width, 3)` uint8: palettes looked up, grey tripled, transparency on white."""
    if "transparency" in image.info or image.mode in ("PA", "LA", "La", "RGBA", "RGBa"):
        # Grey and palettes first become colours: their transparency may be one of their values.
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, rgba)
    return np.array(image.convert("RGB"), dtype=np.uint8)
