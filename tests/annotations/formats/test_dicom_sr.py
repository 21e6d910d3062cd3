"""DICOM structured reports of a slide."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import highdicom as hd
import pydicom
import pytest
from shapely import box

from pathoai.errors import AnnotationError, MissingFileError
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats.annotation_format import WritingContext
from pathoai_annotations.formats.dicom_sr import read_sr, write_sr
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.part import Part
from pathoai_annotations.formats.sr_content import MOST_OUTLINES, sr_content
from tests.annotations.formats.conformance import FRAME, SLIDE, FormatConformance, annotation
from tests.annotations.formats.dicom_files import complaints, missing_attributes
from tests.annotations.formats.machine_words import machine_words_in

CONTEXT = WritingContext(
    SLIDE, FormatConformance.ontology, FRAME, made=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
)


def _samples() -> list[Annotation]:
    return FormatConformance().samples()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of one annotation of each kind."""
    path = tmp_path_factory.mktemp("sr") / "slide.sr.dcm"
    write_sr(path, _samples(), CONTEXT, ExchangeReport("sr"))
    return path


def test_what_is_written_is_read(report: Path) -> None:
    assert read_sr(report).same_as(sr_content(_samples(), CONTEXT, ExchangeReport("sr")))


def test_the_same_annotations_give_the_same_bytes(report: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.sr.dcm"
    write_sr(again, reversed(_samples()), CONTEXT, ExchangeReport("sr"))
    assert again.read_bytes() == report.read_bytes()


def test_the_standard_is_kept(report: Path) -> None:
    assert missing_attributes(pydicom.dcmread(report)) == []
    assert complaints(report) == []


def test_others_see_classes_with_areas_and_regions(report: Path) -> None:
    content: Any = hd.sr.srread(report).content  # of the template that the file names
    groups = content.get_image_measurement_groups()
    dcis = next(g for g in groups if g.finding_type.value == "86616005")
    area, count = dcis.get_measurements()
    holes = 134_400 + 40 * 60 - 10.25 * 10
    assert float(area.value) == pytest.approx(holes * 0.25**2 * 1e-6)
    assert (area.unit.value, int(count.value)) == ("mm2", 2)
    regions = content.get_planar_roi_measurement_groups()
    golden = regions[0]
    assert golden.tracking_identifier == str(_samples()[0].id)
    assert float(golden.get_measurements()[0].value) == pytest.approx(134_400 * 0.25**2)
    # The corner at pixel 80 lies 80 × 0.25 µm from the edge of the first pixel.
    assert golden.roi.value[:, 0].min() == pytest.approx(0.02)


def test_nothing_of_patient_or_machine_lies_in_the_file(report: Path) -> None:
    file = pydicom.dcmread(report)
    assert file.PatientID == SLIDE
    assert not any((file.PatientName, file.PatientBirthDate, file.StudyDate, file.StudyTime))
    assert machine_words_in(report) == []


def test_the_largest_are_outlined_and_all_are_measured() -> None:
    many = [
        annotation(f"{number}", "dcis", box(0, 0, 10, 10 + number))
        for number in range(MOST_OUTLINES + 3)
    ]
    told = ExchangeReport("sr")
    content = sr_content(many, CONTEXT, told)
    assert len(content.outlines) == MOST_OUTLINES
    assert content.outlines[0].identity == str(many[-1].id)
    assert content.classes[0].count == MOST_OUTLINES + 3
    assert told.lost[Part.AREAS] == 3


def test_counts_can_be_left_out() -> None:
    told = ExchangeReport("sr")
    content = sr_content(_samples(), CONTEXT, told, shows_counts=False)
    assert {one.count for one in content.classes} == {None}
    assert any("left out" in line for line in told.lines())


def test_what_cannot_be_is_refused(report: Path, tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="no annotation"):
        write_sr(tmp_path / "x.sr.dcm", [], CONTEXT, ExchangeReport("sr"))
    untiled = replace(CONTEXT, frame=None)
    with pytest.raises(AnnotationError, match="not known"):
        write_sr(tmp_path / "x.sr.dcm", _samples(), untiled, ExchangeReport("sr"))
    with pytest.raises(MissingFileError):
        read_sr(tmp_path / "x.sr.dcm")
    (tmp_path / "cut.sr.dcm").write_bytes(report.read_bytes()[:-300])
    with pytest.raises(AnnotationError):
        read_sr(tmp_path / "cut.sr.dcm")
