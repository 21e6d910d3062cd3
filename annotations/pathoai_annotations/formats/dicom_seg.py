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
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from shapely import Polygon

from pathoai.errors import AnnotationError
from pathoai.geometry import Grid
from pathoai.vector.block_outlines import (
    BlockOutlines,
    Frame,
    frames_of,
    outline_block,
    outline_nothing,
)
from pathoai.vector.healed_seams import heal_seams
from pathoai.vector.pixel_regions import find_regions
from pathoai.vector.polygonise import to_level_0
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats.annotation_format import ReadingContext, WritingContext
from pathoai_annotations.formats.dicom_ann import dicom_slide
from pathoai_annotations.formats.dicom_slide import is_dicom_of, need_highdicom
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.feature import Feature, FeatureReader
from pathoai_annotations.formats.new_file import new_file
from pathoai_annotations.formats.part import JUDGEMENT, Part, report_losses
from pathoai_annotations.formats.raster_grid import Paint, paintable, raster_grid
from pathoai_annotations.formats.same_slide import stated_placement
from pathoai_annotations.formats.seg_frames import seg_dataset, segments_of, write_frames
from pathoai_annotations.formats.seg_raster import (
    BLOCK_PX,
    SEG_KINDS,
    SEG_TITLE,
    RasterSegment,
    SegRaster,
)
from pathoai_annotations.slide_frame import known_frame

_SEGMENTS_AT_ONCE = 8
"""A block of so many segments is held at once: 8 MB, however many the file has."""
_HALF = 0.5


class DicomSeg:
    """The format ``dicom-seg``."""

    title = SEG_TITLE
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
        return is_dicom_of(path, SEG_KINDS)

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
        raster = SegRaster.opened(path, context)
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
        paints, grid = self.planned(annotations, context, report)
        if not paints:
            raise AnnotationError(
                "no annotation leaves a trace on the raster",
                where=path.name,
                allowed="one or more: DICOM asks for it",
            )
        _write(path, paints, grid, context)
        return len(paints)

    def planned(
        self, annotations: Iterable[Annotation], context: WritingContext, report: ExchangeReport
    ) -> tuple[list[Paint], Grid]:
        """What a file of annotations holds, and on which grid; the report is told of the rest.

        Raises:
            AnnotationError: The slide was not tiled.
        """
        frame = known_frame(context.frame, "a raster")
        grid = raster_grid(frame, context.corner, context.mpp)
        paints = paintable(annotations, context.placement(), grid, report)
        for paint in paints:
            report_losses(paint.annotation, self.cannot_carry, report)
        scale = grid.downsample_x * frame.mpp.mean
        report.note(f"outlines follow the edges of pixels of {scale:.4g} µm (--mpp chooses others)")
        return paints, grid


FORMAT = DicomSeg()


def _write(path: Path, paints: Sequence[Paint], grid: Grid, context: WritingContext) -> None:
    slide, segments = dicom_slide(context), segments_of(paints, context)
    descriptions = [s.description(n, context) for n, s in enumerate(segments, start=1)]
    with new_file(path) as target, tempfile.TemporaryFile(dir=path.parent) as bits:
        frames, digest = write_frames(bits, list(segments.values()), grid)
        file = seg_dataset(slide, grid, descriptions, frames, digest, context)
        bits.seek(0)
        file.add_new("PixelData", "OB", bits)
        file.save_as(target)


def _batches(segments: Sequence[RasterSegment]) -> Iterator[Sequence[RasterSegment]]:
    for start in range(0, len(segments), _SEGMENTS_AT_ONCE):
        yield segments[start : start + _SEGMENTS_AT_ONCE]


def _features(
    raster: SegRaster, segments: Sequence[RasterSegment], report: ExchangeReport
) -> Iterator[Feature]:
    blocks: dict[RasterSegment, list[BlockOutlines]] = defaultdict(list)
    graded = False
    written, size = set(raster.blocks), raster.grid.size_px
    for frame in frames_of((size.height, size.width), BLOCK_PX):
        if (frame.y, frame.x) not in written:
            nothing = outline_nothing(frame, channels=1)
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
    inside = plane >= _HALF
    if not inside.any():
        return outline_nothing(frame, channels=1)
    regions = find_regions(inside, (0,))
    return outline_block(regions, frame, weights=plane.astype(np.float32)[None])
