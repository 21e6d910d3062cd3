"""A scanner's colours as sRGB, by the ICC profile that the slide holds.

The intent is relative colorimetric, without black point compensation: the glass that the profile
calls white becomes the white of sRGB, which is what pathoai shows where nothing was scanned, and
colours that both can show are kept as measured. A profile's own intent is followed only where it
has no table for this one; its header is no statement, since scanners leave it at zero, which
reads "perceptual", and for the matrix profiles that they write all intents are the same.

Computed by LittleCMS through Pillow: the same bytes give the same bytes on every call, so that a
model is trained on the colours that a reader sees. A transform may be shared between threads. It
is not changed once built, because the cache of the last pixel, the one part of LittleCMS's
transforms that calls write to, is switched off (https://littlecms2.blogspot.com/2010/12/), and
Pillow gives up the interpreter lock while it converts.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from pathoai.errors import DamagedSlideError, InvalidValueError

_RELATIVE = ImageCms.Intent.RELATIVE_COLORIMETRIC
_REMEDY = "keep the scanner's colours (no conversion to sRGB), or export the slide again"
_KEPT_TRANSFORMS = 8


@dataclass(frozen=True, slots=True)
class SrgbTransform:
    """Converts pixels to sRGB; built once from the bytes of a profile, safe to share and to pickle.

    Args:
        icc_profile: Of an RGB device, as `SlideInfo.icc_profile` holds it.

    Raises:
        DamagedSlideError: The profile is malformed, or not of an RGB device.
    """

    icc_profile: bytes = field(repr=False)
    _transform: ImageCms.ImageCmsTransform = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Build the transform of LittleCMS."""
        object.__setattr__(self, "_transform", _transform(self.icc_profile))

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Pixels in sRGB.

        Args:
            pixels: `(..., 3)` uint8 in the colours of the profile; not changed.

        Returns:
            A new array of the same shape, uint8.

        Raises:
            InvalidValueError: The array has another shape or type.
        """
        if pixels.ndim < 1 or pixels.shape[-1] != 3 or pixels.dtype != np.uint8:
            raise InvalidValueError(
                "colours need RGB bytes",
                found=f"{pixels.dtype} of shape {pixels.shape}",
                allowed="uint8 of shape (…, 3)",
            )
        if pixels.size == 0:
            return pixels.copy()
        # Two axes are all that Pillow knows, and neither may exceed 2³¹.
        width = pixels.shape[-2] if pixels.ndim > 1 else 1
        image = Image.fromarray(np.ascontiguousarray(pixels).reshape(-1, width, 3))
        return np.array(self._transform.apply(image), dtype=np.uint8).reshape(pixels.shape)

    def __reduce__(self) -> tuple[type[SrgbTransform], tuple[bytes]]:
        """Travel between processes as the profile: a transform is an object of C."""
        return SrgbTransform, (self.icc_profile,)


def to_srgb(pixels: NDArray[np.uint8], icc_profile: bytes) -> NDArray[np.uint8]:
    """Pixels in sRGB, by a profile whose transform is built once and kept; see `SrgbTransform`.

    Raises:
        DamagedSlideError: The profile is malformed, or not of an RGB device.
        InvalidValueError: The array has another shape or type.
    """
    return _kept(icc_profile)(pixels)


@lru_cache(maxsize=_KEPT_TRANSFORMS)
def _kept(icc_profile: bytes) -> SrgbTransform:
    return SrgbTransform(icc_profile)


def _transform(icc_profile: bytes) -> ImageCms.ImageCmsTransform:
    try:
        profile = ImageCms.getOpenProfile(io.BytesIO(icc_profile))
        space = profile.profile.xcolor_space.strip()
        if space != "RGB":
            raise DamagedSlideError(
                "the slide's ICC profile is not of an RGB device", found=space, remedy=_REMEDY
            )
        relative = ImageCms.isIntentSupported(profile, _RELATIVE, ImageCms.Direction.INPUT) == 1
        return ImageCms.buildTransform(
            profile,
            ImageCms.createProfile("sRGB"),
            "RGB",
            "RGB",
            renderingIntent=_RELATIVE
            if relative
            else ImageCms.Intent(ImageCms.getDefaultIntent(profile)),
            flags=ImageCms.Flags.NOCACHE,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        raise DamagedSlideError(
            "the slide's ICC profile is malformed", found=str(error), remedy=_REMEDY
        ) from error
