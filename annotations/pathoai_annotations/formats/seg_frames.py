"""Frames of a DICOM segmentation, and the object around them (PS3.3 A.51, C.8.20).

Each class and maker is a segment, each tile that a segment touches a frame of one bit per pixel
(``TILED_SPARSE``). Frames go to a file as they are painted, so that memory does not grow with the
slide; only their places are held.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from io import BufferedRandom
from typing import TYPE_CHECKING, Any

import numpy as np

from pathoai.geometry import Grid
from pathoai_annotations.formats import dicom_codes as codes
from pathoai_annotations.formats.annotation_format import WritingContext
from pathoai_annotations.formats.dicom_slide import (
    WHOLE_SLIDE_IMAGE,
    DicomSlide,
    equipment,
    forget_local_time,
    made_uid,
)
from pathoai_annotations.formats.raster_grid import Paint, painted, tile_slices, touched_tiles

if TYPE_CHECKING:  # an extra: named for its types alone
    from highdicom.base import SOPClass
    from highdicom.seg import SegmentDescription
    from pydicom import Dataset

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
FRAME_PX = 512
_SEGMENT_NUMBER, _SEGMENT_GROUP = 0x0062000B, 0x0062000A
_ROW, _COLUMN, _POSITION_GROUP = 0x0048021F, 0x0048021E, 0x0048021A


@dataclass(frozen=True, order=True)
class Segment:
    """What the annotations of one segment share.

    Args:
        index: Of the class, so that segments come in the ontology's order.
        label: Key of the class.
        made: Who made it, as DICOM says.
        source: Which program, where one did.
    """

    index: int
    label: str
    made: str
    source: str

    @classmethod
    def of(cls, paint: Paint, context: WritingContext) -> Segment:
        """That of an annotation."""
        made = codes.generation(paint.annotation)
        source = "" if made == codes.MANUAL else paint.annotation.derived_from or ""
        label = context.ontology[paint.annotation.label]
        return cls(label.index, label.key, made, source)

    def description(self, number: int, context: WritingContext) -> SegmentDescription:
        """As DICOM says it."""
        from highdicom.seg import SegmentDescription

        label = context.ontology[self.label]
        by_hand = self.made == codes.MANUAL
        return SegmentDescription(
            segment_number=number,
            segment_label=label.key[:64],
            segmented_property_category=codes.class_category(label, context.ontology),
            segmented_property_type=codes.class_concept(label),
            algorithm_type=self.made,
            algorithm_identification=None if by_hand else codes.algorithm(self.source),
            display_color=codes.class_colour(label),
        )


def segments_of(paints: Iterable[Paint], context: WritingContext) -> dict[Segment, list[Paint]]:
    """What is painted into each segment, in the order of their numbers, which begin with 1."""
    segments: dict[Segment, list[Paint]] = defaultdict(list)
    for paint in paints:
        segments[Segment.of(paint, context)].append(paint)
    return dict(sorted(segments.items()))


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a frame lies: its segment's number, and row and column of its tile."""

    segment: int
    row: int
    column: int


def write_frames(
    file: BufferedRandom, segments: Sequence[Sequence[Paint]], grid: Grid
) -> tuple[list[Frame], str]:
    """Paint every frame that has a pixel, and write it.

    Args:
        file: Where the bits go, eight pixels a byte, the first in the lowest bit (PS3.5 8.1.1).
        segments: What is painted into each.
        grid: The raster.

    Returns:
        Where the frames lie, in the order of the file, and the hash of all bits.
    """
    frames, digest = [], sha256()
    for number, paints in enumerate(segments, start=1):
        outlines = [paint.geometry for paint in paints]
        for (row, column), here in touched_tiles(outlines, grid, FRAME_PX):
            tile = tile_slices((row, column), grid, FRAME_PX)
            mask = painted([(outlines[i], 1) for i in here], grid, tile)
            if not mask.any():
                continue
            whole = np.zeros((FRAME_PX, FRAME_PX), np.uint8)
            whole[: mask.shape[0], : mask.shape[1]] = mask
            bits = np.packbits(whole, bitorder="little").tobytes()
            digest.update(bits)
            file.write(bits)
            frames.append(Frame(number, row, column))
    return frames, digest.hexdigest()


