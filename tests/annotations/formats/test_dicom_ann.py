"""DICOM bulk annotations: lossless between studies, and what the standard and others read."""

from __future__ import annotations

import io
import uuid
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
import shapely
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from shapely import Polygon, box

from pathoai.errors import AnnotationError, OntologyError
from pathoai.geometry import Mpp, Size
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats.ann_graphics import graphics_of, outline_of
from pathoai_annotations.formats.annotation_format import ReadingContext, format_named
from pathoai_annotations.formats.dicom_slide import DicomSlide
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.slide_frame import SlideFrame
from tests.annotations.formats.conformance import (
    FRAME,
    GOLDEN,
    SLIDE,
    FormatConformance,
    annotation,
)
from tests.annotations.formats.dicom_files import complaints, missing_attributes, without_clock
from tests.annotations.formats.machine_words import machine_words_in

BREAST = FormatConformance.ontology


class TestDicomAnn(FormatConformance):
    name, suffix = "dicom-ann", ".ann.dcm"

    def content(self, path: Path) -> bytes:
        """Without the time of the export, which DICOM asks for."""
        return without_clock(path)

    def survives_cutting(self, part: bytes) -> bool:
        """What follows the groups are words about the file."""
        return "AnnotationGroupSequence" in pydicom.dcmread(io.BytesIO(part))

    def test_a_file_is_whole_or_refused(self, path: Path) -> None:
        """But for the end of an element after the groups, no byte may be missing."""
        self.write(path, self.samples())
        whole = path.read_bytes()
        ends = [whole.rindex(b"\x70\x00" + tag) for tag in (b"\x80\x00CS", b"\x81\x00LO")]
        for length in range(ends[0] - 20, len(whole)):
            path.write_bytes(whole[:length])
            if length in ends:
                assert len(self.read(path)[0]) == len(self.samples())
                continue
            with pytest.raises(AnnotationError, match=r"file\.ann\.dcm"):
                self.read(path)

    def test_an_export_of_nothing_is_read_as_nothing(self, path: Path) -> None:
        """DICOM asks for one group or more."""
        with pytest.raises(AnnotationError, match="no annotation to write"):
            self.write(path, [])

    def test_nothing_at_all_is_lost(self, path: Path) -> None:
        numbers = {"a": 1 / 3, "probability": 3.0}
        exact = replace(self.samples()[0], confidence=0.1, measurements=numbers)
        self.write(path, [exact, *self.samples()[1:]])
        by_id = {a.id: a for a in self.read(path)[0]}
        for written in [exact, *self.samples()[1:]]:
            read = by_id[written.id]
            assert replace(read, geometry=written.geometry) == written
            assert dict(read.measurements) == dict(written.measurements)
            assert read.geometry.normalize().equals_exact(written.geometry.normalize(), 0)

    def test_others_see_classes_makers_outlines_and_numbers(self, path: Path) -> None:
        self.write(path, self.samples())
        file = hd.ann.annread(path)
        (group,) = (
            g
            for g in file.AnnotationGroupSequence
            if g.label == "dcis" and g.algorithm_type.value == "AUTOMATIC"
        )
        assert group.annotated_property_type.value == "86616005"
        assert group.annotated_property_type.scheme_designator == "SCT"
        assert group.algorithm_identification is not None
        assert group.algorithm_identification.name == "unet"
        assert group.algorithm_identification.version == "ab" * 32
        names, values, _ = group.get_measurements()
        assert [n.meaning for n in names] == ["Probability"]
        assert values.tolist() == [[0.75]]
        (points,) = group.get_graphic_data("2D")
        hole = next(a for a in self.samples() if a.confidence and a.label == "dcis")
        assert Polygon(points).area == hole.geometry.area

    def test_the_private_part_may_be_gone(self, path: Path) -> None:
        """Holes, classes, makers and numbers are still there; ids and authors are not."""
        self.write(path, self.samples()[:5])
        file = pydicom.dcmread(path)
        for group in file.AnnotationGroupSequence:
            group.remove_private_tags()
        file.save_as(path)
        read, _ = self.read(path)
        assert {a.author for a in read} == {"R9"}
        areas = {a.geometry.area for a in read}
        assert {134_400.0} <= areas
        (model,) = (a for a in read if a.derived_from and a.label == "dcis")
        assert (model.confidence, len(model.geometry.interiors)) == (0.75, 1)
        assert model.derived_from == "model:unet@" + "ab" * 32

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

    def test_a_slide_that_was_not_tiled_is_refused(self, path: Path) -> None:
        with pytest.raises(AnnotationError, match="not known"):
            self.write(path, self.samples(), frame=None)


