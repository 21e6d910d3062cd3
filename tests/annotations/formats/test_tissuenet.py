"""The challenge's file as the challenge has it: y from the bottom, squares of 300 µm, grades."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from shapely import Point, Polygon, box

from pathoai.errors import AnnotationError, MissingFileError, OntologyError
from pathoai.geometry import Mpp, Region, Size
from pathoai.ontology import load_ontology
from pathoai_annotations.formats.annotation_format import WritingContext
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.tissuenet import FORMAT
from pathoai_annotations.slide_frame import Corner, SlideFrame
from tests.annotations.formats.conformance import SLIDE, annotation
from tests.annotations.formats.reading import read

FRAME = SlideFrame(Size(50_000, 40_000), Mpp.square(0.25))
HEADER = "annotation_id,filename,geometry,annotation_class,us_jpeg_url,eu_jpeg_url,asia_jpeg_url"
NAME = "C01_B101_S01.tif"


def _row(name: str, grade: object, x: float, y: float, side: float = 1200) -> str:
    corners = [(x, y), (x, y + side), (x + side, y + side), (x + side, y), (x, y)]
    wkt = ", ".join(f"{a} {b}" for a, b in corners)
    return f'{name}_{grade}_{x},{name},"POLYGON (({wkt}))",{grade},s3://us,s3://eu,s3://asia'


def _file(path: Path, *rows: str) -> Path:
    path.write_text("\n".join((HEADER, *rows)) + "\n")
    return path


def test_y_is_counted_from_the_bottom_and_a_grade_is_its_general_class(tmp_path: Path) -> None:
    rows = [_row(NAME, grade, 5000 * grade, 1000) for grade in range(4)]
    path = _file(tmp_path / "a.csv", *rows, _row("C02_B1_S1.tif", 3, 0, 0))
    found, report = read("tissuenet", path, "cervix", frame=FRAME, known_as=NAME)
    assert [a.label for a in found] == ["benign", "lsil", "hsil", "invasive"]
    assert found[1].geometry.bounds == (5000, 40_000 - 2200, 6200, 40_000 - 1000)
    assert report.lost == {f"the column {where}_jpeg_url": 4 for where in ("us", "eu", "asia")}
    assert report.to_dict()["notes"] == []
    assert found == read("tissuenet", path, "cervix", frame=FRAME, known_as="C01_B101_S01")[0]


def test_the_user_may_say_which_class_a_grade_is(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.csv", _row(NAME, 2, 0, 0))
    how = {"frame": FRAME, "known_as": NAME, "classes": {"2": "cin3"}}
    ((one,), _) = read("tissuenet", path, "cervix", **how)
    assert one.label == "cin3"


def test_a_square_of_another_size_is_noted_not_refused(tmp_path: Path) -> None:
    for side, notes in ((1200, 0), (1201, 0), (1000, 1)):
        path = _file(tmp_path / "a.csv", _row(NAME, 1, 0, 0, side))
        _, report = read("tissuenet", path, "cervix", frame=FRAME, known_as=NAME)
        assert len(report.to_dict()["notes"]) == notes


def test_a_file_about_other_slides_is_refused_with_a_remedy(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.csv", _row(NAME, 1, 0, 0), _row("other.tif", 1, 0, 0))
    with pytest.raises(AnnotationError, match=r"a\.csv: no row is about this slide.*--known-as"):
        read("tissuenet", path, "cervix", frame=FRAME)


def test_a_slide_whose_height_is_not_known_is_refused(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.csv", _row(NAME, 1, 0, 0))
    with pytest.raises(AnnotationError, match=r"size and scale are not known.*pathoai tile"):
        read("tissuenet", path, "cervix", frame=None, known_as=NAME)


@pytest.mark.parametrize(
    ("row", "error"),
    [
        (f'a,{NAME},"POLYGON ((0 0, 1 0",1,,,', "line 2: malformed geometry"),
        (f"a,{NAME},,1,,,", "line 2: malformed geometry"),
        (f"a,{NAME},POLYGON EMPTY,1,,,", "line 2: empty geometry"),
        (f'a,{NAME},"POLYGON ((0 0, 9 9, 9 0, 0 9, 0 0))",1,,,', "line 2: .*crosses itself"),
        (f'a,{NAME},"POLYGON ((0 0, 9 0, 9 9, 0 0))",,,,', "line 2: a feature without a class"),
        (f"a,{NAME},1", "line 2: a row needs as many cells"),
        (_row(NAME, 1, 49_900, 0), "line 2: an outline lies off the slide"),
    ],
)
def test_a_bad_row_is_named_by_its_line(tmp_path: Path, row: str, error: str) -> None:
    with pytest.raises(AnnotationError, match=error):
        read("tissuenet", _file(tmp_path / "a.csv", row), "cervix", frame=FRAME, known_as=NAME)


@pytest.mark.parametrize("grade", ["7", "cancer"])
def test_a_grade_that_is_none_is_refused(tmp_path: Path, grade: str) -> None:
    path = _file(tmp_path / "a.csv", _row(NAME, grade, 0, 0))
    with pytest.raises(OntologyError, match=f"line 2: unknown class; found '{grade}'"):
        read("tissuenet", path, "cervix", frame=FRAME, known_as=NAME)


def test_several_slides_are_written_to_one_file_each_from_its_own_bottom(tmp_path: Path) -> None:
    cervix, path = load_ontology("cervix"), tmp_path / "a.csv"
    other = "FEDCBA9876543210"
    low = replace(FRAME, size=Size(50_000, 10_000))
    square = box(0, 0, 1200, 1200)
    mine = [annotation("a", "lsil", square), annotation("b", "stroma", square)]
    theirs = [replace(annotation("c", "cin2", square), slide_id=other)]
    report = ExchangeReport("tissuenet")
    sheets = [
        (WritingContext(SLIDE, cervix, FRAME, known_as=NAME), mine),
        (WritingContext(other, cervix, low), theirs),
    ]
    assert FORMAT.write_slides(path, sheets, report) == 2
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["filename"], r["annotation_class"]) for r in rows] == [(NAME, "1"), (other, "2")]
    assert "40000" in rows[0]["geometry"]
    assert "10000" in rows[1]["geometry"]
    # What has no grade is left out, and what is more special than its grade loses that.
    assert report.lost["class beyond its grade"] == 2
    ((one,), _) = read("tissuenet", path, "cervix", frame=FRAME, known_as=NAME)
    assert one.geometry.equals(square)
    assert str(one.id) == rows[0]["annotation_id"]


def test_the_height_is_that_of_the_scanned_part_where_the_file_counts_from_it(
    tmp_path: Path,
) -> None:
    frame = replace(FRAME, bounds=Region(1000, 2000, 30_000, 20_000))
    path = _file(tmp_path / "a.csv", _row(NAME, 1, 0, 0))
    how = {"frame": frame, "known_as": NAME, "corner": Corner.BOUNDS}
    ((one,), _) = read("tissuenet", path, "cervix", **how)
    assert one.geometry.bounds == (1000, 22_000 - 1200, 2200, 22_000)


def test_an_outline_of_more_corners_than_csv_allows_a_cell_is_read(tmp_path: Path) -> None:
    round_one = Point(20_000, 20_000).buffer(5000, quad_segs=2000)
    path = tmp_path / "a.csv"
    report = ExchangeReport("tissuenet")
    context = WritingContext(SLIDE, load_ontology("cervix"), FRAME)
    FORMAT.write(path, [annotation("a", "lsil", round_one)], context, report)
    assert path.stat().st_size > 2**17
    ((one,), _) = read("tissuenet", path, "cervix", frame=FRAME)
    assert isinstance(one.geometry, Polygon)
    assert one.geometry.area == pytest.approx(round_one.area)
    assert csv.field_size_limit() == 2**17


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"absent\.csv"):
        read("tissuenet", tmp_path / "absent.csv", "cervix", frame=FRAME)
