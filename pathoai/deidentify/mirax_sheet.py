"""The sheet of a MIRAX slide (Slidedat.ini), read, and written anew from what is allowed."""

from __future__ import annotations

import configparser
from collections.abc import Iterable
from pathlib import Path

from pathoai.deidentify.left_behind import LeftBehind
from pathoai.deidentify.tiff_words import checked_number
from pathoai.errors import DamagedSlideError, DeidentificationError

SHEET, INDEX = "Slidedat.ini", "Index.dat"
POSITIONS = ("VIMSLIDE_POSITION_BUFFER", "default")
_STITCHING = ("StitchingIntensityLayer", "StitchingIntensityLevel")
_ZOOM = "Slide zoom level"
_MOST_RECORDS, _MOST_FILES = 1000, 10_000
_GENERAL = ("IMAGENUMBER_X", "IMAGENUMBER_Y", "OBJECTIVE_MAGNIFICATION")
_GENERAL_OR_NOT = ("CameraImageDivisionsPerSide", "CURRENT_SLIDE_VERSION")
_LEVEL = (
    "OVERLAP_X",
    "OVERLAP_Y",
    "MICROMETER_PER_PIXEL_X",
    "MICROMETER_PER_PIXEL_Y",
    "IMAGE_FILL_COLOR_BGR",
    "DIGITIZER_WIDTH",
    "DIGITIZER_HEIGHT",
    "IMAGE_CONCAT_FACTOR",
)


class _ExactKeys(configparser.ConfigParser):
    """Keys keep their capital letters."""

    def optionxform(self, optionstr: str) -> str:
        """As it stands."""
        return optionstr


