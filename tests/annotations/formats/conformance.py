"""What every exchange format must do: subclass ``FormatConformance`` in a test module.

::

    class TestAsapXml(FormatConformance):
        name, suffix = "asap-xml", ".xml"

Each part of an annotation that the format does not name in ``cannot_carry`` comes back the same;
each that it names is told by the report.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely import MultiPolygon, Point, Polygon, box
from shapely.affinity import scale

from pathoai.errors import (
    AnnotationError,
    MissingFileError,
    OntologyError,
    PathoaiError,
    StorageError,
)
from pathoai.geometry import Mpp, Region, Size
from pathoai.ontology import Ontology, load_ontology
from pathoai_annotations.annotation import Annotation, Origin, Status, deterministic_id
from pathoai_annotations.formats.annotation_format import (
    AnnotationFormat,
    ReadingContext,
    WritingContext,
    format_named,
    format_to_read,
)
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.part import JUDGEMENT, Part, parts_of, shape_of
from pathoai_annotations.slide_frame import Corner, SlideFrame
from tests.annotations.formats.drawn_outlines import outlines

SLIDE = "0123456789ABCDEF"
MPP = 0.25
FRAME = SlideFrame(Size(40_000, 30_000), Mpp.square(MPP), Region(1000, 2000, 30_000, 20_000), "ab")
GOLDEN = scale(
    Polygon(box(10, 10, 60, 60).exterior, [box(20, 20, 40, 40).exterior]), 8, 8, origin=(0, 0)
)
"""A mask of 50 × 50 pixels with a hole of 20 × 20 at downsample 8: 134,400 level-0 pixels."""


def annotation(name: str, label: str, geometry: shapely.Geometry, **parts: object) -> Annotation:
    """An annotation of the slide under test; the same name gives the same id."""
    known: dict[str, object] = {"origin": Origin.PATHOLOGIST, "author": "R1"}
    return Annotation(deterministic_id(name), SLIDE, label, geometry, **(known | parts))  # type: ignore[arg-type]  # parts by name


class FormatConformance:
    """The tests; a format that differs overrides an attribute or a method, and says why."""

    name: str
    suffix: str
    ontology: Ontology = load_ontology("breast")
    other_ontology: Ontology = load_ontology("cervix")
    area_label = "dcis"
    tolerance_px = 0.01
    """Level-0 pixels that a coordinate may move."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / f"file{self.suffix}"

    @property
    def format(self) -> AnnotationFormat:
        return format_named(self.name)

    def samples(self) -> list[Annotation]:
        """One annotation of each kind, of each part at least one that has it."""
        inner = box(3010, 3010, 3020.25, 3020)
        hole = Polygon(box(3000, 3000, 3040, 3060).exterior, [inner.exterior])
        several = MultiPolygon([hole, box(3100, 3100, 3200.5, 3150), box(3060, 3000, 3070, 3010)])
        model = {"origin": Origin.MODEL, "author": "model", "confidence": 0.75}
        source = "model:unet@" + "ab" * 32
        numbers = {"Area µm^2": 31.25, "probability: dcis": 0.125, "n": -3.0}
        return [
            annotation("golden", "dcis", GOLDEN),
            annotation("plain", "stroma", box(3500, 3500, 3510.5, 3520), status=Status.VALIDATED),
            annotation("hole", "dcis", hole, **model, derived_from=source),
            annotation("several", "stroma", several, status=Status.CORRECTED, measurements=numbers),
            annotation("cell", "nucleus_lymphocyte", Point(4000, 4000).buffer(12), **model),
            annotation("point", "mitosis", Point(4100.5, 4100.25), confidence=1.0),
            annotation("points", "nucleus", shapely.MultiPoint([(4200, 4200), (4300.5, 4250)])),
            annotation("line", "stroma", shapely.LineString([(4400, 4400), (4500, 4450.5)])),
        ]

    def reading(self, **how: object) -> ReadingContext:
        """A context that trusts what pathoai wrote."""
        known: dict[str, object] = {"trust_metadata": True, "frame": FRAME}
        return ReadingContext(SLIDE, self.ontology, "R9", **(known | how))  # type: ignore[arg-type]  # fields by name

    def writing(self, **how: object) -> WritingContext:
        return WritingContext(SLIDE, self.ontology, **({"frame": FRAME} | how))  # type: ignore[arg-type]  # fields by name

    def write(
        self, path: Path, annotations: Iterable[Annotation], **how: object
    ) -> tuple[int, ExchangeReport]:
        report = ExchangeReport(self.name)
        return self.format.write(path, annotations, self.writing(**how), report), report

    def read(self, path: Path, **how: object) -> tuple[list[Annotation], ExchangeReport]:
        report = ExchangeReport(self.name)
        return list(self.format.read(path, self.reading(**how), report)), report

    def carried(self) -> list[Annotation]:
        """The samples whose shape the format has a place for."""
        return [a for a in self.samples() if shape_of(a.geometry) not in self.format.cannot_carry]

    def expected(self, written: Annotation) -> Annotation:
        """What comes back of an annotation, as the format declares it."""
        gone = self.format.cannot_carry
        return replace(
            written,
            origin=Origin.IMPORT if JUDGEMENT & gone else written.origin,
            author="R9" if JUDGEMENT & gone else written.author,
            status=Status.PROPOSED if JUDGEMENT & gone else written.status,
            confidence=None if Part.PROBABILITY in gone else written.confidence,
            derived_from=None if Part.SOURCE in gone else written.derived_from,
            measurements={} if Part.MEASUREMENTS in gone else written.measurements,
        )

    def assert_same(self, read: Annotation, written: Annotation) -> None:
        expected = self.expected(written)
        if Part.IDENTITY in self.format.cannot_carry:
            expected = replace(expected, id=read.id)
        if Part.CLASS in self.format.cannot_carry:
            expected = replace(expected, label=read.label)
        assert replace(
            read, geometry=expected.geometry, confidence=None, measurements={}
        ) == replace(expected, confidence=None, measurements={})
        assert read.confidence == pytest.approx(expected.confidence, abs=1e-6)
        assert dict(read.measurements) == pytest.approx(dict(expected.measurements), rel=1e-6)
        self.assert_same_outline(read.geometry, expected.geometry)

    def assert_same_outline(self, read: shapely.Geometry, written: shapely.Geometry) -> None:
        """The same corners, whatever ring or part begins."""
        assert read.geom_type == written.geom_type
        read, written = read.normalize(), written.normalize()
        assert len(shapely.get_coordinates(read)) == len(shapely.get_coordinates(written))
        assert shapely.get_num_geometries(read) == shapely.get_num_geometries(written)
        assert shapely.hausdorff_distance(read, written) <= self.tolerance_px
        slack = max(1.0, written.length) * self.tolerance_px
        assert read.area == pytest.approx(written.area, abs=slack)

    def test_it_is_registered_and_described(self) -> None:
        assert self.format.title
        assert self.format.reads
        assert self.format.writes
        assert self.suffix in self.format.suffixes
        assert all(s == s.lower() and s.startswith(".") for s in self.format.suffixes)

    def test_its_own_files_are_recognised(self, path: Path) -> None:
        self.write(path, self.samples())
        assert self.format.recognises(path)
        assert format_to_read(path)[0] == self.name

    def test_each_part_comes_back_or_is_told_as_lost(self, path: Path) -> None:
        _, report = self.write(path, self.samples())
        read, _ = self.read(path)
        gone = self.format.cannot_carry
        for found, written in self.pairs(read, self.carried()):
            self.assert_same(found, written)
        told = Counter(
            part for a in self.carried() for part in parts_of(a).intersection(gone) - {Part.CLASS}
        )
        told.update(shape for a in self.samples() if (shape := shape_of(a.geometry)) in gone)
        assert report.lost.keys() >= told.keys()
        assert all(report.lost[part] >= count for part, count in told.items())
        assert set(report.lost) <= {*Part}, "losses are named by Part"

    def pairs(
        self, read: list[Annotation], written: list[Annotation]
    ) -> Iterator[tuple[Annotation, Annotation]]:
        """What was read beside what was written: by id, or else by place."""
        if Part.IDENTITY in self.format.cannot_carry:
            order = lambda a: a.geometry.bounds  # noqa: E731 - used twice, here
            yield from zip(sorted(read, key=order), sorted(written, key=order), strict=True)
            return
        by_id = {a.id: a for a in read}
        for one in written:
            assert one.id in by_id, f"{one.label} {one.geometry.geom_type} did not come back"
            yield by_id[one.id], one

    def test_the_golden_ring_keeps_its_area_to_the_pixel(self, path: Path) -> None:
        if {Part.AREAS, Part.HOLES} & self.format.cannot_carry:
            pytest.skip("the format holds no areas with holes")
        golden = next(a for a in self.samples() if a.id == deterministic_id("golden"))
        self.write(path, [golden])
        ((read,), _) = self.read(path)
        assert read.geometry.area == 134_400

    @settings(
        max_examples=20,
        deadline=None,
        # Each format runs this test, with its own files.
        suppress_health_check=[HealthCheck.differing_executors],
    )
    @given(st.lists(outlines(100, 25_000), min_size=1, max_size=4))
    def test_outlines_with_holes_come_back(self, drawn: list[Polygon | MultiPolygon]) -> None:
        if {Part.AREAS, Part.HOLES} & self.format.cannot_carry:
            pytest.skip("the format holds no areas with holes")
        written = [annotation(f"{i}", self.area_label, one) for i, one in enumerate(drawn)]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, f"file{self.suffix}")
            self.write(path, written)
            read, _ = self.read(path)
        for found, one in self.pairs(read, written):
            self.assert_same_outline(found.geometry, one.geometry)

    def test_the_same_annotations_give_the_same_file(self, path: Path) -> None:
        self.write(path, self.samples())
        again = path.with_name(f"again{self.suffix}")
        self.write(again, self.samples())
        assert self.content(again) == self.content(path)

    def content(self, path: Path) -> bytes:
        return path.read_bytes()

    def test_a_file_that_counts_from_the_scanned_part_comes_back_on_the_canvas(
        self, path: Path
    ) -> None:
        self.write(path, self.samples(), corner=Corner.BOUNDS)
        read, report = self.read(path, corner=Corner.BOUNDS)
        for found, written in self.pairs(read, self.carried()):
            self.assert_same_outline(found.geometry, written.geometry)
        assert not any("--origin" in note for note in report.to_dict()["notes"])

    def test_an_export_of_nothing_is_read_as_nothing(self, path: Path) -> None:
        assert self.write(path, [])[0] == 0
        assert self.read(path)[0] == []

    def test_a_failure_in_the_middle_keeps_the_old_file(self, path: Path) -> None:
        self.write(path, self.samples())
        old = self.content(path)

        def failing() -> Iterator[Annotation]:
            yield from self.samples()
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            self.write(path, failing())
        assert self.content(path) == old
        assert list(path.parent.iterdir()) == [path]

    def test_no_folder_and_a_folder_in_the_file_s_place_are_refused(
        self, path: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(MissingFileError):
            self.write(tmp_path / "absent" / path.name, self.samples())
        path.mkdir()
        with pytest.raises(StorageError):
            self.write(path, self.samples())

    def test_an_unknown_class_is_named_or_left_out_and_told(self, path: Path) -> None:
        self.write(path, self.carried())
        with pytest.raises(OntologyError, match="unknown class"):
            self._read_other(path, repair=False)
        read, report = self._read_other(path, repair=True)
        assert len(read) < len(self.carried())
        assert any("unknown class" in what for what in report.mended)

    def _read_other(self, path: Path, *, repair: bool) -> tuple[list[Annotation], ExchangeReport]:
        report = ExchangeReport(self.name)
        context = ReadingContext(SLIDE, self.other_ontology, "R9", frame=FRAME, repair=repair)
        return list(self.format.read(path, context, report)), report

    def test_what_lies_off_the_slide_is_named_or_cut_and_told(self, path: Path) -> None:
        self.write(path, self.carried())
        x = self.carried()[0].geometry.centroid.x
        small = replace(FRAME, size=Size(int(x), FRAME.size.height), bounds=None)
        with pytest.raises(AnnotationError, match="off the slide"):
            self.read(path, frame=small)
        read, report = self.read(path, frame=small, repair=True)
        assert all(a.geometry.bounds[2] <= int(x) + self.tolerance_px for a in read)
        assert any("off the slide" in what for what in report.mended)

    def test_damaged_files_are_one_clear_error(self, path: Path) -> None:
        self.write(path, self.samples())
        whole = path.read_bytes()
        with pytest.raises(MissingFileError):
            self.read(path.with_name(f"absent{self.suffix}"))
        for content in (b"", b"\0", bytes(range(256)) * 16, "Zoë €".encode("utf-16"), b"text"):
            path.write_bytes(content)
            with pytest.raises(AnnotationError, match=path.stem):
                self.read(path)
        for length in range(1, len(whole), max(1, len(whole) // 40)):
            path.write_bytes(whole[:length])
            try:
                self.read(path)
            except PathoaiError:
                continue
            part = whole[:length]
            assert part.rstrip() == whole.rstrip() or self.survives_cutting(part), (
                f"cut at {length}"
            )

    def survives_cutting(self, part: bytes) -> bool:
        """True where the first part of a file may be a whole file: a table ended at a row."""
        return False

    def test_a_folder_is_no_file(self, path: Path) -> None:
        path.mkdir()
        with pytest.raises(AnnotationError, match=path.stem):
            self.read(path)
        shutil.rmtree(path)

    def test_ids_are_the_same_at_each_reading(self, path: Path) -> None:
        self.write(path, self.samples())
        first, _ = self.read(path)
        second, _ = self.read(path)
        assert [a.id for a in first] == [a.id for a in second]
        assert len({a.id for a in first}) == len(first)
        assert all(isinstance(a.id, uuid.UUID) for a in first)
