"""DICOM segmentations on a slide (PS3.3 A.51): a raster of one bit per pixel and segment.

What a raster loses: which annotation a pixel is of, and where within a pixel an outline runs.
Outlines of one class that touch become one; those of different classes may overlap, since each
class and maker is a segment of its own. Read are binary, fractional and label-map segmentations,
tiled as DICOM slides are; outlines follow the edges of their pixels, so that areas are equal.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from shapely import Polygon

from pathoai.errors import AnnotationError
from pathoai.geometry import Grid, Mpp, Size
from pathoai.vector.block_outlines import BlockOutlines, Frame, frames_of, outline_block
from pathoai.vector.healed_seams import heal_seams
from pathoai.vector.pixel_regions import PixelRegions, find_regions
from pathoai.vector.polygonise import to_level_0
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats import dicom_codes as codes
from pathoai_annotations.formats.annotation_format import ReadingContext, WritingContext
from pathoai_annotations.formats.dicom_ann import dicom_slide
from pathoai_annotations.formats.dicom_slide import (
    DicomSlide,
    dicom_fails,
    is_dicom_of,
    need_highdicom,
    read_dicom,
)
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.feature import Feature, FeatureReader
from pathoai_annotations.formats.new_file import new_file
from pathoai_annotations.formats.part import JUDGEMENT, Part, report_losses
from pathoai_annotations.formats.raster_grid import Paint, grid_in_file, paintable, raster_grid
from pathoai_annotations.formats.same_slide import refuse_other_slide, stated_placement
from pathoai_annotations.formats.seg_frames import SEGMENTATION, Segment, seg_dataset, write_frames
from pathoai_annotations.slide_frame import Corner, known_frame

if TYPE_CHECKING:  # an extra: named for its types alone
    from highdicom.seg import Segmentation

_LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
_KINDS = frozenset({SEGMENTATION, _LABEL_MAP})
_BLOCK_PX = 1024
_SEGMENTS_AT_ONCE = 8
"""A block of so many segments is held at once: 8 MB, however many the file has."""
_HALF = 0.5


class DicomSeg:
    """The format ``dicom-seg``."""

    title = "DICOM segmentation"
    suffixes: tuple[str, ...] = (".seg.dcm", ".dcm")
    reads = writes = True
    takes = frozenset({"mpp", "source"})
    cannot_carry = JUDGEMENT | {
        Part.IDENTITY,
        Part.POINTS,
        Part.LINES,
        Part.SEVERAL,
        Part.PROBABILITY,
        Part.MEASUREMENTS,
        Part.SOURCE,
    }

    def recognises(self, path: Path) -> bool:
        """True for a DICOM file of a segmentation."""
        return is_dicom_of(path, _KINDS)

    def read(
        self, path: Path, context: ReadingContext, report: ExchangeReport
    ) -> Iterator[Annotation]:
        """One annotation per connected region of a segment.

        Raises:
            MissingFileError: Nothing lies there.
            AnnotationError: It is no such file, is damaged, is no segmentation of a slide, or is
                about another slide; or the slide was not tiled.
            OntologyError: A class is unknown.
            MissingDependencyError: highdicom is not installed.
        """
        dataset = read_dicom(path, _KINDS, self.title)
        with dicom_fails(path):
            from highdicom.seg import Segmentation

            file = Segmentation.from_dataset(dataset, copy=False)
        raster = _Raster.of(path, file, context)
        reader = FeatureReader(context, report, stated_placement(context))
        for segments in _batches(raster.segments):
            yield from reader.annotations(_features(raster, segments, report))

    def write(
        self,
        path: Path,
        annotations: Iterable[Annotation],
        context: WritingContext,
        report: ExchangeReport,
    ) -> int:
        """Write annotations as a raster and count those that leave a trace.

        Raises:
            AnnotationError: None does: DICOM knows no file without; or the slide was not tiled.
            OntologyError: The ontology lacks a class.
            MissingFileError: The folder does not exist.
            StorageError: A folder lies there.
            MissingDependencyError: highdicom is not installed.
        """
        need_highdicom()
        frame = known_frame(context.frame, "a raster")
        grid = raster_grid(frame, context.corner, context.mpp)
        paints = paintable(annotations, context.placement(), grid, report)
        if not paints:
            raise AnnotationError(
                "no annotation leaves a trace on the raster",
                where=path.name,
                allowed="one or more: DICOM asks for it",
            )
        for paint in paints:
            report_losses(paint.annotation, self.cannot_carry, report)
        scale = grid.downsample_x * frame.mpp.mean
        report.note(f"outlines follow the edges of pixels of {scale:.4g} µm (--mpp chooses others)")
        _write(path, paints, grid, context)
        return len(paints)


FORMAT = DicomSeg()


def _write(path: Path, paints: Sequence[Paint], grid: Grid, context: WritingContext) -> None:
    slide = dicom_slide(context)
    segments: dict[Segment, list[Paint]] = defaultdict(list)
    for paint in paints:
        segments[Segment.of(paint, context)].append(paint)
    known = sorted(segments)
    descriptions = [s.description(n, context) for n, s in enumerate(known, start=1)]
    with new_file(path) as target, tempfile.TemporaryFile(dir=path.parent) as bits:
        frames, digest = write_frames(bits, [segments[s] for s in known], grid)
        file = seg_dataset(slide, grid, descriptions, frames, digest, context)
        bits.seek(0)
        file.add_new("PixelData", "OB", bits)
        file.save_as(target)


@dataclass(frozen=True)
class _Segment:
    """A segment of a file: its number, and the class that it says."""

    number: int
    class_name: str


@dataclass(frozen=True)
class _Raster:
    """A segmentation as a raster over the slide.

    Args:
        path: The file.
        file: Its content.
        grid: Its total pixel matrix.
        segments: In the order of the file.
        blocks: Top and left of the blocks that have frames, in pixels of the raster.
        is_probability: Whether values between 0 and 1 are probabilities.
    """

    path: Path
    file: Segmentation
    grid: Grid
    segments: tuple[_Segment, ...]
    blocks: tuple[tuple[int, int], ...]
    is_probability: bool

    @classmethod
    def of(cls, path: Path, file: Segmentation, context: ReadingContext) -> _Raster:
        """Check that a file is about the slide, and find its grid.

        Raises:
            AnnotationError: It is not, or is no raster of a slide, or the slide was not tiled.
        """
        with dicom_fails(path):
            is_slide = bool(file.is_tiled)
            container = str(file.get("ContainerIdentifier", ""))
        if not is_slide:
            raise AnnotationError("the segmentation is not of a slide", where=path.name)
        refuse_other_slide(container, context, path.name)
        with dicom_fails(path):
            size = Size(int(file.TotalPixelMatrixColumns), int(file.TotalPixelMatrixRows))
            measures = file.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
            mm_y, mm_x = map(float, measures.PixelSpacing)
            # In label maps number 0 is what lies in no segment.
            numbers = [number for number in file.segment_numbers if number]
            named = tuple(_segment(file, number, context) for number in numbers)
            blocks = _blocks(file, size)
            kind = str(file.get("SegmentationFractionalType", ""))
        frame = known_frame(context.frame, "a raster")
        if context.source is not None:
            DicomSlide.of_file(context.slide_id, context.source, frame)
        corner = context.corner or Corner.CANVAS
        grid = grid_in_file(frame, corner, size, Mpp(mm_x * 1e3, mm_y * 1e3), where=path.name)
        return cls(path, file, grid, named, blocks, kind == "PROBABILITY")

    def block(
        self, row: int, column: int, segments: Sequence[_Segment]
    ) -> NDArray[np.float32] | NDArray[np.uint8]:
        """A block of the raster, ``(height, width, segments)``: 0 or 1, or between.

        Raises:
            AnnotationError: The file is damaged.
        """
        size = self.grid.size_px
        with dicom_fails(self.path):
            found: Any = self.file.get_total_pixel_matrix(
                row_start=row,
                row_end=min(row + _BLOCK_PX, size.height),
                column_start=column,
                column_end=min(column + _BLOCK_PX, size.width),
                segment_numbers=[segment.number for segment in segments],
                as_indices=True,
            )
        return np.asarray(found)


def _segment(file: Segmentation, number: int, context: ReadingContext) -> _Segment:
    about = file.get_segment_description(number)
    said = codes.class_name(about.segmented_property_type, about.segment_label, context)
    return _Segment(number, said)


def _blocks(file: Segmentation, size: Size) -> tuple[tuple[int, int], ...]:
    """Blocks that a frame touches: of a large slide, few."""
    frames = file.get("PerFrameFunctionalGroupsSequence")
    if frames is None:  # all are there, row by row
        tops, lefts = range(0, size.height, _BLOCK_PX), range(0, size.width, _BLOCK_PX)
        return tuple((top, left) for top in tops for left in lefts)
    found = set()
    for frame in frames:
        position = frame.PlanePositionSlideSequence[0]
        top = int(position.RowPositionInTotalImagePixelMatrix) - 1
        left = int(position.ColumnPositionInTotalImagePixelMatrix) - 1
        tops = range(top // _BLOCK_PX, (top + file.Rows - 1) // _BLOCK_PX + 1)
        lefts = range(left // _BLOCK_PX, (left + file.Columns - 1) // _BLOCK_PX + 1)
        found |= {(row * _BLOCK_PX, column * _BLOCK_PX) for row in tops for column in lefts}
    return tuple(sorted((r, c) for r, c in found if 0 <= r < size.height and 0 <= c < size.width))


def _batches(segments: Sequence[_Segment]) -> Iterator[Sequence[_Segment]]:
    for start in range(0, len(segments), _SEGMENTS_AT_ONCE):
        yield segments[start : start + _SEGMENTS_AT_ONCE]


def _features(
    raster: _Raster, segments: Sequence[_Segment], report: ExchangeReport
) -> Iterator[Feature]:
    blocks: dict[_Segment, list[BlockOutlines]] = defaultdict(list)
    graded = False
    written, size = set(raster.blocks), raster.grid.size_px
    for frame in frames_of((size.height, size.width), _BLOCK_PX):
        if (frame.y, frame.x) not in written:
            nothing = outline_block(
                PixelRegions.nowhere(frame.size), frame, weights=np.empty((1, 0, 0))
            )
            for segment in segments:
                blocks[segment].append(nothing)
            continue
        block = raster.block(frame.y, frame.x, segments)
        graded = graded or (block.dtype.kind == "f" and bool(((block > 0) & (block < 1)).any()))
        for segment, plane in zip(segments, np.moveaxis(block, -1, 0), strict=True):
            blocks[segment].append(_outlined(plane, frame))
    if graded:
        report.lose(
            "how much of each pixel a segment holds: outlines are where it is half",
            raster.path.name,
        )
    affine = raster.grid.affine_to_level_0()
    for segment in segments:
        for number, (outline, share) in enumerate(_healed(blocks[segment]), start=1):
            yield Feature(
                f"{raster.path.name} segment {segment.number} region {number}",
                to_level_0(outline, affine),
                segment.class_name,
                confidence=share if graded and raster.is_probability else None,
            )


def _healed(blocks: Sequence[BlockOutlines]) -> Iterator[tuple[Polygon, float]]:
    """The regions of a segment, and the mean of its values over each."""
    for row in heal_seams(blocks):
        share = (row.ended.sums.weight[:, 0] / row.ended.sums.area_px).clip(max=1.0)
        yield from zip(row.ended.outline, share.tolist(), strict=True)


def _outlined(plane: NDArray[Any], frame: Frame) -> BlockOutlines:
    regions = find_regions(plane >= _HALF, (0,))
    return outline_block(regions, frame, weights=plane.astype(np.float32)[None])
