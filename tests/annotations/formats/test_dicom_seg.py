"""DICOM segmentations: rasters of a slide, ours and those of others."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from shapely import box, union_all

from pathoai.errors import AnnotationError, OntologyError
from pathoai.geometry import Mpp, Size
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats.annotation_format import (
    ReadingContext,
    WritingContext,
    format_named,
)
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.part import Part
from pathoai_annotations.slide_frame import SlideFrame
from tests.annotations.formats.conformance import FRAME, SLIDE, FormatConformance, annotation
from tests.annotations.formats.dicom_files import complaints, missing_attributes, without_clock
from tests.annotations.formats.machine_words import machine_words_in
from tests.annotations.formats.raster_conformance import RasterConformance

BREAST = FormatConformance.ontology


class TestDicomSeg(RasterConformance):
    name, suffix = "dicom-seg", ".seg.dcm"

    def content(self, path: Path) -> bytes:
        """Without the time of the export, which DICOM asks for."""
        return without_clock(path)

    def test_an_export_of_nothing_is_read_as_nothing(self, path: Path) -> None:
        """DICOM asks for one frame or more."""
        with pytest.raises(AnnotationError, match="no annotation leaves a trace"):
            self.write(path, [])

    def test_classes_may_overlap_and_one_class_may_not(self, path: Path) -> None:
        region = annotation("region", "dcis", box(3000, 3000, 3100, 3100))
        cell = annotation("cell", "nucleus", box(3010, 3010, 3020, 3020))
        beside = annotation("beside", "dcis", box(3100, 3000, 3200, 3100))
        _, report = self.write(path, [region, cell, beside])
        read = {a.label: a.geometry for a in self.read(path)[0]}
        assert read["nucleus"].equals(cell.geometry)
        assert read["dcis"].equals(union_all([region.geometry, beside.geometry]))
        assert report.lost[Part.IDENTITY] == 3

    def test_parts_become_annotations_of_their_own(self, path: Path) -> None:
        _, report = self.write(path, [self.several()])
        assert sorted(a.geometry.area for a in self.read(path)[0]) == [100, 200]
        assert report.lost[Part.SEVERAL] == 1

    def test_others_see_the_same_pixels(self, path: Path) -> None:
        self.write(path, self.samples()[:1], mpp=2.0)
        file = hd.seg.segread(path)
        assert file.get_segment_description(1).segmented_property_type.value == "86616005"
        whole = file.get_total_pixel_matrix()
        expected = np.zeros((3750, 5000), np.uint8)
        expected[10:60, 10:60] = 1
        expected[20:40, 20:40] = 0
        assert whole.shape == (3750, 5000, 1)
        assert (whole[..., 0] == expected).all()
        assert file.NumberOfFrames == 1

    def test_the_standard_is_kept(self, path: Path) -> None:
        self.write(path, self.samples())
        assert missing_attributes(pydicom.dcmread(path)) == []
        assert complaints(path) == []

    def test_nothing_of_patient_or_machine_lies_in_the_file(self, path: Path) -> None:
        self.write(path, self.samples())
        file = pydicom.dcmread(path)
        assert file.PatientID == file.ContainerIdentifier == SLIDE
        assert not any((file.PatientName, file.PatientBirthDate, file.StudyDate, file.StudyTime))
        assert machine_words_in(path) == []

    def test_another_slide_is_refused(self, path: Path) -> None:
        self.write(path, self.samples())
        context = ReadingContext("F" * 16, BREAST, "R9", frame=FRAME)
        with pytest.raises(AnnotationError, match=f"another slide.*{SLIDE}"):
            list(self.format.read(path, context, ExchangeReport(self.name)))
        with pytest.raises(AnnotationError, match=r"another slide.*40000"):
            self.read(path, frame=replace(FRAME, size=Size(41_000, 30_000)))
        with pytest.raises(AnnotationError, match="not known"):
            self.read(path, frame=None)

    def test_memory_does_not_grow_with_the_frames(self, path: Path) -> None:
        """One frame of bits is 32 kB; 100 of them as bytes would be 26 MB."""
        large = annotation("large", "dcis", box(2048, 2048, 2048 + 10_240, 2048 + 10_240))
        self.write(path, self.samples())  # imports are no frames
        tracemalloc.start()
        self.write(path, [large])
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert pydicom.dcmread(path, stop_before_pixels=True).NumberOfFrames == 100
        assert peak < 8 * 2**20


# --- files of others ---------------------------------------------------------------------------

SMALL = SlideFrame(Size(50, 50), Mpp.square(0.5))


def _read(path: Path, **how: object) -> tuple[list[Annotation], ExchangeReport]:
    report = ExchangeReport("dicom-seg")
    context = ReadingContext(SLIDE, BREAST, "R9", **how)  # type: ignore[arg-type]  # fields by name
    return list(format_named("dicom-seg").read(path, context, report)), report


def _frame_of(file: hd.seg.Segmentation) -> SlideFrame:
    measures = file.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    mm_y, mm_x = map(float, measures.PixelSpacing)
    size = Size(file.TotalPixelMatrixColumns, file.TotalPixelMatrixRows)
    return SlideFrame(size, Mpp(mm_x * 1e3, mm_y * 1e3))


@pytest.mark.parametrize(
    "name",
    ["sm_control", "sm_dots", "sm_dots_tiled_full", "sm_numbers", "sm_control_labelmap"],
)
def test_real_files_are_read_to_the_pixel(real_data: Path, name: str) -> None:
    path = real_data / "wsi" / "highdicom" / f"seg_image_{name}.dcm"
    file = hd.seg.segread(path)
    labels = {n: file.get_segment_description(n).segment_label for n in file.segment_numbers}
    known = dict.fromkeys(labels.values(), "stroma")
    read, _ = _read(path, frame=_frame_of(file), classes=known)
    pixels = file.get_total_pixel_matrix()
    assert sum(a.geometry.area for a in read) == pixels.sum() > 0


@pytest.fixture
def placed(tmp_path: Path, real_data: Path) -> Path:
    """A real slide, whose rows and columns run against the axes of the glass; with an origin."""
    folder = real_data / "wsi" / "CMU-1-Small-Region-dicom"
    files = [pydicom.dcmread(file) for file in sorted(folder.iterdir())]
    image = next(file for file in files if file.TotalPixelMatrixColumns == 2220)
    origin = pydicom.Dataset()
    origin.XOffsetInSlideCoordinateSystem, origin.YOffsetInSlideCoordinateSystem = 20.5, 40.25
    image.TotalPixelMatrixOriginSequence = [origin]
    (tmp_path / "slide").mkdir()
    image.save_as(tmp_path / "slide" / "a.dcm")
    return tmp_path / "slide"


def test_pixels_lie_on_the_glass_where_those_of_the_source_do(placed: Path, tmp_path: Path) -> None:
    frame = SlideFrame(Size(2220, 2967), Mpp.square(0.499))
    square = annotation("a", "dcis", box(1024, 1600, 1040, 1616))
    path, report = tmp_path / "a.dcm", ExchangeReport("dicom-seg")
    context = WritingContext(SLIDE, BREAST, frame, mpp=4 * 0.499, source=placed)
    format_named("dicom-seg").write(path, [square], context, report)
    image, written = hd.imread(placed / "a.dcm"), hd.imread(path)
    to_glass = [
        hd.spatial.ImageToReferenceTransformer.for_image(one, for_total_pixel_matrix=True)
        for one in (image, written)
    ]
    corners = np.array([[1024.0, 1600.0], [1040.0, 1616.0]])
    assert np.allclose(to_glass[0](corners), to_glass[1](corners / 4), atol=1e-5)
    assert written.FrameOfReferenceUID == image.FrameOfReferenceUID
    ((read,), _) = _read(path, frame=frame, source=placed)
    assert read.geometry.equals(square.geometry)
    with pytest.raises(AnnotationError, match="--source is another slide"):
        _read(path, frame=replace(frame, size=Size(2221, 2967)), source=placed)


def test_a_real_source_without_an_origin_serves(tmp_path: Path, real_data: Path) -> None:
    folder = real_data / "wsi" / "CMU-1-Small-Region-dicom"
    frame = SlideFrame(Size(2220, 2967), Mpp.square(0.499))
    square = annotation("a", "dcis", box(1024, 1600, 1040, 1616))
    context = WritingContext(SLIDE, BREAST, frame, source=folder)
    for name in ("dicom-seg", "dicom-ann"):
        path = tmp_path / f"{name}.dcm"
        format_named(name).write(path, [square], context, ExchangeReport(name))
        reading = ReadingContext(SLIDE, BREAST, "R9", frame=frame, source=folder)
        (read,) = format_named(name).read(path, reading, ExchangeReport(name))
        assert read.geometry.equals(square.geometry)


def test_a_segmentation_of_no_slide_is_refused(real_data: Path) -> None:
    path = real_data / "wsi" / "highdicom" / "seg_image_ct_binary.dcm"
    with pytest.raises(AnnotationError, match="not of a slide"):
        _read(path, frame=SMALL)


def test_a_fraction_is_outlined_where_it_is_half(tmp_path: Path, real_data: Path) -> None:
    source = hd.imread(real_data / "wsi" / "highdicom" / "sm_image.dcm")
    values = np.zeros((1, 50, 50), np.float32)
    values[0, 10:20, 10:20] = 0.75
    values[0, 10:20, 20:30] = 0.25
    about = hd.seg.SegmentDescription(
        1,
        "dcis",
        hd.sr.CodedConcept("85756007", "SCT", "Tissue"),
        hd.sr.CodedConcept("86616005", "SCT", "DCIS"),
        "AUTOMATIC",
        hd.AlgorithmIdentificationSequence(
            "x", hd.sr.CodedConcept("123110", "DCM", "Artificial Intelligence"), "1"
        ),
    )
    hd.seg.Segmentation(
        [source],
        values,
        "FRACTIONAL",
        [about],
        series_instance_uid=hd.UID(),
        series_number=1,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="x",
        manufacturer_model_name="x",
        software_versions="1",
        device_serial_number="1",
        tile_pixel_array=True,
    ).save_as(tmp_path / "a.dcm")
    file = hd.seg.segread(tmp_path / "a.dcm")
    ((read,), report) = _read(tmp_path / "a.dcm", frame=_frame_of(file))
    assert read.geometry.bounds == (10, 10, 20, 20)
    assert read.confidence == pytest.approx(0.75, abs=0.01)
    assert read.label == "dcis"
    assert any("half" in what for what in report.lost)


def test_a_class_that_no_code_and_no_user_names_is_refused(real_data: Path) -> None:
    path = real_data / "wsi" / "highdicom" / "seg_image_sm_dots.dcm"
    frame = _frame_of(hd.seg.segread(path))
    with pytest.raises(OntologyError, match=r"segment \d+ region 1: unknown class"):
        _read(path, frame=frame)
