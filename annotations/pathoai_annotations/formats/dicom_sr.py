"""DICOM structured reports of a slide (PS3.3 A.35.13, template 1500 of PS3.16), in and out.

For programs that read measurements, not outlines: for each class its area and the number of
annotations, and a region for each of the largest annotations, with class and area. The observer is
the software; no person is named.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats import dicom_codes as codes
from pathoai_annotations.formats.annotation_format import WritingContext
from pathoai_annotations.formats.dicom_slide import (
    WHOLE_SLIDE_IMAGE,
    DicomSlide,
    dicom_fails,
    equipment,
    forget_local_time,
    made_uid,
    need_highdicom,
    read_dicom,
)
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.new_file import new_file
from pathoai_annotations.formats.sr_content import Code, SrClass, SrContent, SrOutline, sr_content
from pathoai_annotations.slide_frame import known_frame

if TYPE_CHECKING:  # an extra: named for its types alone
    from highdicom.sr import (
        CodedConcept,
        Measurement,
        MeasurementReport,
        MeasurementsAndQualitativeEvaluations,
        PlanarROIMeasurementsAndQualitativeEvaluations,
    )

SR_KINDS = frozenset({"1.2.840.10008.5.1.4.1.1.88.34"})
_TITLE = "DICOM structured report"
_AREA = ("42798000", "SCT", "Area")
_TOTAL = ("255619001", "SCT", "Total")
_COUNT = ("annotations", codes.OWN_SCHEME, "Number of annotations")
_MICROSCOPY = ("104157003", "SCT", "Light microscopy procedure")
_UM2 = ("um2", "UCUM", "square micrometer")
_MM2 = ("mm2", "UCUM", "square millimeter")
_ONE = ("1", "UCUM", "no units")
_MEASUREMENTS, _GROUP = ("DCM", "126010"), ("DCM", "125007")
_FINDING, _TRACKING = ("DCM", "121071"), ("DCM", "112039")


def write_sr(
    path: Path,
    annotations: Iterable[Annotation],
    context: WritingContext,
    report: ExchangeReport,
    *,
    shows_counts: bool = True,
) -> None:
    """Write a report of the annotations of a slide.

    Args:
        path: The file; an old one stays until the new one is whole.
        annotations: Of one slide.
        context: The slide and the classes.
        report: Told of what a report cannot hold.
        shows_counts: Whether it says how many annotations each class has.

    Raises:
        AnnotationError: The slide was not tiled, or there is no annotation.
        OntologyError: The ontology lacks a class.
        MissingFileError: The folder does not exist.
        StorageError: A folder lies there.
        MissingDependencyError: highdicom is not installed.
    """
    need_highdicom()
    content = sr_content(annotations, context, report, shows_counts=shows_counts)
    slide = DicomSlide.of_code(context.slide_id, known_frame(context.frame, "DICOM"))
    with new_file(path) as target:
        _document(content, slide, context).save_as(target)


def _document(content: SrContent, slide: DicomSlide, context: WritingContext) -> Any:  # noqa: ANN401 - pydicom's own
    from highdicom.sr import Comprehensive3DSR

    now, image = context.time, slide.image()
    stamp = now.strftime("%Y%m%d%H%M%S%f")
    file = Comprehensive3DSR(
        evidence=[image],
        content=_report(content, slide, context),
        series_instance_uid=made_uid(slide.slide_id, "sr series"),
        series_number=3,
        sop_instance_uid=made_uid(slide.slide_id, "sr", content.digest, stamp),
        instance_number=1,
        is_complete=True,
        is_final=True,
        specific_character_set="ISO_IR 192",
        content_date=now.date(),
        content_time=now.time(),
        **equipment(),
    )
    forget_local_time(file)
    return file


def _report(content: SrContent, slide: DicomSlide, context: WritingContext) -> MeasurementReport:
    from highdicom.sr import (
        CodedConcept,
        DeviceObserverIdentifyingAttributes,
        MeasurementReport,
        ObservationContext,
        ObserverContext,
    )

    observer = ObserverContext(
        CodedConcept("121007", "DCM", "Device"),
        DeviceObserverIdentifyingAttributes(made_uid("observer"), "pathoai", "pathoai"),
    )
    concepts = {
        (coding.scheme, coding.code): (
            codes.class_concept(label),
            codes.class_category(label, context.ontology),
        )
        for label in context.ontology.classes
        for coding in (codes.class_coding(label),)
    }
    return MeasurementReport(
        ObservationContext(observer_device_context=observer),
        CodedConcept(*_MICROSCOPY),
        [
            *(_of_class(one, slide, *concepts[one.code]) for one in content.classes),
            *(
                _region(number, one, slide, *concepts[one.code])
                for number, one in enumerate(content.outlines)
            ),
        ],
    )


def _of_class(
    one: SrClass, slide: DicomSlide, finding: CodedConcept, category: CodedConcept
) -> MeasurementsAndQualitativeEvaluations:
    from highdicom.sr import (
        CodedConcept,
        MeasurementsAndQualitativeEvaluations,
        SourceImageForMeasurementGroup,
        TrackingIdentifier,
    )

    measurements = [_measurement(_AREA, one.area_mm2, _MM2, derivation=CodedConcept(*_TOTAL))]
    if one.count is not None:
        measurements.append(_measurement(_COUNT, one.count, _ONE))
    name = f"{one.code[0]} {one.code[1]}"
    return MeasurementsAndQualitativeEvaluations(
        TrackingIdentifier(made_uid(slide.slide_id, "class", name), name),
        finding_type=finding,
        finding_category=category,
        measurements=measurements,
        source_images=[
            SourceImageForMeasurementGroup(WHOLE_SLIDE_IMAGE, slide.uids["SOPInstanceUID"])
        ],
    )


def _region(
    number: int, one: SrOutline, slide: DicomSlide, finding: CodedConcept, category: CodedConcept
) -> PlanarROIMeasurementsAndQualitativeEvaluations:
    from highdicom.sr import (
        ImageRegion3D,
        PlanarROIMeasurementsAndQualitativeEvaluations,
        TrackingIdentifier,
    )

    on_glass = np.pad(one.points_mm, ((0, 0), (0, 1)))
    area = one.area_um2
    return PlanarROIMeasurementsAndQualitativeEvaluations(
        TrackingIdentifier(made_uid(slide.slide_id, "region", str(number)), one.identity),
        referenced_region=ImageRegion3D(one.kind, on_glass, slide.uids["FrameOfReferenceUID"]),
        finding_type=finding,
        finding_category=category,
        measurements=[] if area is None else [_measurement(_AREA, area, _UM2)],
    )


def _measurement(
    name: tuple[str, str, str],
    value: float,
    unit: tuple[str, str, str],
    derivation: CodedConcept | None = None,
) -> Measurement:
    from highdicom.sr import CodedConcept, Measurement

    return Measurement(CodedConcept(*name), value, CodedConcept(*unit), derivation=derivation)


def read_sr(path: Path) -> SrContent:
    """What a report says, if pathoai wrote it.

    Raises:
        MissingFileError: Nothing lies there.
        AnnotationError: It is no such file, is damaged, or is a report of another kind.
        MissingDependencyError: pydicom or highdicom is not installed.
    """
    dataset = read_dicom(path, SR_KINDS, _TITLE)
    # Read by hand: highdicom checks each group against its template, 50 ms for each region.
    with dicom_fails(path):
        (measured,) = _items(dataset, _MEASUREMENTS)
        groups = [_Group(one) for one in _items(measured, _GROUP)]
        classes = tuple(group.of_class() for group in groups if group.region is None)
        outlines = tuple(g.outline(g.region) for g in groups if g.region is not None)
    return SrContent(classes, outlines)


class _Group:
    """A measurement group of a report.

    Args:
        item: Its container.
    """

    def __init__(self, item: Any) -> None:  # noqa: ANN401 - pydicom's own
        (finding,), (name,) = _items(item, _FINDING), _items(item, _TRACKING)
        self.code = _code(finding.ConceptCodeSequence[0])
        self.name = str(name.TextValue)
        regions = [one for one in item.ContentSequence if one.ValueType == "SCOORD3D"]
        self.region = regions[0] if regions else None
        self.numbers = {
            _concept(one): float(one.MeasuredValueSequence[0].NumericValue)
            for one in item.ContentSequence
            if one.ValueType == "NUM"
        }

    def of_class(self) -> SrClass:
        count = self.numbers.get(_key(_COUNT))
        return SrClass(self.code, self.numbers[_key(_AREA)], None if count is None else int(count))

    def outline(self, region: Any) -> SrOutline:  # noqa: ANN401 - pydicom's own
        points = np.asarray(region.GraphicData, np.float32).reshape(-1, 3)[:, :2]
        kind, area = str(region.GraphicType), self.numbers.get(_key(_AREA))
        return SrOutline(self.name, self.code, kind, points, area)


def _items(holder: Any, concept: Code) -> list[Any]:  # noqa: ANN401 - pydicom's own
    return [one for one in holder.ContentSequence if _concept(one) == concept]


def _concept(item: Any) -> Code:  # noqa: ANN401 - pydicom's own
    names = item.get("ConceptNameCodeSequence")
    return _code(names[0]) if names else ("", "")


def _code(concept: Any) -> Code:  # noqa: ANN401 - pydicom's own
    # Values of more than 16 signs, as keys of classes may be, have an element of their own.
    value = concept.get("CodeValue") or concept.LongCodeValue
    return str(concept.CodingSchemeDesignator), str(value)


def _key(coded: tuple[str, str, str]) -> Code:
    return coded[1], coded[0]
