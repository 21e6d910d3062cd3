"""The slide as DICOM objects see it: who it is, and how its pixels lie on the glass.

Objects are about an image that they name by UIDs. Where the user names a DICOM file of the slide,
its UIDs are written, so that viewers and archives find image and annotations together. Otherwise
the UIDs are made of the slide's code (``2.25.`` and a UUID of version 5, PS3.5 B.2): the same for
every object of that slide, and of no use to whoever looks for the patient. No name, date or number
of the patient is ever written: patient and container are called by the slide's code.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pathoai import __version__
from pathoai.errors import AnnotationError, DamagedSlideError, MissingDependencyError, SlideError
from pathoai.slide.dicom_levels import damage_of_dicom, dicom_pyramid
from pathoai_annotations.annotation import deterministic_id
from pathoai_annotations.formats.text_file import check_file
from pathoai_annotations.slide_frame import SlideFrame

if TYPE_CHECKING:  # an extra: named for its types alone
    from pydicom import Dataset

WHOLE_SLIDE_IMAGE = "1.2.840.10008.5.1.4.1.1.77.1.6"
_MICROSCOPE_SLIDE = ("433466003", "SCT", "Microscope slide")
_MM = 1e-3
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
_ALONG = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
"""Rows along the glass's x, columns along its y."""
_UNDEFINED = 0xFFFFFFFF