class MiraxSheet:
    """What a Slidedat.ini says.

    Args:
        folder: The slide's folder.

    Raises:
        DamagedSlideError: There is none, or it is malformed.
        DeidentificationError: The slide is of a kind that is not rewritten.
    """

    def __init__(self, folder: Path) -> None:
        """Read it."""
        self._ini = _ExactKeys(interpolation=None, strict=False)
        try:
            self._ini.read_string((folder / SHEET).read_text("utf-8-sig"))
        except (OSError, ValueError, configparser.Error):
            # Its message would quote the line.
            raise DamagedSlideError(
                "the Slidedat.ini of the MIRAX slide is absent or malformed", remedy="copy it again"
            ) from None
        if self._value("HIERARCHICAL", "HIER_0_NAME") != _ZOOM:
            raise DeidentificationError("the MIRAX slide does not begin with its zoom levels")
        for number in range(1, self._count("HIERARCHICAL", "HIER_COUNT", _MOST_RECORDS)):
            # Filters of fluorescence and focal planes: which picture is which is not stated here.
            if self._count("HIERARCHICAL", f"HIER_{number}_COUNT", _MOST_RECORDS) > 1:
                raise DeidentificationError("the MIRAX slide has several filters or focal planes")

    @property
    def slide_id(self) -> str:
        """The slide's own identifier."""
        return self._value("GENERAL", "SLIDE_ID")

    @property
    def index(self) -> str:
        """Name of the index file."""
        return self._value("HIERARCHICAL", "INDEXFILE")

    @property
    def levels(self) -> int:
        """Number of zoom levels."""
        return self._count("HIERARCHICAL", "HIER_0_COUNT", _MOST_RECORDS)

    @property
    def data_files(self) -> list[str]:
        """Names of the data files, by their number."""
        count = self._count("DATAFILE", "FILE_COUNT", _MOST_FILES)
        return [self._value("DATAFILE", f"FILE_{number}") for number in range(count)]

    @property
    def beside(self) -> list[tuple[str, str]]:
        """Name and value of every record beside the hierarchy, in their order."""
        found = []
        for layer in range(self._count("HIERARCHICAL", "NONHIER_COUNT", _MOST_RECORDS)):
            head = f"NONHIER_{layer}"
            for number in range(self._count("HIERARCHICAL", f"{head}_COUNT", _MOST_RECORDS)):
                name = self._value("HIERARCHICAL", f"{head}_NAME")
                found.append((name, self._value("HIERARCHICAL", f"{head}_VAL_{number}")))
        return found

    @property
    def positions(self) -> tuple[int, bool] | None:
        """The record of where the camera stood, and whether it is compressed."""
        for wanted, packed in ((POSITIONS, False), (_STITCHING, True)):
            if wanted in self.beside:
                return self.beside.index(wanted), packed
        return None

    @property
    def camera_positions(self) -> int:
        """How many places the camera stood at."""
        x, y = (int(checked_number(self._value("GENERAL", k), "size")) for k in _GENERAL[:2])
        per_side = int(self._optional("GENERAL", "CameraImageDivisionsPerSide", "1"))
        return (x // max(per_side, 1)) * (y // max(per_side, 1))

    def anew(self, slide_id: str, *, files: int, positions: bool) -> str:
        """The text of a sheet that says what is allowed, and nothing else.

        Args:
            slide_id: The new one.
            files: How many data files there are.
            positions: A record of positions lies beside the hierarchy.

        Raises:
            DeidentificationError: An allowed key holds no number, or pictures are not JPEG.
        """
        general = [f"SLIDE_ID = {slide_id}", "SLIDE_TYPE = SLIDE_TYPE_BRIGHTFIELD"]
        general += self._numbers("GENERAL", _GENERAL)
        general += self._numbers(
            "GENERAL", (key for key in _GENERAL_OR_NOT if self._ini.has_option("GENERAL", key))
        )
        tree = [f"INDEXFILE = {INDEX}", "HIER_COUNT = 1", f"HIER_0_NAME = {_ZOOM}"]
        tree += [f"HIER_0_COUNT = {self.levels}", f"NONHIER_COUNT = {int(positions)}"]
        sections = []
        for number in range(self.levels):
            section = f"LAYER_0_LEVEL_{number}_SECTION"
            tree += [f"HIER_0_VAL_{number} = ZoomLevel_{number}"]
            tree += [f"HIER_0_VAL_{number}_SECTION = {section}"]
            sections.append((section, self._level(number)))
        if positions:
            tree += [f"NONHIER_0_NAME = {POSITIONS[0]}", "NONHIER_0_COUNT = 1"]
            tree += [f"NONHIER_0_VAL_0 = {POSITIONS[1]}"]
        data = [f"FILE_{number} = {data_name(number)}" for number in range(files)]
        data.insert(0, f"FILE_COUNT = {files}")
        parts = [("GENERAL", general), ("HIERARCHICAL", tree), ("DATAFILE", data), *sections]
        text = "".join(f"[{name}]\r\n" + "\r\n".join(lines) + "\r\n" for name, lines in parts)
        return "\ufeff" + text

    def drop_words(self, left: LeftBehind) -> None:
        """All that it says is left behind; the new sheet's own words are allowed."""
        for section in self._ini.sections():
            for key, value in self._ini.items(section):
                left.drop("Slidedat.ini key", value)
                left.drop("Slidedat.ini key", key)

    def _level(self, number: int) -> list[str]:
        section = self._value("HIERARCHICAL", f"HIER_0_VAL_{number}_SECTION")
        if self._value(section, "IMAGE_FORMAT") != "JPEG":
            raise DeidentificationError("pictures of the MIRAX slide are not JPEG")
        return [*self._numbers(section, _LEVEL), "IMAGE_FORMAT = JPEG"]

    def _numbers(self, section: str, keys: Iterable[str]) -> list[str]:
        return [
            f"{key} = {checked_number(self._value(section, key), 'Slidedat.ini')}" for key in keys
        ]

    def _optional(self, section: str, key: str, default: str) -> str:
        value = self._ini.get(section, key, fallback=default)
        return checked_number(value, "Slidedat.ini")

    def _value(self, section: str, key: str) -> str:
        value = self._ini.get(section, key, fallback="")
        if not value:
            raise DamagedSlideError(
                "the Slidedat.ini of the MIRAX slide lacks what every one has", remedy="copy again"
            )
        return value

    def _count(self, section: str, key: str, most: int) -> int:
        value = self._value(section, key)
        if not value.isdecimal() or int(value) > most:
            raise DamagedSlideError("the Slidedat.ini of the MIRAX slide is malformed")
        return int(value)


def data_name(number: int) -> str:
    """Of a data file in a copy."""
    return f"Data{number:04d}.dat"