@pytest.mark.parametrize(
    "holes",
    [
        [],
        [box(160, 160, 320, 320)],
        [
            box(100, 100, 120, 130),
            box(300, 300, 340, 340),
            box(305, 100, 310, 400).intersection(box(305, 100, 310, 200)),
        ],
    ],
)
def test_holes_joined_to_their_ring_keep_area_and_come_out_again(holes: list[Polygon]) -> None:
    polygon = Polygon(box(80, 80, 480, 480).exterior, [h.exterior for h in holes])
    (graphic,) = graphics_of(polygon)
    assert Polygon(graphic.points).area == polygon.area
    assert (
        outline_of(graphic.kind, graphic.points, graphic.holes).normalize() == polygon.normalize()
    )
    mended = shapely.make_valid(Polygon(graphic.points), method="structure", keep_collapsed=False)
    assert mended.equals(polygon)


# --- files of others ---------------------------------------------------------------------------

SMALL = SlideFrame(Size(50, 50), Mpp.square(0.5))


def _read(path: Path, **how: object) -> tuple[list[Annotation], ExchangeReport]:
    report = ExchangeReport("dicom-ann")
    known: dict[str, object] = {"frame": SMALL, "classes": {"nuclei": "nucleus"}}
    context = ReadingContext(SLIDE, BREAST, "R9", **(known | how))  # type: ignore[arg-type]  # fields by name
    return list(format_named("dicom-ann").read(path, context, report)), report


def _write_with(
    path: Path,
    source: pydicom.Dataset,
    kind: str,
    points: list[list[list[float]]],
    code: Code | hd.sr.CodedConcept = codes.SCT.Nucleus,
) -> Path:
    group = hd.ann.AnnotationGroup(
        number=1,
        uid=hd.UID(),
        label="nuclei",
        annotated_property_category=codes.SCT.AnatomicalStructure,
        annotated_property_type=code,
        graphic_type=kind,
        graphic_data=[np.array(p, np.float64) for p in points],
        algorithm_type="MANUAL",
    )
    hd.ann.MicroscopyBulkSimpleAnnotations(
        source_images=[source],
        annotation_coordinate_type="3D" if len(points[0][0]) == 3 else "2D",
        annotation_groups=[group],
        series_instance_uid=hd.UID(),
        series_number=10,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="x",
        manufacturer_model_name="x",
        software_versions="1",
        device_serial_number="1",
    ).save_as(path)
    return path


@pytest.fixture
def image(real_data: Path) -> Path:
    """A DICOM slide of highdicom's tests: 50 × 50 px."""
    return real_data / "wsi" / "highdicom" / "sm_image.dcm"


def test_a_real_file_is_read(real_data: Path) -> None:
    path = real_data / "wsi" / "highdicom" / "sm_annotations.dcm"
    file = hd.ann.annread(path)
    known = {group.label: "nucleus" for group in file.AnnotationGroupSequence}
    read, report = _read(path, frame=None, classes=known)
    count = sum(int(g.NumberOfAnnotations) for g in file.AnnotationGroupSequence)
    assert len(read) == count > 0
    assert "not at hand" in report.to_dict()["notes"][0]
    names = {str(n.meaning) for g in file.AnnotationGroupSequence for n in g.get_measurements()[0]}
    said = {name.split(" [")[0] for a in read for name in a.measurements}
    assert said == names


@pytest.mark.parametrize(
    ("kind", "points", "area"),
    [
        ("RECTANGLE", [[10, 10], [20, 10], [20, 15], [10, 15]], 50),
        ("ELLIPSE", [[10, 20], [30, 20], [20, 15], [20, 25]], np.pi * 50),
        ("POLYGON", [[10, 10], [20, 10], [20, 15]], 25),
        ("POLYLINE", [[10, 10], [20, 10], [20, 15]], 0),
        ("POINT", [[10, 10]], 0),
    ],
)
def test_every_kind_of_graphic_is_read(
    tmp_path: Path, image: Path, kind: str, points: list[list[float]], area: float
) -> None:
    path = _write_with(tmp_path / "a.dcm", hd.imread(image), kind, [points])
    ((read,), report) = _read(path)
    assert read.geometry.area == pytest.approx(area, rel=1e-3)
    assert read.label == "nucleus"
    assert read.geometry.bounds[:2] == (10, 10 if kind != "ELLIPSE" else 15)
    assert any("ellipses" in what for what in report.lost) == (kind == "ELLIPSE")


