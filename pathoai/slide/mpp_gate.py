"""The gate every slide passes: its scale is stated and plausible, or it is refused."""

from __future__ import annotations

from pathoai.errors import ImplausibleMppError, MissingMppError
from pathoai.geometry import Mpp, Size

_LARGEST_SIDE_MM = 400.0
"""Well beyond the largest glass (whole-brain sections, about 200 mm)."""
_REMEDY = "state the true scale in the mpp column of the cohort file or by --mpp"


def check_mpp(stated: tuple[str | None, str | None], override: Mpp | None) -> Mpp:
    """The scale to trust: the user's where given, else the file's.

    Magnification is never used: the same objective gives .22 to .5 µm per pixel.

    Args:
        stated: The texts that the file gives for x and y.
        override: What the user states.

    Raises:
        MissingMppError: Neither states a scale.
        ImplausibleMppError: The file's scale is no number, or no scanner of histology has it.
    """
    if override is not None:
        return override
    text_x, text_y = (text.strip() if text else "" for text in stated)
    if not text_x or not text_y:
        raise MissingMppError("the slide does not state its scale (µm per pixel)", remedy=_REMEDY)
    try:
        x, y = float(text_x), float(text_y)
    except ValueError:
        raise ImplausibleMppError(
            "the slide's scale is not a number",
            where="mpp",
            found=f"{text_x!r} × {text_y!r}",
            allowed="a number with a decimal point",
            remedy=_REMEDY,
        ) from None
    return Mpp(x, y)


def check_extent(size: Size, mpp: Mpp) -> None:
    """Refuse a canvas that no glass could carry, before memory is asked for it.

    Args:
        size: Level-0 pixels, as the file declares them.
        mpp: The scale to trust.

    Raises:
        ImplausibleMppError: A side would be longer than 400 mm.
    """
    width_mm, height_mm = size.width * mpp.x / 1e3, size.height * mpp.y / 1e3
    if max(width_mm, height_mm) > _LARGEST_SIDE_MM:
        raise ImplausibleMppError(
            "the slide would be larger than any glass",
            found=f"{size.width} × {size.height} px, {width_mm:.0f} × {height_mm:.0f} mm",
            allowed=f"{_LARGEST_SIDE_MM:.0f} mm a side",
            remedy=_REMEDY + "; if the scale is right, the file is damaged",
        )
