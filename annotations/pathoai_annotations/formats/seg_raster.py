"""A DICOM segmentation of a slide, open for reading: a raster that is read block by block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import AnnotationError
from pathoai.geometry import Grid, Mpp, Size
from pathoai_annotations.formats import dicom_codes as codes
from pathoai_annotations.formats.annotation_format import ReadingContext
from pathoai_annotations.formats.dicom_slide import DicomSlide, dicom_fails, read_dicom
from pathoai_annotations.formats.raster_grid import grid_in_file
from pathoai_annotations.formats.same_slide import refuse_other_slide
from pathoai_annotations.formats.seg_frames import SEGMENTATION
from pathoai_annotations.slide_frame import Corner, known_frame

if TYPE_CHECKING:  # an extra: named for its types alone
    from highdicom.seg import Segmentation

_LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
SEG_KINDS = frozenset({SEGMENTATION, _LABEL_MAP})
"""SOP classes of segmentations."""
SEG_TITLE = "DICOM segmentation"
BLOCK_PX = 1024


@dataclass(frozen=True)
class RasterSegment:
    """A segment of a file: its number, and the class that it says."""

    number: int
    class_name: str


@dataclass(frozen=True)
class SegRaster:
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
    segments: tuple[RasterSegment, ...]
    blocks: tuple[tuple[int, int], ...]
    is_probability: bool

    @classmethod
    def opened(cls, path: Path, context: ReadingContext) -> SegRaster:
        """Check that a file is about the slide, and find its grid.

        Raises:
            MissingFileError: Nothing lies there.
            AnnotationError: It is no such file, is damaged, is no raster of a slide, or is about
                another slide; or the slide was not tiled.
            MissingDependencyError: highdicom is not installed.
        """
        dataset = read_dicom(path, SEG_KINDS, SEG_TITLE)
        with dicom_fails(path):
            from highdicom.seg import Segmentation

            file = Segmentation.from_dataset(dataset, copy=False)
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
        self, row: int, column: int, segments: Sequence[RasterSegment]
    ) -> NDArray[np.float32] | NDArray[np.uint8]:
        """A block of the raster, ``(height, width, segments)``: 0 or 1, or between.

        Raises:
            AnnotationError: The file is damaged.
        """
        size = self.grid.size_px
        with dicom_fails(self.path):
            found: Any = self.file.get_total_pixel_matrix(
                row_start=row,
                row_end=min(row + BLOCK_PX, size.height),
                column_start=column,
                column_end=min(column + BLOCK_PX, size.width),
                segment_numbers=[segment.number for segment in segments],
                as_indices=True,
            )
        return np.asarray(found)


def _segment(file: Segmentation, number: int, context: ReadingContext) -> RasterSegment:
    about = file.get_segment_description(number)
    said = codes.class_name(about.segmented_property_type, about.segment_label, context)
    return RasterSegment(number, said)


def _blocks(file: Segmentation, size: Size) -> tuple[tuple[int, int], ...]:
    """Blocks that a frame touches: of a large slide, few."""
    frames = file.get("PerFrameFunctionalGroupsSequence")
    if frames is None:  # all are there, row by row
        tops, lefts = range(0, size.height, BLOCK_PX), range(0, size.width, BLOCK_PX)
        return tuple((top, left) for top in tops for left in lefts)
    found = set()
    for frame in frames:
        position = frame.PlanePositionSlideSequence[0]
        top = int(position.RowPositionInTotalImagePixelMatrix) - 1
        left = int(position.ColumnPositionInTotalImagePixelMatrix) - 1
        tops = range(top // BLOCK_PX, (top + file.Rows - 1) // BLOCK_PX + 1)
        lefts = range(left // BLOCK_PX, (left + file.Columns - 1) // BLOCK_PX + 1)
        found |= {(row * BLOCK_PX, column * BLOCK_PX) for row in tops for column in lefts}
    return tuple(sorted((r, c) for r, c in found if 0 <= r < size.height and 0 <= c < size.width))