def test_millimetres_on_the_glass_become_pixels(tmp_path: Path, image: Path) -> None:
    source = hd.imread(image)
    to_glass = hd.spatial.ImageToReferenceTransformer.for_image(source, for_total_pixel_matrix=True)
    corners = np.array([[10.0, 12.0], [30.0, 12.0], [30.0, 40.0], [10.0, 40.0]])
    path = _write_with(tmp_path / "a.dcm", source, "POLYGON", [to_glass(corners).tolist()])
    with pytest.raises(AnnotationError, match=r"millimetres.*--source"):
        _read(path)
    ((read,), _) = _read(path, source=image)
    assert shapely.hausdorff_distance(read.geometry, Polygon(corners)) < 0.01
    frame = replace(SMALL, size=Size(60, 50))
    with pytest.raises(AnnotationError, match="another slide"):
        _read(path, source=image, frame=frame)


def test_a_named_source_must_be_the_image_of_the_file(tmp_path: Path, image: Path) -> None:
    source = hd.imread(image)
    path = _write_with(tmp_path / "a.dcm", source, "POINT", [[[10.0, 10.0]]])
    assert len(_read(path, source=image)[0]) == 1
    source.SOPInstanceUID = hd.UID()
    path = _write_with(tmp_path / "b.dcm", source, "POINT", [[[10.0, 10.0]]])
    with pytest.raises(AnnotationError, match="another slide"):
        _read(path, source=image)
    with pytest.raises(AnnotationError, match="no DICOM slide"):
        _read(path, source=path)


def test_uids_of_a_source_are_written_and_nothing_else_of_it(tmp_path: Path, image: Path) -> None:
    format_ = TestDicomAnn()
    chosen = [annotation("a", "dcis", box(10, 10, 20, 20))]
    path = tmp_path / "a.dcm"
    format_.write(path, chosen, frame=SMALL, source=image)
    source, file = pydicom.dcmread(image), pydicom.dcmread(path)
    assert file.StudyInstanceUID == source.StudyInstanceUID
    assert file.ReferencedImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert file.PatientID == SLIDE
    written = path.read_bytes()
    for keyword in ("PatientID", "PatientName", "AccessionNumber", "ContainerIdentifier"):
        value = str(source.get(keyword, ""))
        assert not value or value.encode() not in written
    assert format_.read(path, frame=SMALL, source=image)[0] == chosen


def test_codes_name_classes_and_unknown_ones_are_refused(tmp_path: Path, image: Path) -> None:
    source = hd.imread(image)
    dcis = hd.sr.CodedConcept("86616005", "SCT", "Ductal carcinoma in situ")
    path = _write_with(tmp_path / "a.dcm", source, "POINT", [[[1.0, 1.0]]], code=dcis)
    assert _read(path, classes={})[0][0].label == "dcis"
    assert _read(path, classes={"SCT:86616005": "stroma"})[0][0].label == "stroma"
    path = _write_with(tmp_path / "b.dcm", source, "POINT", [[[1.0, 1.0]]], code=codes.SCT.Lung)
    with pytest.raises(OntologyError, match=r"group 1.*nuclei"):
        _read(path, classes={})


def test_a_group_that_miscounts_is_refused(tmp_path: Path, image: Path) -> None:
    path = _write_with(tmp_path / "a.dcm", hd.imread(image), "POINT", [[[1.0, 1.0]]])
    file = pydicom.dcmread(path)
    file.AnnotationGroupSequence[0].NumberOfAnnotations = 2
    file.save_as(path)
    with pytest.raises(AnnotationError, match=r"a\.dcm"):
        _read(path)


def test_coordinates_of_single_frames_are_refused(tmp_path: Path, image: Path) -> None:
    path = _write_with(tmp_path / "a.dcm", hd.imread(image), "POINT", [[[1.0, 1.0]]])
    file = pydicom.dcmread(path)
    file.PixelOriginInterpretation = "FRAME"
    file.save_as(path)
    with pytest.raises(AnnotationError, match="single frames"):
        _read(path)


def test_other_dicom_files_are_no_annotations(image: Path) -> None:
    assert not format_named("dicom-ann").recognises(image)
    with pytest.raises(AnnotationError, match="not a DICOM bulk annotations file"):
        _read(image)


def test_pixels_on_the_glass_and_back() -> None:
    slide = DicomSlide.of_code(SLIDE, FRAME)
    at = slide.from_glass(np.array([slide.on_glass(12.25, 34.5)]))
    assert at.tolist() == [pytest.approx([12.25, 34.5])]
    assert uuid.UUID(int=int(slide.uids["SOPInstanceUID"].removeprefix("2.25."))).version == 5
    assert GOLDEN.area == 134_400
