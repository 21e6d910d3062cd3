"""DICOM Microscopy Bulk Simple Annotations (PS3.3 A.87): outlines of a slide in few objects.

Annotations of one class, kind of graphic and maker are one group. Coordinates are level-0 pixels of
the total pixel matrix, in double precision, counted from the top left corner of its first pixel, as
pathoai counts. What the standard has no place for lies in a private element of each group
(:mod:`~pathoai_annotations.formats.ann_group`), so that nothing is lost between two studies;
programs that do not know it see class, outline, maker and measurements.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from pathoai.errors import AnnotationError
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats.ann_graphics import ELLIPSE, outline_of
from pathoai_annotations.formats.ann_group import GroupContent, read_group, written_groups
from pathoai_annotations.formats.annotation_format import ReadingContext, WritingContext
from pathoai_annotations.formats.dicom_slide import (
    DicomSlide,
    dicom_fails,
    equipment,
    forget_local_time,
    is_dicom_of,
    made_uid,
    need_highdicom,
    read_dicom,
)
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.feature import Feature, FeatureReader, naming
from pathoai_annotations.formats.new_file import new_file
from pathoai_annotations.formats.part import Part, parts_of
from pathoai_annotations.formats.same_slide import refuse_other_slide, stated_placement
from pathoai_annotations.slide_frame import Placement, known_frame

if TYPE_CHECKING:  # an extra: named for its types alone
    from highdicom.ann import MicroscopyBulkSimpleAnnotations

_BULK_ANNOTATIONS = frozenset({"1.2.840.10008.5.1.4.1.1.91.1"})
_ON_GLASS = "3D"


class DicomAnn:
    """The format ``dicom-ann``."""

    title = "DICOM bulk annotations"
    suffixes: tuple[str, ...] = (".ann.dcm", ".dcm")
    reads = writes = True
    takes = frozenset({"source"})
    cannot_carry: frozenset[Part] = frozenset()

    def recognises(self, path: Path) -> bool:
        """True for a DICOM file of bulk annotations."""
        return is_dicom_of(path, _BULK_ANNOTATIONS)

    def read(
        self, path: Path, context: ReadingContext, report: ExchangeReport
    ) -> Iterator[Annotation]:
        """Annotations of a file, in pixels or in millimetres on the glass.

        Raises:
            MissingFileError: Nothing lies there.
            AnnotationError: It is no such file, is damaged, is about another slide, or counts in
                millimetres and the context has no image of the slide.
            OntologyError: A class is unknown.
            MissingDependencyError: highdicom is not installed.
        """
        dataset = read_dicom(path, _BULK_ANNOTATIONS, self.title)
        with dicom_fails(path):
            from highdicom.ann import MicroscopyBulkSimpleAnnotations

            file = MicroscopyBulkSimpleAnnotations.from_dataset(dataset, copy=False)
        frame = _Frame(path, file, context)
        if frame.is_unseen:
            report.note(
                "the image that the file refers to is not at hand: its coordinates were taken as "
                "level-0 pixels; name a DICOM file of the slide with --source to be sure"
            )
        reader = FeatureReader(context, report, frame.placement)
        for number, one in enumerate(file.AnnotationGroupSequence, start=1):
            where = f"{path.name} group {number}"
            with naming(where):
                group = read_group(path, one, frame.coordinate_type, context)
                if group.kind == ELLIPSE:
                    report.lose("ellipses, which become polygons", where, times=len(group.graphics))
                features = list(_features(group, frame, where))
            yield from reader.annotations(features)

    def write(
        self,
        path: Path,
        annotations: Iterable[Annotation],
        context: WritingContext,
        report: ExchangeReport,
    ) -> int:
        """Write annotations and count them.

        Raises:
            AnnotationError: There is none: DICOM knows no file without; or the slide was not tiled.
            OntologyError: The ontology lacks a class.
            MissingFileError: The folder does not exist.
            StorageError: A folder lies there.
            MissingDependencyError: highdicom is not installed.
        """
        need_highdicom()
        chosen = list(annotations)
        if not chosen:
            raise AnnotationError(
                "no annotation to write", where=path.name, allowed="one or more: DICOM asks for it"
            )
        note_shapes(chosen, report)
        with new_file(path) as target:
            _dataset(chosen, context).save_as(target)
        return len(chosen)


FORMAT = DicomAnn()


def note_shapes(annotations: Iterable[Annotation], report: ExchangeReport) -> None:
    """Tell how other programs see outlines of several rings."""
    parts = frozenset[Part]().union(*map(parts_of, annotations))
    if Part.HOLES in parts:
        report.note(
            "a hole is joined to its outline by a line: area and filling are kept, and some "
            "programs show the line"
        )
    if Part.SEVERAL in parts:
        report.note("the parts of an outline are annotations of their own to other programs")


def _dataset(
    annotations: list[Annotation], context: WritingContext
) -> MicroscopyBulkSimpleAnnotations:
    from highdicom.ann import MicroscopyBulkSimpleAnnotations

    slide, now = dicom_slide(context), context.time
    content, groups = written_groups(annotations, context)
    stamp = now.strftime("%Y%m%d%H%M%S%f")
    file = MicroscopyBulkSimpleAnnotations(
        source_images=[slide.image()],
        annotation_coordinate_type="2D",
        annotation_groups=groups,
        series_instance_uid=made_uid(context.slide_id, "ann series"),
        series_number=1,
        sop_instance_uid=made_uid(context.slide_id, "ann", content, stamp),
        instance_number=1,
        content_label="ANNOTATIONS",
        content_date=now.date(),
        content_time=now.time(),
        specific_character_set="ISO_IR 192",
        **equipment(),
    )
    forget_local_time(file)
    return file


def dicom_slide(context: WritingContext) -> DicomSlide:
    """The image that objects of a slide refer to.

    Raises:
        AnnotationError: The slide was not tiled yet, or the source is another slide.
    """
    frame = known_frame(context.frame, "DICOM")
    if context.source is not None:
        return DicomSlide.of_file(context.slide_id, context.source, frame)
    return DicomSlide.of_code(context.slide_id, frame)


class _Frame:
    """How a file's coordinates lie on the slide.

    Args:
        path: The file.
        file: Its content.
        context: The slide, and an image of it where the user names one.

    Raises:
        AnnotationError: It is about another slide, or its frame cannot be known.
    """

    def __init__(self, path: Path, file: Any, context: ReadingContext) -> None:  # noqa: ANN401 - pydicom's own
        with dicom_fails(path):
            self.coordinate_type = str(file.AnnotationCoordinateType)
            origin = str(file.get("PixelOriginInterpretation", "VOLUME"))
            container = str(file.get("ContainerIdentifier", ""))
            images = [
                str(r.ReferencedSOPInstanceUID) for r in file.get("ReferencedImageSequence", [])
            ]
        refuse_other_slide(container, context, path.name)
        if self.coordinate_type != _ON_GLASS and origin != "VOLUME":
            raise AnnotationError(
                "coordinates count from single frames",
                where=path.name,
                found=origin,
                allowed="VOLUME: from the whole image",
            )
        self.slide = None
        if context.source is not None:
            self.slide = DicomSlide.of_file(context.slide_id, context.source, context.frame)
        if self.coordinate_type == _ON_GLASS and not (self.slide and self.slide.is_placed):
            raise AnnotationError(
                "coordinates are millimetres on the glass, and only the image says where it lies",
                where=path.name,
                remedy="name a DICOM file of the slide, with an origin, with --source",
            )
        made = DicomSlide.uid_of_code(context.slide_id)
        self.is_unseen = self.slide is None and images[:1] != [made]
        self.placement = self._placement(path, images, context)

    def _placement(self, path: Path, images: list[str], context: ReadingContext) -> Placement:
        if self.slide is None:
            return stated_placement(context)
        known = {self.slide.uids["SOPInstanceUID"]: (1.0, 1.0)} | dict(self.slide.coarser)
        if images and images[0] not in known:
            raise AnnotationError(
                "the file is about another slide",
                where=path.name,
                found=f"image {images[0]}",
                allowed="an image of --source",
                remedy="name a DICOM file of the slide that it is about",
            )
        on_pixels = self.coordinate_type != _ON_GLASS and bool(images)
        return Placement(known[images[0]]) if on_pixels else Placement()

    def outline(self, geometry: BaseGeometry) -> BaseGeometry:
        """An outline in pixels, from one in what the file counts in."""
        if self.coordinate_type != _ON_GLASS or self.slide is None:
            return geometry
        return shapely.transform(geometry, self.slide.from_glass)


def _features(group: GroupContent, frame: _Frame, where: str) -> Iterator[Feature]:
    """One feature per annotation: graphics of one id are its parts."""
    start = 0
    for stop in range(1, len(group.graphics) + 1):
        if stop < len(group.graphics) and group.same_annotation(start, stop):
            continue
        parts = [
            outline_of(group.kind, _flat(group.graphics[i]), group.holes(i))
            for i in range(start, stop)
        ]
        yield Feature(
            f"{where} annotation {start + 1}",
            frame.outline(_joined(parts)),
            group.class_name,
            group.identity(start),
            group.confidence(start),
            group.measurements(start),
            group.metadata(start),
        )
        start = stop


def _flat(points: np.ndarray[Any, np.dtype[Any]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.asarray(points[:, :2], np.float64)


def _joined(parts: list[BaseGeometry]) -> BaseGeometry:
    if len(parts) == 1:
        return parts[0]
    kind = shapely.MultiPoint if parts[0].geom_type == "Point" else shapely.MultiPolygon
    return kind(parts)
