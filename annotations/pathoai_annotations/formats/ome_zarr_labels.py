"""OME-Zarr 0.5 labels (https://ngff.openmicroscopy.org/0.5/): a class map, and numbers beside it.

Written is a label of one byte per pixel whose values are the ontology's classes, 255 where nothing
was outlined; its group ``instance`` numbers the annotations, and says of each number, as
``properties``, which annotation it is (:mod:`~pathoai_annotations.formats.ome_zarr_writing`). Where
outlines overlap, the smaller lies on top. Read are labels of NGFF 0.4 and 0.5, those of pathoai's
stores among them; see :mod:`~pathoai_annotations.formats.ngff_label`.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path

from pathoai.errors import InvalidValueError, MissingFileError, StorageError
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats.annotation_format import ReadingContext, WritingContext
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.feature import FeatureReader
from pathoai_annotations.formats.part import Part
from pathoai_annotations.formats.raster_grid import Paint, paintable, raster_grid
from pathoai_annotations.formats.same_slide import stated_placement
from pathoai_annotations.slide_frame import known_frame


class OmeZarrLabels:
    """The format ``ome-zarr-labels``."""

    title = "OME-Zarr labels"
    suffixes: tuple[str, ...] = (".ome.zarr", ".zarr")
    reads = writes = True
    takes = frozenset({"mpp"})
    cannot_carry: frozenset[Part] = frozenset({Part.POINTS, Part.LINES})

    def recognises(self, path: Path) -> bool:
        """True for a folder of an OME-Zarr label, or of an image with labels."""
        from pathoai_annotations.formats.ngff_label import is_label

        return is_label(path)

    def read(
        self, path: Path, context: ReadingContext, report: ExchangeReport
    ) -> Iterator[Annotation]:
        """One annotation per number where objects are numbered, else per connected region.

        Raises:
            MissingFileError: Nothing lies there.
            AnnotationError: It is no OME-Zarr label, is damaged, has several labels, is about
                another slide, or the slide was not tiled.
            OntologyError: A class is unknown.
        """
        from pathoai_annotations.formats.ngff_label import NgffLabel, label_features

        label = NgffLabel.opened(path, context)
        reader = FeatureReader(context, report, stated_placement(context, label.corner))
        yield from reader.annotations(label_features(label, context))

    def write(
        self,
        path: Path,
        annotations: Iterable[Annotation],
        context: WritingContext,
        report: ExchangeReport,
    ) -> int:
        """Write annotations as a new folder and count those that leave a trace.

        Raises:
            AnnotationError: The slide was not tiled.
            OntologyError: The ontology lacks a class.
            MissingFileError: The folder around it does not exist.
            StorageError: Something lies there already: a folder is not replaced.
        """
        from pathoai.store.new_target import new_target
        from pathoai_annotations.formats.ome_zarr_writing import write_label

        frame = known_frame(context.frame, "a raster")
        grid = raster_grid(frame, context.corner, context.mpp)
        paints = paintable(annotations, context.placement(), grid, report)
        if not path.parent.is_dir():
            raise MissingFileError("no such folder", where=path.parent.name, remedy="make it first")
        try:
            with new_target(path, outside=None) as target:
                seen = write_label(target, paints, grid, frame, context)
        except InvalidValueError as error:
            raise StorageError(error.what, where=error.where, remedy=error.remedy) from error
        tell_hidden(paints, seen, grid.downsample_x * frame.mpp.mean, report)
        return len(seen)


FORMAT = OmeZarrLabels()


def tell_hidden(
    paints: Sequence[Paint], seen: Container[int], scale: float, report: ExchangeReport
) -> None:
    """Tell which outlines lie wholly below others, and how fine the raster is.

    Args:
        paints: What is painted; the first is number 1.
        seen: Numbers that can be seen.
        scale: µm per pixel.
        report: Told of it.
    """
    for number, paint in enumerate(paints, start=1):
        if number not in seen:
            report.lose(Part.AREAS, str(paint.annotation.id))
    report.note(
        f"outlines follow the edges of pixels of {scale:.4g} µm (--mpp chooses others); where "
        "they overlap, the smaller lies on top"
    )
