"""Geometry of GeoJSON files: nothing is taken for what it is not, and nothing goes silently."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from shapely import MultiPolygon, Point, Polygon, box

from pathoai.errors import AnnotationError
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.geojson_outlines import read_outlines
from tests.annotations.formats.conformance import FRAME
from tests.annotations.formats.reading import read

SQUARE = [[0, 0], [8, 0], [8, 8], [0, 8], [0, 0]]
NAMED_CRS = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::2154"}}


def _feature(coordinates: object = None, kind: str = "Polygon", **rest: object) -> dict[str, Any]:
    geometry = {"type": kind, "coordinates": [SQUARE] if coordinates is None else coordinates}
    properties = {"classification": {"name": "dcis"}}
    return {"type": "Feature", "geometry": geometry, "properties": properties} | rest


def _file(folder: Path, *features: object, **members: object) -> Path:
    path = folder / "a.geojson"
    path.write_text(
        json.dumps({"type": "FeatureCollection", "features": list(features)} | members), "utf8"
    )
    return path


def _read(path: Path, *, repair: bool = False) -> tuple[list[Annotation], ExchangeReport]:
    return read("geojson", path, repair=repair)


# --- maps --------------------------------------------------------------------------------------


@pytest.mark.parametrize("repair", [False, True])
@pytest.mark.parametrize("crs", [NAMED_CRS, "EPSG:4326", {}, False])
def test_coordinates_of_a_map_are_refused_wherever_the_file_says_so(
    tmp_path: Path, crs: object, repair: bool
) -> None:
    said = r"a\.geojson: the coordinates are of a map.*Remedy: .*pixels"
    after = _file(tmp_path, _feature(), crs=crs)
    with pytest.raises(AnnotationError, match=said):
        _read(after, repair=repair)
    with pytest.raises(AnnotationError, match=said):
        list(read_outlines(after, FRAME))
    before = json.dumps({"crs": crs} | json.loads(after.read_text()))
    after.write_text(before)
    with pytest.raises(AnnotationError, match=said):
        _read(after, repair=repair)


def test_a_feature_of_a_map_is_refused_by_position(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="feature 2: the coordinates are of a map"):
        _read(_file(tmp_path, _feature(), _feature(crs=NAMED_CRS)))
    on_geometry = _feature()
    on_geometry["geometry"]["crs"] = NAMED_CRS
    with pytest.raises(AnnotationError, match="feature 1: the coordinates are of a map"):
        _read(_file(tmp_path, on_geometry))


def test_no_crs_is_none(tmp_path: Path) -> None:
    found, _ = _read(_file(tmp_path, _feature(crs=None), crs=None))
    assert len(found) == 1


# --- numbers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["10", True, False, None, {}, ""])
def test_what_is_no_number_is_no_coordinate(tmp_path: Path, number: object) -> None:
    for feature in (
        _feature([[[0, 0], [8, 0], [8, number], [0, 8], [0, 0]]]),
        _feature([3, number], "Point"),
        _feature([[[[0, 0], [8, 0], [8, number], [0, 0]]]], "MultiPolygon"),
    ):
        with pytest.raises(AnnotationError, match=r"feature 1: malformed geometry.*--repair"):
            _read(_file(tmp_path, feature))


@pytest.mark.parametrize("point", [[1], [1, 2, 3, 4], [[1, 2], 3], 7, {}, "1 2", [1, 2, "m"]])
def test_a_point_of_another_form_is_refused(tmp_path: Path, point: object) -> None:
    with pytest.raises(AnnotationError, match=r"feature 1: (malformed|empty) geometry"):
        _read(_file(tmp_path, _feature(point, "Point")))


def test_z_coordinates_are_told_as_lost(tmp_path: Path) -> None:
    flat, deep = _feature(), _feature([[[*corner, 5] for corner in SQUARE]])
    (first, second), report = _read(_file(tmp_path, deep, flat | {"id": "2"}))
    assert first.geometry == second.geometry == Polygon(SQUARE)
    assert report.lost == {"z coordinates: a slide has none": 1}


# --- rings -------------------------------------------------------------------------------------


def test_open_rings_are_closed_and_told(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        _feature([SQUARE[:-1]]),
        _feature([[[0, 0], [9, 0], [9, 9], [0, 9], [0, 0]], [[2, 2], [4, 2], [4, 4]]]),
        _feature(
            [[[[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]], [[[20, 20], [24, 20], [24, 24]]]],
            "MultiPolygon",
        ),
        _feature([SQUARE]) | {"id": "other"},
    )
    found, report = _read(path)
    assert found[0].geometry.equals(box(0, 0, 8, 8))
    assert found[1].geometry.area == 81 - 2
    assert isinstance(found[2].geometry, MultiPolygon)
    assert report.mended == {"an outline whose ring was open, closed": 3}


# --- what --repair leaves out --------------------------------------------------------------------

MALFORMED = {
    "a feature without geometry": _feature() | {"geometry": None},
    "malformed geometry": _feature([["1", 2]]),
    "not a GeoJSON feature": {"type": "Thing"},
    "properties are no object": _feature() | {"properties": [1]},
    "probability is no number": _feature()
    | {"properties": {"classification": {"name": "dcis"}, "measurements": {"probability": "x"}}},
    "the coordinates are of a map, not of a slide": _feature(crs=NAMED_CRS),
}
OUT_OF_RANGE = _feature() | {
    "properties": {"classification": {"name": "dcis"}, "measurements": {"probability": 1.5}}
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_malformed_feature_is_left_out_and_told_or_refused_with_the_way_out(
    tmp_path: Path, what: str
) -> None:
    path = _file(tmp_path, _feature([3, 4], "Point"), MALFORMED[what])
    with pytest.raises(AnnotationError, match=f"feature 2: {what}.*Remedy: "):
        _read(path)
    (kept,), report = _read(path, repair=True)
    assert kept.geometry == Point(3, 4)
    assert report.mended == {f"a feature left out: {what}": 1}
    assert report.to_dict()["repaired"][0]["examples"] == ["a.geojson feature 2"]


def test_what_no_annotation_can_be_is_left_out_likewise(tmp_path: Path) -> None:
    path = _file(tmp_path, OUT_OF_RANGE, _feature([3, 4], "Point"))
    with pytest.raises(AnnotationError, match=r"feature 1: .*--repair"):
        _read(path)
    (kept,), report = _read(path, repair=True)
    assert kept.geometry == Point(3, 4)
    ((said, count),) = report.mended.items()
    assert said.startswith("a feature left out: ")
    assert count == 1