def seg_dataset(
    slide: DicomSlide,
    grid: Grid,
    descriptions: Sequence[SegmentDescription],
    frames: Sequence[Frame],
    digest: str,
    context: WritingContext,
) -> SOPClass:
    """The object without its pixels.

    Args:
        slide: The image that it refers to.
        grid: The raster.
        descriptions: Of the segments.
        frames: Where they lie.
        digest: Hash of the pixels.
        context: The slide's frame, the corner that the raster starts at, and when it is made.
    """
    file = _instance(slide, digest, context.time)
    _add_pixel_description(file, grid, len(frames))
    file.SegmentationType = "BINARY"
    file.SegmentsOverlap = "UNDEFINED"
    file.ContentLabel = "ANNOTATIONS"
    file.ContentDescription = "outlines of a slide as a raster"
    file.ContentCreatorName = ""
    file.SegmentSequence = list(descriptions)
    _add_places(file, slide, grid, frames, context)
    return file


def _instance(slide: DicomSlide, digest: str, now: datetime) -> SOPClass:
    """Patient, study, series, equipment and specimen: none says who the patient is."""
    from highdicom.base import SOPClass
    from pydicom.uid import ExplicitVRLittleEndian

    image = slide.image()
    stamp = now.strftime("%Y%m%d%H%M%S%f")
    file = SOPClass(
        study_instance_uid=image.StudyInstanceUID,
        series_instance_uid=made_uid(slide.slide_id, "seg series"),
        series_number=2,
        sop_instance_uid=made_uid(slide.slide_id, "seg", digest, stamp),
        sop_class_uid=SEGMENTATION,
        instance_number=1,
        modality="SEG",
        transfer_syntax_uid=ExplicitVRLittleEndian,
        patient_id=slide.slide_id,
        patient_name="",
        patient_birth_date="",
        patient_sex="",
        accession_number="",
        study_id="",
        study_date="",
        study_time="",
        referring_physician_name="",
        content_date=now.date(),
        content_time=now.time(),
        specific_character_set="ISO_IR 192",
        **equipment(),
    )
    forget_local_time(file)
    file.copy_specimen_information(image)
    file.copy_patient_and_study_information(image)
    file.FrameOfReferenceUID = image.FrameOfReferenceUID
    file.PositionReferenceIndicator = image.PositionReferenceIndicator
    referenced = _dataset(
        ReferencedSOPClassUID=WHOLE_SLIDE_IMAGE, ReferencedSOPInstanceUID=image.SOPInstanceUID
    )
    file.ReferencedSeriesSequence = [
        _dataset(SeriesInstanceUID=image.SeriesInstanceUID, ReferencedInstanceSequence=[referenced])
    ]
    return file


def _add_pixel_description(file: SOPClass, grid: Grid, frames: int) -> None:
    file.ImageType = ["DERIVED", "PRIMARY"]
    file.PatientOrientation = ""  # of a slide there is none, and validators ask for the word
    file.LossyImageCompression = "00"
    file.SamplesPerPixel = 1
    file.PhotometricInterpretation = "MONOCHROME2"
    file.PixelRepresentation = 0
    file.Rows = file.Columns = FRAME_PX
    file.BitsAllocated = file.BitsStored = 1
    file.HighBit = 0
    file.NumberOfFrames = frames
    file.TotalPixelMatrixColumns = grid.size_px.width
    file.TotalPixelMatrixRows = grid.size_px.height


