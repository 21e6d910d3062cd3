"""What an OME-XML text says of a slide: its scale, its objective and how many planes it has."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree

from pathoai.errors import DamagedSlideError

_MICROMETRES = {
    "µm": 1.0,
    "μm": 1.0,
    "um": 1.0,
    "pm": 1e-6,
    "Å": 1e-4,
    "nm": 1e-3,
    "mm": 1e3,
    "cm": 1e4,
    "dm": 1e5,
    "m": 1e6,
    "in": 25_400.0,
}
"""Units of length of the OME schema (2016-06); "pixel" and "reference frame" state no scale."""


@dataclass(frozen=True, slots=True)
class OmeImage:
    """The first image of an OME-XML text.

    Args:
        stated_mpp: Micrometres per pixel for x and y, as text; None where absent.
        objective_power: As the scanner says.
        planes: Focal planes times time points.
        channels: Samples of colour, 3 for RGB.
    """

    stated_mpp: tuple[str | None, str | None]
    objective_power: str | None
    planes: int
    channels: int


def read_ome_xml(text: str) -> OmeImage:
    """The first image of an OME-XML text (OME schema 2016-06 and older).

    Raises:
        DamagedSlideError: It is no such text.
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise DamagedSlideError("the OME-XML defines entities, which no writer of slides does")
    try:
        root = ElementTree.fromstring(text)
        pixels = root.find("{*}Image/{*}Pixels")
        power = root.find("{*}Instrument/{*}Objective[@NominalMagnification]")
        attributes = {} if pixels is None else pixels.attrib
        return OmeImage(
            stated_mpp=(_micrometres(attributes, "X"), _micrometres(attributes, "Y")),
            objective_power=None if power is None else power.get("NominalMagnification"),
            planes=int(attributes.get("SizeZ", 1)) * int(attributes.get("SizeT", 1)),
            channels=int(attributes.get("SizeC", 1)),
        )
    except (ElementTree.ParseError, ValueError) as error:
        raise DamagedSlideError("the OME-XML of the file is malformed") from error


def _micrometres(attributes: dict[str, str], axis: str) -> str | None:
    """The text as it stands where it is in µm, else converted; the gate judges what it says."""
    text = attributes.get(f"PhysicalSize{axis}")
    factor = _MICROMETRES.get(attributes.get(f"PhysicalSize{axis}Unit", "µm"))
    if text is None or factor is None:
        return None
    try:
        return text if factor == 1.0 else f"{float(text) * factor:.9g}"
    except ValueError:
        return text
