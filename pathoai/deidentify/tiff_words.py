"""What a TIFF slide's description says once it is written anew: sizes, scale and objective."""

from __future__ import annotations

import re
from xml.sax.saxutils import quoteattr

from pathoai.errors import DeidentificationError
from pathoai.geometry import Size
from pathoai.slide.tiff_levels import TiffPyramid
from pathoai.slide.tiff_scale import objective_power, stated_mpp

_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?")
_OME = "http://www.openmicroscopy.org/Schemas/OME/2016-06"


def checked_number(text: str, what: str) -> str:
    """A text that is a number and nothing else.

    Raises:
        DeidentificationError: It is not; what it says is not repeated.
    """
    if not _NUMBER.fullmatch(text.strip()):
        raise DeidentificationError(
            f"the {what} of the slide is no plain number",
            remedy="look at it with `pathoai info` and mend the file",
        )
    return text.strip()


def description(pyramid: TiffPyramid, size_px: Size, *, finest: bool) -> str:
    """Of a level; empty where the kind of slide needs none.

    Raises:
        DeidentificationError: Scale or objective is no number.
        DamagedSlideError: The OME-XML is malformed.
    """
    if pyramid.vendor == "aperio":
        return _aperio(pyramid, size_px)
    return _ome(pyramid, size_px) if pyramid.vendor == "ome-tiff" and finest else ""


def _scale(pyramid: TiffPyramid) -> tuple[str | None, str | None, str | None]:
    """Micrometres per pixel for x and y, and magnification."""
    stated = (*stated_mpp(pyramid), objective_power(pyramid))
    names = ("scale", "scale", "objective")
    x, y, power = (
        None if v is None else checked_number(v, name)
        for v, name in zip(stated, names, strict=True)
    )
    return x, y, power


def _aperio(pyramid: TiffPyramid, size_px: Size) -> str:
    """OpenSlide knows Aperio by the first word, and takes what stands between bars."""
    from_list = {
        name.strip(): value
        for name, _, value in (v.partition("=") for v in pyramid.description.split("|")[1:])
    }
    x, _, power = _scale(pyramid)
    full = pyramid.levels[0].size_px
    lines = f"Aperio Image Library\r\n{full.width}x{full.height}"
    if size_px != full:
        lines += f" -> {size_px.width}x{size_px.height}"
    if power is not None:
        lines += f"|AppMag = {power}"
    # A scale that stands in the resolution tags stays there.
    return lines + (f"|MPP = {x}" if x is not None and "MPP" in from_list else "")


def _ome(pyramid: TiffPyramid, size_px: Size) -> str:
    x, y, power = _scale(pyramid)
    scale = "".join(
        f' PhysicalSize{axis}={quoteattr(value)} PhysicalSize{axis}Unit="µm"'
        for axis, value in (("X", x), ("Y", y))
        if value is not None
    )
    samples = pyramid.levels[0].samples
    instrument = settings = ""
    if power is not None:
        lens = f'<Objective ID="Objective:0" NominalMagnification={quoteattr(power)}/>'
        instrument = f'<Instrument ID="Instrument:0">{lens}</Instrument>'
        settings = '<InstrumentRef ID="Instrument:0"/><ObjectiveSettings ID="Objective:0"/>'
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="{_OME}">{instrument}'
        f'<Image ID="Image:0">{settings}<Pixels ID="Pixels:0" DimensionOrder="XYCZT" '
        f'Type="uint8" SizeX="{size_px.width}" SizeY="{size_px.height}" SizeC="{samples}" '
        f'SizeZ="1" SizeT="1"{scale}><Channel ID="Channel:0:0" SamplesPerPixel="{samples}"/>'
        '<TiffData IFD="0" PlaneCount="1"/></Pixels></Image></OME>'
    )
