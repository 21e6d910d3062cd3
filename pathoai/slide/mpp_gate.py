"""The gate every slide passes: its scale is stated and plausible, or it is refused."""

from __future__ import annotations

import math

from pathoai.errors import ImplausibleMppError, MissingMppError
from pathoai.geometry import LARGEST_MPP_UM, SMALLEST_MPP_UM, Mpp, Size
from pathoai.slide.reader import finite_number

SMALLEST_SENSOR_UM = 3.0
"""Least plausible product of mpp and objective power; see `check_mpp`."""
LARGEST_SENSOR_UM = 16.0
"""Its greatest plausible value."""
_LARGEST_SIDE_MM = 400.0
"""Well beyond the largest glass (whole-brain sections, about 200 mm)."""
_REMEDY = (
    "state the true scale in the mpp column of the cohort file, or by --mpp where the slide is "
    "added or predicted"
)
_UNIT_REMEDY = (
    "the unit of a resolution tag (inch, cm, mm, µm, nm) or a power of ten is wrong; " + _REMEDY
)


def check_mpp(
    stated: tuple[str | None, str | None],
    override: Mpp | None,
    objective_power: str | None = None,
) -> Mpp:
    """The scale to trust: the user's where given, else the file's, as it states it.

    No text is mended and no scale is computed. The objective power only reveals a contradiction:
    mpp × power is the pixel of the sensor, over the magnification between objective and sensor.
    Scanners that were seen give 3.45 µm (sensors of small pixels behind a plain tube lens), 4.4
    to 6.5 (Zeiss, 3DHISTECH, Evident), 8.8 to 9.3 (Hamamatsu, Ventana), 9.9 to 10.5 (Aperio,
    Leica, Philips: 40 ↔ 0.25, 20 ↔ 0.5) and 13 (microscope cameras behind a half-size adapter).
    3 to 16 µm lets all of them pass, and no error by a factor of ten from any of them. A slide
    exported at a lower resolution may keep the power of its optics: it is refused too, since the
    file alone does not tell which of the two numbers is old.

    Args:
        stated: The texts that the file gives for x and y.
        override: What the user states; it is believed against everything that the file says.
        objective_power: As the file says; what is no positive number is passed over.

    Raises:
        MissingMppError: Neither states a scale.
        ImplausibleMppError: The file's scale is no number, no scanner of histology has it, or it
            contradicts the objective power.
    """
    if override is not None:
        return override
    text_x, text_y = (text.strip() if text else "" for text in stated)
    if not text_x or not text_y:
        raise MissingMppError("the slide does not state its scale (µm per pixel)", remedy=_REMEDY)
    mpp = Mpp(_scale("x", text_x), _scale("y", text_y))
    _check_power(mpp, objective_power)
    return mpp


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


def _scale(axis: str, text: str) -> float:
    """The number that a text states for one axis, refused with its own reason."""
    if "," in text:
        raise _refused(axis, text, "the scale is written with a comma; a decimal point is needed")
    try:
        # Python alone reads "0_25" as 25.
        value = math.nan if "_" in text else float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _refused(axis, text, "the scale is not a finite number")
    if value == 0:
        raise _refused(axis, text, "the scale is zero: whatever wrote the file did not know it")
    if value < 0:
        raise _refused(axis, text, "the scale is negative")
    if value < SMALLEST_MPP_UM:
        raise _refused(axis, text, "the scale is finer than any slide scan", _UNIT_REMEDY)
    if value > LARGEST_MPP_UM:
        raise _refused(axis, text, "the scale is coarser than any slide scan", _UNIT_REMEDY)
    return value


def _refused(axis: str, text: str, what: str, remedy: str = _REMEDY) -> ImplausibleMppError:
    return ImplausibleMppError(
        what,
        where=f"mpp along {axis}",
        found=repr(text),
        allowed=f"{SMALLEST_MPP_UM:g} to {LARGEST_MPP_UM:g} µm per pixel, as in 0.25",
        remedy=remedy,
    )


def _check_power(mpp: Mpp, objective_power: str | None) -> None:
    power = finite_number(objective_power)
    if power is None or power <= 0:
        return
    if not SMALLEST_SENSOR_UM <= mpp.mean * power <= LARGEST_SENSOR_UM:
        raise ImplausibleMppError(
            "the scale contradicts the objective",
            found=f"{mpp.mean:g} µm per pixel at {power:g}×",
            allowed=f"{SMALLEST_SENSOR_UM / power:.3g} to {LARGEST_SENSOR_UM / power:.3g} µm "
            f"per pixel at {power:g}× (scanners give about {10 / power:.3g})",
            remedy="one of the two is wrong, and the file does not tell which; " + _REMEDY,
        )