def _add_places(
    file: SOPClass,
    slide: DicomSlide,
    grid: Grid,
    frames: Sequence[Frame],
    context: WritingContext,
) -> None:
    """Where the raster lies on the glass, and each frame in the raster."""
    from highdicom import PixelMeasuresSequence

    spacing = [
        slide.spacing_mm[1] * grid.downsample_y,
        slide.spacing_mm[0] * grid.downsample_x,
    ]
    file.ImageOrientationSlide = list(slide.orientation)
    file.TotalPixelMatrixOriginSequence = [_offset(_centre(slide, grid, context, 0, 0))]
    file.SharedFunctionalGroupsSequence = [
        _dataset(
            PixelMeasuresSequence=PixelMeasuresSequence(spacing, slice_thickness=1e-3),
            DerivationImageSequence=[_derivation(slide)],
        )
    ]
    organisation = made_uid(slide.slide_id, "seg dimensions")
    file.DimensionOrganizationType = "TILED_SPARSE"
    file.DimensionOrganizationSequence = [_dataset(DimensionOrganizationUID=organisation)]
    file.DimensionIndexSequence = [
        _dataset(
            DimensionIndexPointer=pointer,
            FunctionalGroupPointer=group,
            DimensionOrganizationUID=organisation,
        )
        for pointer, group in (
            (_SEGMENT_NUMBER, _SEGMENT_GROUP),
            (_ROW, _POSITION_GROUP),
            (_COLUMN, _POSITION_GROUP),
        )
    ]
    rows = {row: rank for rank, row in enumerate(sorted({f.row for f in frames}), start=1)}
    columns = {c: rank for rank, c in enumerate(sorted({f.column for f in frames}), start=1)}
    file.PerFrameFunctionalGroupsSequence = [
        _place(frame, (rows[frame.row], columns[frame.column]), slide, grid, context)
        for frame in frames
    ]


def _derivation(slide: DicomSlide) -> Dataset:
    """The image that the outlines were drawn on (PS3.3 C.7.6.16.2.6)."""
    from highdicom.sr import CodedConcept

    source = _dataset(
        ReferencedSOPClassUID=WHOLE_SLIDE_IMAGE,
        ReferencedSOPInstanceUID=slide.uids["SOPInstanceUID"],
        PurposeOfReferenceCodeSequence=[
            CodedConcept("121322", "DCM", "Source image for image processing operation")
        ],
        SpatialLocationsPreserved="YES",
    )
    return _dataset(
        SourceImageSequence=[source],
        DerivationCodeSequence=[CodedConcept("113076", "DCM", "Segmentation")],
    )


def _place(
    frame: Frame, ranks: tuple[int, int], slide: DicomSlide, grid: Grid, context: WritingContext
) -> Dataset:
    column, row = frame.column * FRAME_PX, frame.row * FRAME_PX
    position = _offset(_centre(slide, grid, context, column, row))
    position.ColumnPositionInTotalImagePixelMatrix = column + 1
    position.RowPositionInTotalImagePixelMatrix = row + 1
    return _dataset(
        FrameContentSequence=[_dataset(DimensionIndexValues=[frame.segment, *ranks])],
        PlanePositionSlideSequence=[position],
        SegmentIdentificationSequence=[_dataset(ReferencedSegmentNumber=frame.segment)],
    )


def _centre(
    slide: DicomSlide, grid: Grid, context: WritingContext, column: int, row: int
) -> tuple[float, float]:
    """Of a pixel of the raster, mm on the glass."""
    shift_x, shift_y = context.placement().shift
    return slide.on_glass(
        shift_x + (column + 0.5) * grid.downsample_x, shift_y + (row + 0.5) * grid.downsample_y
    )


def _offset(place_mm: tuple[float, float]) -> Dataset:
    from pydicom.valuerep import DSfloat

    x, y = (DSfloat(mm, auto_format=True) for mm in place_mm)
    return _dataset(
        XOffsetInSlideCoordinateSystem=x,
        YOffsetInSlideCoordinateSystem=y,
        ZOffsetInSlideCoordinateSystem=0.0,
    )


def _dataset(**elements: Any) -> Dataset:  # noqa: ANN401 - whatever DICOM has
    from pydicom import Dataset

    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made
