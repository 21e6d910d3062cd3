"""Do the DICOM files of a slide say what its outlines say, and nothing of a person?

Needs the extra ``[dicom]``; without it the report of the verification says that they were not read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pathoai.errors import AnnotationError, OntologyError
from pathoai.geometry import Grid
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats import dicom_ann, dicom_seg, dicom_sr
from pathoai_annotations.formats.annotation_format import ReadingContext, WritingContext
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.raster_grid import painted, tile_slices, touched_tiles
from pathoai_annotations.formats.seg_frames import FRAME_PX, segments_of
from pathoai_annotations.formats.seg_raster import BLOCK_PX, SegRaster
from pathoai_annotations.formats.sr_content import sr_content
from pathoai_annotations.package.dicom_strangers import stranger_in
from pathoai_annotations.package.finding import Finding
from pathoai_annotations.package.loss_report import Form
from pathoai_annotations.package.tier import Tier

_NOBODY = "nobody"
_REMEDY = "do not pass the package on; build it again from its study"


@dataclass(frozen=True, slots=True)
class DicomCheck:
    """The check of the DICOM files of one slide.

    Args:
        annotations: Of the slide, as the GeoJSON has them.
        context: How the files were written.
        tier: Of the package.
    """

    annotations: Sequence[Annotation]
    context: WritingContext
    tier: Tier

    def run(self, form: Form, path: Path, where: str) -> Iterator[Finding]:
        """Look through a file, and compare what it says.

        Args:
            form: Which it must be.
            path: The file.
            where: Its name in the bag.
        """
        same = {Form.ANN: self._same_ann, Form.SEG: self._same_seg, Form.SR: self._same_sr}[form]
        try:
            if (found := stranger_in(path, self.annotations, self.context)) is not None:
                yield Finding(f"a DICOM file says more than packages do: {found}", where, _REMEDY)
            if not same(path):
                yield Finding("the DICOM file does not say what the outlines say", where)
        except (AnnotationError, OntologyError):
            yield Finding("the DICOM file cannot be read, or is of another slide", where)

    def _same_ann(self, path: Path) -> bool:
        report = ExchangeReport(Form.ANN)
        # Without the frame: who draws over the edge of a slide has drawn what the GeoJSON says.
        read = dicom_ann.FORMAT.read(path, replace(self._reading, frame=None), report)
        found, wanted = map(_comparable, (read, self.annotations))
        return found == wanted and not report.mended

    def _same_seg(self, path: Path) -> bool:
        told = ExchangeReport(Form.SEG)
        paints, grid = dicom_seg.FORMAT.planned(self.annotations, self.context, told)
        raster, segments = SegRaster.opened(path, self._reading), segments_of(paints, self.context)
        labels = [segment.label for segment in segments]
        if raster.grid != grid or [s.class_name for s in raster.segments] != labels:
            return False
        for said, painted_here in zip(raster.segments, segments.values(), strict=True):
            outlines = [paint.geometry for paint in painted_here]
            wanted = _frames(outlines, grid)
            blocks = {(top // BLOCK_PX, left // BLOCK_PX) for top, left in raster.blocks}
            for row, column in sorted({*wanted, *blocks}):
                found = raster.block(row * BLOCK_PX, column * BLOCK_PX, [said])[..., 0]
                expected = np.zeros_like(found)
                for part, frame in wanted.get((row, column), ()):
                    expected[part] = frame()
                if not np.array_equal(found, expected):
                    return False
        return True

    def _same_sr(self, path: Path) -> bool:
        told = ExchangeReport(Form.SR)
        shows_counts = not self.tier.is_published
        wanted = sr_content(self.annotations, self.context, told, shows_counts=shows_counts)
        return dicom_sr.read_sr(path).same_as(wanted)

    @property
    def _reading(self) -> ReadingContext:
        context = self.context
        return ReadingContext(
            context.slide_id, context.ontology, _NOBODY, trust_metadata=True, frame=context.frame
        )


_Frame = tuple[tuple[slice, slice], Callable[[], NDArray[Any]]]


def _frames(outlines: Sequence[BaseGeometry], grid: Grid) -> dict[tuple[int, int], list[_Frame]]:
    """How to paint the frames of each block that outlines touch, and where in it they lie.

    Frame by frame, as they were written: a pixel whose centre lies on an outline belongs to it or
    not by the last bit of a sum that counts from the corner of what is painted.
    """
    found: dict[tuple[int, int], list[_Frame]] = defaultdict(list)
    for tile, here in touched_tiles(outlines, grid, FRAME_PX):
        rows, columns = tile_slices(tile, grid, FRAME_PX)
        block = (rows.start // BLOCK_PX, columns.start // BLOCK_PX)
        top, left = (corner * BLOCK_PX for corner in block)
        part = (
            slice(rows.start - top, rows.stop - top),
            slice(columns.start - left, columns.stop - left),
        )
        shapes = [(outlines[number], 1) for number in here]
        found[block].append((part, partial(painted, shapes, grid, (rows, columns))))
    return found


def _comparable(annotations: Iterable[Annotation]) -> dict[str, tuple[Annotation, list[float]]]:
    """Annotations by id, outlines as if their rings began at a corner of fixed choice.

    Of measurements the values: DICOM may shorten a name, and no name is there that is not known.
    """
    return {
        str(a.id): (
            replace(a, geometry=shapely.normalize(a.geometry), measurements={}),
            sorted(a.measurements.values()),
        )
        for a in annotations
    }
