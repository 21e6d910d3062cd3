"""What a TIFF slide says of its scale and objective: OME-XML, Aperio's text, resolution tags."""

from __future__ import annotations

from pathoai.slide.ome_xml import read_ome_xml
from pathoai.slide.tiff_directory import Directory
from pathoai.slide.tiff_levels import TiffPyramid

_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 282, 283, 296
_INCH = 2
_MICROMETRES = {2: 25_400.0, 3: 10_000.0}
"""Of an inch and a centimetre; the third unit, "none" (1), states no scale (TIFF 6.0)."""
Stated = tuple[str | None, str | None]


def stated_mpp(pyramid: TiffPyramid) -> Stated:
    """Micrometres per pixel for x and y, as texts that nobody has judged; None where absent.

    The first that states both counts: OME-XML, Aperio's text, the resolution tags.

    Raises:
        DamagedSlideError: The OME-XML is malformed, or a tag lies outside the file.
    """
    if pyramid.vendor == "ome-tiff":
        ome = read_ome_xml(pyramid.description).stated_mpp
        if None not in ome:
            return ome
    aperio = _aperio(pyramid, "MPP")
    return (aperio, aperio) if aperio is not None else _by_resolution(pyramid.first)


def objective_power(pyramid: TiffPyramid) -> str | None:
    """Nominal magnification as text; None where absent.

    Raises:
        DamagedSlideError: The OME-XML is malformed.
    """
    if pyramid.vendor == "ome-tiff":
        return read_ome_xml(pyramid.description).objective_power
    return _aperio(pyramid, "AppMag")


def _aperio(pyramid: TiffPyramid, key: str) -> str | None:
    """A value of the list that Aperio writes: ``…|AppMag = 20|MPP = 0.499|…``."""
    if pyramid.vendor == "aperio":
        for part in pyramid.description.split("|")[1:]:
            name, _, value = part.partition("=")
            if name.strip() == key and value.strip():
                return value.strip()
    return None


def _by_resolution(first: Directory) -> Stated:
    length = _MICROMETRES.get(first.integer(_RESOLUTION_UNIT, _INCH))
    per_unit = first.ratio(_X_RESOLUTION), first.ratio(_Y_RESOLUTION)
    x, y = (f"{length / each:.9g}" if length and each else None for each in per_unit)
    return x, y