@dataclass(frozen=True)
class DicomSlide:
    """The image that annotations refer to.

    Args:
        slide_id: Code of the slide.
        uids: Of study, series, image and frame of reference, by keyword.
        origin_mm: X and Y of the centre of the first pixel, slide coordinates.
        orientation: Direction of rows, then of columns, three numbers each.
        spacing_mm: Of level-0 pixels along x and y.
        is_placed: Whether the image says where it lies on the glass, as not all do.
        coarser: Level-0 pixels per pixel along x and y of the slide's other levels, by their UIDs.
    """

    slide_id: str
    uids: Mapping[str, str]
    origin_mm: tuple[float, float]
    orientation: tuple[float, ...]
    spacing_mm: tuple[float, float]
    is_placed: bool = True
    coarser: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def of_code(cls, slide_id: str, frame: SlideFrame) -> DicomSlide:
        """An image made of the slide's code, its first pixel at the corner of the glass."""
        spacing = (frame.mpp.x * _MM, frame.mpp.y * _MM)
        uids = {keyword: made_uid(slide_id, keyword) for keyword in _UIDS}
        return cls(slide_id, uids, (spacing[0] / 2, spacing[1] / 2), _ALONG, spacing)

    @classmethod
    def of_file(cls, slide_id: str, source: Path, frame: SlideFrame | None) -> DicomSlide:
        """The image of a DICOM file, or of a folder of them; its finest level.

        Raises:
            AnnotationError: It is no whole-slide image, is damaged, or is another slide.
            MissingDependencyError: pydicom is not installed.
        """
        try:
            levels = dicom_pyramid(source).levels
        except SlideError as error:
            raise AnnotationError(
                f"--source is no DICOM slide: {error.what}", where=source.name, found=error.found
            ) from error
        finest = levels[0].size_px
        if frame is not None and finest != frame.size:
            raise AnnotationError(
                "--source is another slide",
                where=source.name,
                found=f"{finest.width} × {finest.height} px",
                allowed=f"{frame.size.width} × {frame.size.height} px, the size of {slide_id}",
            )
        headers = [_header(level.path) for level in levels]
        with dicom_fails(source):
            coarser = {
                str(header.SOPInstanceUID): (
                    finest.width / level.size_px.width,
                    finest.height / level.size_px.height,
                )
                for header, level in zip(headers[1:], levels[1:], strict=True)
            }
            header, origin = headers[0], _origin_mm(headers[0])
            orientation = header.get("ImageOrientationSlide") or _ALONG
            return cls(
                slide_id,
                {keyword: str(getattr(header, keyword)) for keyword in _UIDS},
                origin or (0.0, 0.0),
                tuple(map(float, orientation)),
                _spacing_mm(header),
                origin is not None,
                coarser,
            )

    @staticmethod
    def uid_of_code(slide_id: str) -> str:
        """The UID of the image that is made of a slide's code."""
        return made_uid(slide_id, "SOPInstanceUID")

    def image(self) -> Dataset:
        """What highdicom copies from: identity without any fact of the patient."""
        from pydicom import Dataset

        image = Dataset()
        image.SOPClassUID = WHOLE_SLIDE_IMAGE
        image.Modality = "SM"
        for keyword, uid in self.uids.items():
            setattr(image, keyword, uid)
        image.PatientID = image.ContainerIdentifier = self.slide_id
        for keyword in ("PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber"):
            setattr(image, keyword, "")
        for keyword in ("StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName"):
            setattr(image, keyword, "")
        image.PatientIdentityRemoved = "YES"
        image.DeidentificationMethod = "slides are called by codes of a secret key"
        image.IssuerOfTheContainerIdentifierSequence = []
        image.ContainerTypeCodeSequence = [_coded(*_MICROSCOPE_SLIDE)]
        specimen = Dataset()
        specimen.SpecimenIdentifier = self.slide_id
        specimen.SpecimenUID = made_uid(self.slide_id, "specimen")
        specimen.IssuerOfTheSpecimenIdentifierSequence = []
        specimen.SpecimenPreparationSequence = []
        image.SpecimenDescriptionSequence = [specimen]
        image.PositionReferenceIndicator = "SLIDE_CORNER"
        return image

    def from_glass(self, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points on the glass, ``(N, 2)`` mm, as level-0 pixels ``(N, 2)``.

        The position of an image is that of its first pixel's centre (PS3.3 C.7.6.16.2.12).
        """
        away = points_mm - self.origin_mm
        along = np.array([self.orientation[0:2], self.orientation[3:5]])
        return np.asarray(away @ along.T / self.spacing_mm + 0.5)

    def on_glass(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of level-0 pixels lies on the glass, mm."""
        place = self.points_on_glass(np.array([[x, y]], np.float64))[0]
        return float(place[0]), float(place[1])

    def points_on_glass(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same of many points, ``(N, 2)``."""
        along = np.array([self.orientation[0:2], self.orientation[3:5]])
        return np.asarray((points - 0.5) * self.spacing_mm @ along + self.origin_mm)


def made_uid(*parts: str) -> str:
    """A UID that is the same for the same parts."""
    return f"2.25.{deterministic_id('dicom', *parts).int}"


def equipment() -> dict[str, Any]:
    """What made an object, as highdicom's arguments: the software, and nothing of the machine."""
    return {
        "manufacturer": "pathoai",
        "manufacturer_model_name": "pathoai",
        "software_versions": __version__,
        "device_serial_number": __version__,
    }


def forget_local_time(file: Dataset) -> None:
    """Take out what highdicom says of its own accord: optional, and in the machine's local time."""
    for keyword in (
        "InstanceCreationDate",
        "InstanceCreationTime",
        "ContributingEquipmentSequence",
    ):
        if keyword in file:
            del file[keyword]


@contextmanager
def dicom_fails(path: Path) -> Iterator[None]:
    """Whatever pydicom and highdicom raise on a damaged file becomes our error.

    Raises:
        AnnotationError: They failed.
        MissingDependencyError: One is not installed.
    """
    try:
        with damage_of_dicom():
            yield
    # Of frames that contradict each other highdicom says the one or the other.
    except (DamagedSlideError, RuntimeError, sqlite3.Error) as error:
        raise AnnotationError(
            "the DICOM file is damaged, or not of its kind",
            where=path.name,
            found=error.found if isinstance(error, DamagedSlideError) else type(error).__name__,
            remedy="export it again",
        ) from error


def need_highdicom() -> None:
    """Refuse to go on without it.

    Raises:
        MissingDependencyError: It is not installed.
    """
    if not has_highdicom():
        raise MissingDependencyError(
            "highdicom is not installed", remedy="pip install 'pathoai[dicom]'"
        )


def has_highdicom() -> bool:
    """Whether it is installed."""
    return find_spec("highdicom") is not None


def is_dicom_of(path: Path, kinds: frozenset[str]) -> bool:
    """True for a DICOM file of one of some SOP classes."""
    try:
        check_file(path, "DICOM")
        with dicom_fails(path):
            import pydicom

            head = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"])
            return str(head.SOPClassUID) in kinds
    except (AnnotationError, FileNotFoundError):
        return False


def read_dicom(path: Path, kinds: frozenset[str], title: str) -> Dataset:
    """All that a DICOM file says.

    Args:
        path: The file.
        kinds: SOP classes that are wanted.
        title: What such files are called.

    Raises:
        MissingFileError: Nothing lies there.
        AnnotationError: It is no such file, or was cut short.
        MissingDependencyError: pydicom or highdicom is not installed.
    """
    need_highdicom()
    check_file(path, title)
    if not is_dicom_of(path, kinds):
        raise AnnotationError(f"not a {title} file", where=path.name)
    with dicom_fails(path):
        import pydicom

        file = pydicom.dcmread(path)
        last = [file.get_item(tag) for tag in file.keys()][-1]  # noqa: SIM118 - a data set iterates its elements
    end, length = getattr(last, "value_tell", None), getattr(last, "length", _UNDEFINED)
    # What is cut within an element, or within the tag of one, pydicom passes over in silence.
    if end is not None and length != _UNDEFINED and end + length != path.stat().st_size:
        raise AnnotationError(
            "the DICOM file was cut short", where=path.name, remedy="copy or export it again"
        )
    return file


def _header(path: Path) -> Any:  # noqa: ANN401 - pydicom's own
    with dicom_fails(path):
        import pydicom

        wanted = [*_UIDS, "TotalPixelMatrixOriginSequence", "ImageOrientationSlide"]
        wanted.append("SharedFunctionalGroupsSequence")
        return pydicom.dcmread(path, stop_before_pixels=True, specific_tags=wanted)


def _origin_mm(header: Any) -> tuple[float, float] | None:  # noqa: ANN401 - pydicom's own
    # Some writers leave the sequence out, others what should be in it.
    for origin in header.get("TotalPixelMatrixOriginSequence") or ():
        place = [origin.get(f"{axis}OffsetInSlideCoordinateSystem") for axis in "XY"]
        if None not in place:
            return float(place[0]), float(place[1])
    return None


def _spacing_mm(header: Any) -> tuple[float, float]:  # noqa: ANN401 - pydicom's own
    """Along x and y; DICOM names the distance of rows first."""
    measures = header.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    between_rows, between_columns = map(float, measures.PixelSpacing)
    return between_columns, between_rows


def _coded(value: str, scheme: str, meaning: str) -> Dataset:
    from pydicom import Dataset

    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item
