"""The levels of a whole-slide image in DICOM files (PS3.3 A.32.8), and the pictures beside them.

Only the attributes named here are read, and none tells who the patient is.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from pathoai.errors import DamagedSlideError, MissingDependencyError, NotASlideError
from pathoai.geometry import Size
from pathoai.slide.jpeg_stream import adobe_segment
from pathoai.slide.pyramid import checked_size, downsample, is_coarser_copy, tile_grid
from pathoai.slide.reader import Level

_WHOLE_SLIDE_IMAGE = "1.2.840.10008.5.1.4.1.1.77.1.6"
_PREAMBLE_BYTES, _MAGIC = 128, b"DICM"
_REMEDY = "copy the files again; one is damaged or was cut short"
_ASSOCIATED = {"LABEL": "label", "OVERVIEW": "macro", "THUMBNAIL": "thumbnail"}
"""Flavours of images (PS3.3 C.8.12.4.1.1) by the names that OpenSlide gives them."""
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
_COMPRESSIONS = {
    IMPLICIT: "none",
    EXPLICIT: "none",
    "1.2.840.10008.1.2.4.50": "JPEG",
    "1.2.840.10008.1.2.4.51": "JPEG",
    "1.2.840.10008.1.2.4.80": "JPEG-LS",
    "1.2.840.10008.1.2.4.81": "JPEG-LS",
    "1.2.840.10008.1.2.4.90": "JPEG 2000",
    "1.2.840.10008.1.2.4.91": "JPEG 2000",
}
"""By transfer syntax (PS3.6, table A-1)."""
READABLE_COLOURS = {
    "JPEG": {"RGB", "YBR_FULL", "YBR_FULL_422"},
    "JPEG 2000": {"RGB", "YBR_ICT", "YBR_RCT"},
    "JPEG-LS": {"RGB"},
    "none": {"RGB"},
}
"""Photometric interpretations that each decoder turns into RGB."""
_ATTRIBUTES = [
    "SOPClassUID",
    "SeriesInstanceUID",
    "ImageType",
    "TotalPixelMatrixColumns",
    "TotalPixelMatrixRows",
    "TotalPixelMatrixFocalPlanes",
    "NumberOfOpticalPaths",
    "Columns",
    "Rows",
    "NumberOfFrames",
    "DimensionOrganizationType",
    "PhotometricInterpretation",
    "SamplesPerPixel",
    "BitsAllocated",
    "PlanarConfiguration",
    "SharedFunctionalGroupsSequence",
    "OpticalPathSequence",
]


@dataclass(frozen=True, eq=False)
class DicomPicture:
    """One DICOM file of a whole-slide image: a level of its pyramid, or a picture beside it.

    Args:
        path: The file.
        series: Which slide it belongs to.
        flavour: ``VOLUME`` for levels, else ``LABEL``, ``OVERVIEW``, ``THUMBNAIL``.
        size_px: Of the picture, in its own pixels.
        tile_px: Of each frame.
        frames: Their number.
        sparse: Frames state their places; else they are all there, row by row.
        planes: Focal planes times optical paths.
        syntax: Transfer syntax, which tells the compression.
        photometric: As DICOM names it, e.g. ``YBR_FULL_422``.
        samples: Values per pixel.
        bits: Bits of each value.
        planar: Each colour apart.
        pixels_at: Where in the file the pixel data begin, in bytes.
        stated_mpp: Micrometres per pixel for x and y as text; None where absent.
        objective_power: As the scanner says.
        icc_profile: Of the optical path.
    """

    path: Path = field(repr=False)
    series: str = field(repr=False)
    flavour: str
    size_px: Size
    tile_px: Size
    frames: int
    sparse: bool
    planes: int
    syntax: str
    photometric: str
    samples: int
    bits: int
    planar: bool
    pixels_at: int
    stated_mpp: tuple[str | None, str | None]
    objective_power: str | None
    icc_profile: bytes | None = field(repr=False)

    @property
    def compression(self) -> str:
        """As people call it; the transfer syntax where it is none that is read."""
        return _COMPRESSIONS.get(self.syntax, f"of DICOM transfer syntax {self.syntax}")

    @property
    def jpeg_header(self) -> bytes:
        """What JPEG frames lack: their colour space, which DICOM states beside them."""
        return adobe_segment(ycbcr=self.photometric.startswith("YBR"))

    @property
    def grid_shape(self) -> tuple[int, int]:
        """Rows and columns of tiles."""
        return tile_grid(self.size_px, self.tile_px)


@dataclass(frozen=True, eq=False)
class DicomPyramid:
    """A slide in DICOM files.

    Args:
        levels: Finest first.
        associated: The other pictures by name.
    """

    levels: tuple[DicomPicture, ...]
    associated: dict[str, Size]

    @property
    def sizes(self) -> tuple[Level, ...]:
        """Size and downsample of the levels, computed as OpenSlide does."""
        full = self.levels[0].size_px
        return tuple(Level(v.size_px, downsample(full, v.size_px)) for v in self.levels)


def dicom_pyramid(path: Path) -> DicomPyramid:
    """The slide that a folder holds, or that a file belongs to with others beside it.

    Args:
        path: A folder of one series, or one of its files.

    Raises:
        NotASlideError: It is no DICOM, no whole-slide image, or several slides.
        DamagedSlideError: A file is damaged, or the levels do not fit each other.
        MissingDependencyError: pydicom is not installed.
    """
    if path.is_dir():
        pictures = _pictures([entry for entry in sorted(path.iterdir()) if entry.is_file()])
        if not pictures:
            raise NotASlideError("it is a folder without DICOM whole-slide images")
        if len({picture.series for picture in pictures}) > 1:
            raise NotASlideError(
                "it is a folder of several DICOM slides", remedy="give one folder a slide"
            )
        return _pyramid(pictures)
    chosen = dicom_picture(path)
    beside = [entry for entry in sorted(path.parent.iterdir()) if entry.is_file() and entry != path]
    # Of two files that hold the same level, the one that was named is meant.
    others = [v for v in _pictures(beside) if v.series == chosen.series]
    return _pyramid([chosen, *(v for v in others if v.size_px != chosen.size_px)])


def _pictures(paths: Sequence[Path]) -> list[DicomPicture]:
    """Those of the files that are whole-slide images."""
    found = []
    for path in paths:
        try:
            found.append(dicom_picture(path))
        except NotASlideError:
            continue
    return found


def _pyramid(pictures: Sequence[DicomPicture]) -> DicomPyramid:
    levels = [picture for picture in pictures if picture.flavour == "VOLUME"]
    levels.sort(key=lambda level: -level.size_px.width)
    if not levels:
        raise NotASlideError("the DICOM series has a label or an overview, but no level")
    for finer, coarser in pairwise(levels):
        if finer.size_px == coarser.size_px:
            raise NotASlideError("two DICOM files hold the same level, or parts of one")
    for level in levels[1:]:
        if not is_coarser_copy(levels[0].size_px, level.size_px):
            raise DamagedSlideError("the levels of the DICOM series do not fit", remedy=_REMEDY)
    associated: dict[str, Size] = {}
    for number, picture in enumerate(pictures):
        if picture.flavour != "VOLUME":
            name = _ASSOCIATED.get(picture.flavour, "")
            known = bool(name) and name not in associated
            associated[name if known else f"picture {number}"] = picture.size_px
    return DicomPyramid(tuple(levels), associated)


def dicom_picture(path: Path) -> DicomPicture:
    """What a DICOM file says of its picture.

    Raises:
        NotASlideError: It is no DICOM file, or no whole-slide image.
        DamagedSlideError: It is one, but its attributes are damaged.
        MissingDependencyError: pydicom is not installed.
    """
    try:
        with path.open("rb") as file:
            is_dicom = file.read(_PREAMBLE_BYTES + len(_MAGIC))[_PREAMBLE_BYTES:] == _MAGIC
    except OSError as error:
        raise NotASlideError("it cannot be read", found=error.strerror) from None
    if not is_dicom:
        raise NotASlideError("it is no DICOM file")
    with damage_of_dicom():
        data, pixels_at = _attributes(path)
        kind = str(data.get("SOPClassUID", ""))
        if kind != _WHOLE_SLIDE_IMAGE:
            raise NotASlideError(
                "it is a DICOM object, but no whole-slide image", found=_named(kind)
            )
        return _picture(path, data, pixels_at)


def _named(kind: str) -> str:
    """What a DICOM object is by the standard; what its file says is not repeated."""
    from pydicom.uid import UID

    name = UID(kind).name
    return "of an unknown kind" if name == kind else name


def _attributes(path: Path) -> tuple[Any, int]:
    """The attributes that concern us, and where the pixel data begin."""
    import pydicom

    with path.open("rb") as file:
        data = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(_ATTRIBUTES))
        return data, file.tell()


def _picture(path: Path, data: Any, pixels_at: int) -> DicomPicture:  # noqa: ANN401 - pydicom's own
    optics: Any = next(iter(data.get("OpticalPathSequence", [])), {})
    flavour = [*map(str, data.get("ImageType", [])), "", "", ""][2]
    power, profile = optics.get("ObjectiveLensPower"), optics.get("ICCProfile")
    return DicomPicture(
        path=path,
        series=str(data.get("SeriesInstanceUID", "")),
        flavour=flavour,
        size_px=checked_size(
            int(data.TotalPixelMatrixColumns or 0), int(data.TotalPixelMatrixRows or 0)
        ),
        tile_px=checked_size(int(data.Columns or 0), int(data.Rows or 0)),
        frames=int(data.get("NumberOfFrames") or 1),
        sparse=str(data.get("DimensionOrganizationType", "")) != "TILED_FULL",
        planes=int(data.get("TotalPixelMatrixFocalPlanes") or 1)
        * int(data.get("NumberOfOpticalPaths") or 1),
        syntax=str(data.file_meta.TransferSyntaxUID),
        photometric=str(data.get("PhotometricInterpretation", "")),
        samples=int(data.get("SamplesPerPixel") or 1),
        bits=int(data.get("BitsAllocated") or 0),
        planar=int(data.get("PlanarConfiguration") or 0) == 1,
        pixels_at=pixels_at,
        stated_mpp=_stated_mpp(data),
        objective_power=None if power is None else str(power),
        icc_profile=bytes(profile) if profile else None,
    )


def _stated_mpp(data: Any) -> tuple[str | None, str | None]:  # noqa: ANN401 - pydicom's own
    """From PixelSpacing: millimetres between rows, then between columns."""
    groups: Any = next(iter(data.get("SharedFunctionalGroupsSequence", [])), {})
    measures: Any = next(iter(groups.get("PixelMeasuresSequence", [])), {})
    spacing = measures.get("PixelSpacing")
    if spacing is None or len(spacing) != 2:
        return None, None
    between_rows, between_columns = (f"{float(mm) * 1e3:.9g}" for mm in spacing)
    return between_columns, between_rows


@contextmanager
def damage_of_dicom() -> Iterator[None]:
    """Whatever pydicom raises on a damaged file becomes our error, and it warns of nothing.

    Its warnings quote values, and its exceptions may; neither leaves here.

    Raises:
        DamagedSlideError: pydicom failed.
        MissingDependencyError: It is not installed.
    """
    try:
        from pydicom.errors import BytesLengthException, InvalidDicomError
    except ImportError as error:
        raise MissingDependencyError(
            "pydicom is not installed: pip install 'pathoai[dicom]'"
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    # Found by fuzzing.
    except (
        ArithmeticError,
        AttributeError,
        BytesLengthException,
        EOFError,
        InvalidDicomError,
        LookupError,
        MemoryError,
        NotImplementedError,
        OSError,
        RecursionError,
        TypeError,
        ValueError,
        struct.error,
    ) as error:
        raise DamagedSlideError(
            "the DICOM attributes are damaged", found=type(error).__name__, remedy=_REMEDY
        ) from None
