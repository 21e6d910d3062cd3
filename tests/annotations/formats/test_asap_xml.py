"""ASAP's files as ASAP and CAMELYON have them."""

from __future__ import annotations

from pathlib import Path

import pytest
from shapely import MultiPoint, Point, box

from pathoai.errors import AnnotationError, OntologyError
from tests.annotations.formats.reading import read


def _annotation(name: str, kind: str, group: str, *corners: tuple[float, float]) -> str:
    points = "".join(
        f'<Coordinate Order="{i}" X="{x}" Y="{y}" />' for i, (x, y) in enumerate(corners)
    )
    return (
        f'<Annotation Name="{name}" Type="{kind}" PartOfGroup="{group}" Color="#F4FA58">'
        f"<Coordinates>{points}</Coordinates></Annotation>"
    )


def _file(path: Path, *annotations: str) -> Path:
    path.write_text(
        '<?xml version="1.0"?><ASAP_Annotations><Annotations>'
        + "".join(annotations)
        + '</Annotations><AnnotationGroups><Group Name="_0" PartOfGroup="None" Color="#00ff00">'
        "<Attributes /></Group></AnnotationGroups></ASAP_Annotations>"
    )
    return path


def _square(x: float, side: float, y: float = 0) -> list[tuple[float, float]]:
    return [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]


def test_camelyon_s_third_group_is_cut_out_of_what_it_lies_in(tmp_path: Path) -> None:
    path = _file(
        tmp_path / "tumor_001.xml",
        _annotation("Annotation 0", "Polygon", "_0", *_square(100, 100)),
        _annotation("Annotation 1", "Polygon", "_2", *_square(120, 10, y=20)),
        _annotation("Annotation 2", "Polygon", "_1", *_square(300, 50)),
    )
    tumour = {"_0": "dcis", "_1": "dcis"}
    (one, two), report = read("asap-xml", path, classes=tumour)
    assert one.geometry.equals(box(100, 0, 200, 100) - box(120, 20, 130, 30))
    assert two.geometry.equals(box(300, 0, 350, 50))
    assert report.lost == {}
    every, _ = read("asap-xml", path, classes=tumour | {"_2": "stroma"})
    assert [a.label for a in every] == ["dcis", "stroma", "dcis"]


def test_a_hole_belongs_to_the_smallest_outline_around_it(tmp_path: Path) -> None:
    path = _file(
        tmp_path / "a.xml",
        _annotation("big", "Polygon", "dcis", *_square(0, 900)),
        _annotation("small", "Rectangle", "dcis", *_square(100, 100, y=100)),
        _annotation("hole", "Polygon", "Exclusion", *_square(120, 10, y=120)),
    )
    (big, small), _ = read("asap-xml", path)
    assert big.geometry.area == 900 * 900
    assert small.geometry.area == 100 * 100 - 10 * 10


def test_a_hole_in_nothing_is_named_or_left_out(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.xml", _annotation("h", "Polygon", "holes", *_square(0, 9)))
    with pytest.raises(AnnotationError, match=r"a\.xml annotation 1: a hole that lies in no"):
        read("asap-xml", path)
    found, report = read("asap-xml", path, repair=True)
    assert found == []
    assert report.mended == {"a hole that lies in no outline, left out": 1}


def test_dots_point_sets_and_splines_are_read_and_measurements_told(tmp_path: Path) -> None:
    path = _file(
        tmp_path / "a.xml",
        _annotation("a", "Dot", "mitosis", (5, 6)),
        _annotation("b", "PointSet", "nucleus", (1, 2), (3, 4)),
        _annotation("c", "Spline", "stroma", *_square(0, 10)),
        _annotation("d", "Measurement", "None", (0, 0), (9, 9)),
    )
    found, report = read("asap-xml", path)
    shapes = {a.label: a.geometry for a in found}
    assert shapes["mitosis"] == Point(5, 6)
    assert shapes["nucleus"] == MultiPoint([(1, 2), (3, 4)])
    assert shapes["stroma"].area == 100
    assert report.lost == {
        "annotations of type Measurement": 1,
        "curves of splines, whose corners are joined": 1,
    }


def test_corners_are_put_in_their_order(tmp_path: Path) -> None:
    corners = [(0, 0), (10, 0), (10, 10), (0, 10)]
    path = _file(tmp_path / "a.xml", _annotation("a", "Polygon", "stroma", *corners))
    text = path.read_text()
    one, two = (f'<Coordinate Order="{i}" X="10" Y="{y}" />' for i, y in ((1, 0), (2, 10)))
    assert one + two in text
    path.write_text(text.replace(one + two, two + one))
    ((read_back,), _) = read("asap-xml", path)
    assert read_back.geometry.area == 100


def test_an_annotation_of_no_group_needs_a_class(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.xml", _annotation("a", "Polygon", "None", *_square(0, 10)))
    with pytest.raises(AnnotationError, match=r"annotation 1: a feature without a class.*--label"):
        read("asap-xml", path)
    ((one,), _) = read("asap-xml", path, default_label="stroma")
    assert one.label == "stroma"


@pytest.mark.parametrize(
    ("corners", "error"),
    [([], "empty geometry"), ([(0, 0), (1, 1)], "empty geometry"), ([("x", 0)], "malformed")],
)
def test_a_bad_outline_is_named(tmp_path: Path, corners: list[object], error: str) -> None:
    path = _file(tmp_path / "a.xml", _annotation("a", "Polygon", "stroma", *corners))  # type: ignore[arg-type]  # a coordinate that is none
    with pytest.raises(AnnotationError, match=f"annotation 1: {error}"):
        read("asap-xml", path)


def test_an_unknown_group_is_named_with_a_remedy(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.xml", _annotation("a", "Polygon", "Tumor", *_square(0, 10)))
    with pytest.raises(OntologyError, match=r"annotation 1.*'Tumor'.*--class FOREIGN=KEY"):
        read("asap-xml", path)
