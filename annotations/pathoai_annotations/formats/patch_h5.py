"""Patch coordinates in HDF5, as CLAM and TRIDENT have them: annotations that are squares.

Ids, classes and probabilities lie in data sets beside ``coords``, which those programs pass over.
The tiles of a store leave by ``pathoai store export --to patches-h5``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from pathoai.errors import AnnotationError, InvalidValueError
from pathoai.geometry import Size
from pathoai.privacy.shown import shown
from pathoai.tiling.patch_coordinates import (
    PatchCoordinates,
    has_patch_coordinates,
    read_patch_coordinates,
    write_patch_coordinates,
)
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats.annotation_format import ReadingContext, WritingContext
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.feature import Feature, FeatureReader
from pathoai_annotations.formats.part import JUDGEMENT, Part, report_losses, shape_of
from pathoai_annotations.formats.same_slide import (
    refuse_other_size,
    refuse_other_slide,
    stated_placement,
)
from pathoai_annotations.formats.text_file import check_file
from pathoai_annotations.slide_frame import Corner

_ID, _CLASS, _PROBABILITY = "id", "class", "probability"
_LARGEST_ROUNDING = 0.01


class PatchH5:
    """The format ``patch-h5``."""

    title = "TRIDENT and CLAM patch coordinates"
    suffixes: tuple[str, ...] = (".h5", ".hdf5")
    reads = writes = True
    cannot_carry = JUDGEMENT | {
        Part.POINTS,
        Part.LINES,
        Part.SEVERAL,
        Part.HOLES,
        Part.SOURCE,
        Part.MEASUREMENTS,
    }

    def recognises(self, path: Path) -> bool:
        """True for an HDF5 file with a data set ``coords``."""
        return has_patch_coordinates(path)

    def read(
        self, path: Path, context: ReadingContext, report: ExchangeReport
    ) -> Iterator[Annotation]:
        """One square per patch.

        Raises:
            MissingFileError: Nothing lies there.
            AnnotationError: It is no such file, is about another slide, or a patch lies off the
                slide.
            OntologyError: A class is unknown, or there is none and the context names none.
            MissingDependencyError: h5py is not installed.
        """
        check_file(path, self.title)
        try:
            patches = read_patch_coordinates(path)
        except InvalidValueError as error:
            raise AnnotationError(
                error.what,
                where=error.where or path.name,
                found=error.found,
                allowed=error.allowed,
            ) from error
        refuse_other_slide(patches.name, context, path.name)
        if patches.slide_size is not None:
            corner = context.corner or Corner.CANVAS
            refuse_other_size(patches.slide_size, corner, context, path.name)
        for name in patches.columns.keys() - {_ID, _CLASS, _PROBABILITY}:
            report.lose(f"the column {shown(name)}", path.name)
        reader = FeatureReader(context, report, stated_placement(context))
        return _annotations(path, patches, reader)

    def write(
        self,
        path: Path,
        annotations: Iterable[Annotation],
        context: WritingContext,
        report: ExchangeReport,
    ) -> int:
        """Write the squares of the commonest size, and report all other outlines.

        Raises:
            AnnotationError: None is a square.
            MissingDependencyError: h5py is not installed.
            MissingFileError: The folder does not exist.
        """
        squares = []
        for annotation in annotations:
            side = _side(annotation.geometry)
            if side is None:
                report.lose(shape_of(annotation.geometry), str(annotation.id))
            else:
                squares.append((annotation, side))
        if not squares:
            raise AnnotationError(
                "no annotation is a square",
                where=path.name,
                allowed="squares along the axes, of one size",
                remedy="choose a format that holds outlines",
            )
        (side, _), *_ = Counter(side for _, side in squares).most_common(1)
        chosen = [annotation for annotation, own in squares if own == side]
        for annotation, own in squares:
            if own != side:
                report.lose(Part.AREAS, str(annotation.id))
        for annotation in chosen:
            report_losses(annotation, self.cannot_carry, report)
        write_patch_coordinates(path, _patches(chosen, side, context, report))
        return len(chosen)


FORMAT = PatchH5()


def _side(geometry: BaseGeometry) -> int | None:
    """Side of a square along the axes, to the next pixel; None for any other outline."""
    x0, y0, x1, y1 = geometry.bounds
    side = round(x1 - x0)
    is_square = max(abs(x1 - x0 - side), abs(y1 - y0 - side)) < _LARGEST_ROUNDING
    filled = geometry.area >= (1 - 1e-6) * (x1 - x0) * (y1 - y0)
    return side if geometry.geom_type == "Polygon" and is_square and filled and side else None


def _patches(
    squares: list[Annotation], side: int, context: WritingContext, report: ExchangeReport
) -> PatchCoordinates:
    placement = context.placement()
    corners = np.array([placement.from_level_0(a.geometry).bounds[:2] for a in squares])
    origins = np.rint(corners)
    moved = np.abs(corners - origins).max(axis=1) > _LARGEST_ROUNDING
    for annotation in np.array(squares, object)[moved]:
        report.lose(Part.AREAS, str(annotation.id))
    probability = [np.nan if a.confidence is None else a.confidence for a in squares]
    frame = context.frame
    part = None if frame is None else frame.part(context.corner)
    return PatchCoordinates(
        origins.astype(np.int64),
        side,
        side,
        name=context.slide_name,
        slide_size=None if part is None else Size(round(part.width), round(part.height)),
        slide_mpp=None if frame is None else frame.mpp,
        columns={
            _ID: np.array([str(a.id) for a in squares], object),
            _CLASS: np.array([context.ontology[a.label].key for a in squares], object),
            _PROBABILITY: np.array(probability, np.float64),
        },
    )


def _annotations(
    path: Path, patches: PatchCoordinates, reader: FeatureReader
) -> Iterator[Annotation]:
    corners = patches.origins.astype(np.float64)
    outlines = shapely.box(*corners.T, *(corners + patches.side).T)
    for number, outline in enumerate(outlines):
        stated = {name: column[number] for name, column in patches.columns.items()}
        found = Feature(
            f"{path.name} patch {number + 1}",
            outline,
            str(stated.get(_CLASS, "")),
            str(stated.get(_ID, "")),
            _probability(stated.get(_PROBABILITY)),
        )
        if (annotation := reader.annotation(found)) is not None:
            yield annotation


def _probability(stated: Any) -> float | None:  # noqa: ANN401 - whatever the file holds
    is_number = isinstance(stated, np.floating) and not np.isnan(stated)
    return float(stated) if is_number else None
