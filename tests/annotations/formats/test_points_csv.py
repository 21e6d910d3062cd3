"""Tables of points: the unit stands in the header, or nothing is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from shapely import MultiPoint, Point, box

from pathoai.errors import AnnotationError, OntologyError
from pathoai.ontology import load_ontology
from pathoai_annotations.formats.annotation_format import WritingContext, format_named
from pathoai_annotations.formats.exchange_report import ExchangeReport
from tests.annotations.formats.conformance import FRAME, SLIDE, annotation
from tests.annotations.formats.reading import read


def _file(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", "utf8")
    return path


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("x_px,y_px,class", (100, 200)),
        ("X [px],Y [px],class", (100, 200)),
        ("x_um,y_um,class", (400, 800)),
        ("x (µm),y (µm),class", (400, 800)),
        ("\ufeffx_um,y_um,class", (400, 800)),
    ],
)
def test_the_header_says_the_unit(
    tmp_path: Path, header: str, expected: tuple[float, float]
) -> None:
    path = _file(tmp_path / "a.csv", header, "100,200,mitosis")
    ((one,), _) = read("points-csv", path)
    assert one.geometry == Point(*expected)
    assert one.label == "mitosis"


@pytest.mark.parametrize(
    "header", ["x,y,class", "x_px,y_um,class", "x_px,class,note", "x_px,y_px,X_px,class"]
)
def test_a_header_that_leaves_the_unit_open_is_refused(tmp_path: Path, header: str) -> None:
    path = _file(tmp_path / "a.csv", header, ",".join("1" * len(header.split(","))))
    with pytest.raises(AnnotationError, match=r"a\.csv: not a points CSV file.*the unit"):
        read("points-csv", path)


def test_micrometres_need_the_slide_s_scale(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.csv", "x_um,y_um,class", "1,2,mitosis")
    with pytest.raises(AnnotationError, match="size and scale are not known"):
        read("points-csv", path, frame=None)


def test_columns_may_stand_in_any_order_and_others_are_told_as_lost(tmp_path: Path) -> None:
    path = _file(
        tmp_path / "a.csv",
        "probability,area,class,y_px,x_px,id",
        "0.5,12,nucleus,2,1,a",
        ",13,mitosis,4,3,a",
        "1,14,mitosis,6,5,",
        "1,14,mitosis,8,7,",
    )
    found, report = read("points-csv", path)
    assert [(a.geometry, a.label, a.confidence) for a in found] == [
        (Point(1, 2), "nucleus", 0.5),
        (Point(3, 4), "mitosis", None),
        (Point(5, 6), "mitosis", 1.0),
        (Point(7, 8), "mitosis", 1.0),
    ]
    assert report.lost == {"the column area": 4}


def test_rows_of_one_id_are_the_points_of_one_annotation(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.csv", "id,x_px,y_px,class", "a,1,2,nucleus", "a,3,4,nucleus")
    ((one,), _) = read("points-csv", path)
    assert one.geometry == MultiPoint([(1, 2), (3, 4)])


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ("one,2,mitosis,", "line 3: x is no number; found one"),
        ("1,,mitosis,", "line 3: y is no number"),
        ("1,inf,mitosis,", "line 3: malformed geometry"),
        ("1,2,,", "line 3: a feature without a class"),
        ("1,2,mitosis,high", "line 3: probability is no number"),
        ("1,2,mitosis,1.5", "line 3: confidence"),
        ("50000,2,mitosis,", "line 3: an outline lies off the slide"),
        ("1,2", "line 3: a row needs as many cells"),
    ],
)
def test_a_bad_row_is_named_by_its_line(tmp_path: Path, row: str, error: str) -> None:
    path = _file(tmp_path / "a.csv", "x_px,y_px,class,probability", "1,2,mitosis,", row)
    with pytest.raises(AnnotationError, match=error):
        read("points-csv", path)


def test_a_repair_leaves_bad_rows_out_and_says_so(tmp_path: Path) -> None:
    path = _file(
        tmp_path / "a.csv", "x_px,y_px,class", "1,2,mitosis", "1,2,Zelle", "1,2,", "-5,2,mitosis"
    )
    found, report = read("points-csv", path, repair=True)
    assert [a.geometry for a in found] == [Point(1, 2)]
    assert report.mended == {
        "a feature of unknown class 'Zelle', left out": 1,
        "a feature without a class, left out": 1,
        "an outline off the slide, left out": 1,
    }
    with pytest.raises(OntologyError, match=r"line 3.*'Zelle'"):
        read("points-csv", path)


def test_of_outlines_the_centre_is_written_and_said(tmp_path: Path) -> None:
    path, report = tmp_path / "a.csv", ExchangeReport("points-csv-um")
    context = WritingContext(SLIDE, load_ontology("breast"), FRAME)
    written = [annotation("a", "nucleus", box(100, 200, 300, 400))]
    format_named("points-csv-um").write(path, written, context, report)
    assert path.read_text().splitlines() == [
        "id,x_um,y_um,class,probability",
        f"{written[0].id},50.0,75.0,nucleus,",
    ]
    assert report.lost["outlines of areas"] == 1
    ((one,), _) = read("points-csv", path)
    assert one.geometry == Point(200, 300)
