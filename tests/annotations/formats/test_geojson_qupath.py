"""What QuPath says beyond our own: kept where there is a place, or told as lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from shapely import box
from shapely.affinity import translate

from pathoai.errors import AnnotationError
from pathoai.ontology import load_ontology
from pathoai_annotations.formats.annotation_format import WritingContext
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.geojson import FORMAT
from pathoai_annotations.slide_frame import Corner
from tests.annotations.formats.conformance import FRAME, GOLDEN, SLIDE, annotation
from tests.annotations.formats.reading import read

SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [8, 0], [8, 8], [0, 8], [0, 0]]]}


def _file(path: Path, *features: dict[str, Any], **members: object) -> Path:
    path.write_text(json.dumps({"type": "FeatureCollection"} | members | {"features": features}))
    return path


def _feature(geometry: object = SQUARE, **properties: object) -> dict[str, Any]:
    known = {"objectType": "annotation", "classification": {"name": "stroma", "color": [1, 2, 3]}}
    return {"type": "Feature", "geometry": geometry, "properties": known | properties}


def _written(
    path: Path, *, corner: Corner = Corner.CANVAS, x: float = 0, **how: object
) -> dict[str, Any]:
    context = WritingContext(SLIDE, load_ontology("breast"), FRAME, corner=corner, **how)  # type: ignore[arg-type]  # fields by name
    drawn = annotation("a", "dcis", translate(GOLDEN, x, x))
    FORMAT.write(path, [drawn], context, ExchangeReport("geojson"))
    written: dict[str, Any] = json.loads(path.read_text())
    return written


@pytest.mark.parametrize(
    "measurements",
    [
        {"Area µm^2": 12.5, "Tumor": 0.75, "probability": 0.5},
        [
            {"name": "Area µm^2", "value": 12.5},
            {"name": "Tumor", "value": 0.75},
            {"name": "probability", "value": 0.5},
        ],
    ],
    ids=["object", "list"],
)
def test_measurements_are_kept_in_both_of_qupath_s_forms(
    tmp_path: Path, measurements: object
) -> None:
    path = _file(tmp_path / "a.geojson", _feature(measurements=measurements))
    ((one,), report) = read("geojson", path)
    assert one.measurements == {"Area µm^2": 12.5, "Tumor": 0.75}
    assert one.confidence == 0.5
    assert report.lost == {}


def test_what_qupath_says_and_we_have_no_place_for_is_told(tmp_path: Path) -> None:
    ellipse = SQUARE | {"isEllipse": True, "plane": {"c": -1, "z": 2, "t": 0}}
    one = _feature(
        ellipse, name="Region 7", isLocked=True, metadata={"ANNOTATION_DESCRIPTION": "?"}
    )
    two = _feature(measurements={"Area": None, "Note": "big"}) | {"nucleusGeometry": SQUARE}
    two["geometry"] = {"type": "Polygon", "coordinates": [[[9, 9], [20, 9], [9, 20], [9, 9]]]}
    found, report = read("geojson", _file(tmp_path / "a.geojson", one, two))
    assert len(found) == 2
    assert report.lost == {
        "QuPath's isLocked": 1,
        "QuPath's metadata ANNOTATION_DESCRIPTION": 1,
        "QuPath's name": 1,
        "QuPath's plane (z, t)": 1,
        "ellipses, which stay as polygons": 1,
        "measurements that are no finite number": 2,
        "outlines of nuclei within cells": 1,
    }


def test_points_in_qupath_s_form_are_read(tmp_path: Path) -> None:
    points = {"type": "MultiPoint", "coordinates": [[1, 2], [3, 4]], "plane": {"c": -1, "z": 0}}
    ((one,), report) = read("geojson", _file(tmp_path / "a.geojson", _feature(points)))
    assert one.geometry.geom_type == "MultiPoint"
    assert report.lost == {}


def test_a_file_says_which_slide_it_is_of_and_where_it_counts_from(tmp_path: Path) -> None:
    written = _written(tmp_path / "a.geojson")
    assert written["pathoai"] == {
        "slide": SLIDE,
        "counts_from": "canvas",
        "size": [40_000, 30_000],
    }
    assert _written(tmp_path / "a.geojson", known_as="S7")["pathoai"]["slide"] == "S7"


def test_a_file_counted_from_the_scanned_part_comes_back_unasked(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    written = _written(path, corner=Corner.BOUNDS)
    first = written["features"][0]["geometry"]["coordinates"][0]
    assert min(x for x, _ in first) == GOLDEN.bounds[0] - 1000
    ((one,), report) = read("geojson", path)
    assert one.geometry.equals(GOLDEN)
    assert one.geometry.area == 134_400
    assert report.to_dict()["notes"] == []
    with pytest.raises(AnnotationError, match="--origin: the file says that it counts"):
        read("geojson", path, corner=Corner.CANVAS)


def test_qupath_s_own_file_of_a_cropped_slide_is_placed_by_the_user(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.geojson", _feature())
    ((one,), report) = read("geojson", path)
    assert one.geometry.equals(box(0, 0, 8, 8))
    assert any("starts at x 1000, y 2000" in note for note in report.to_dict()["notes"])
    ((one,), report) = read("geojson", path, corner=Corner.BOUNDS)
    assert one.geometry.equals(box(1000, 2000, 1008, 2008))
    assert report.to_dict()["notes"] == []


def test_a_file_of_another_slide_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    _written(path, known_as="case-8")
    with pytest.raises(AnnotationError, match=r"a\.geojson: the file is about another slide"):
        read("geojson", path)
    assert read("geojson", path, known_as="case-8")[0]


@pytest.mark.parametrize(
    "about", [7, {}, {"slide": SLIDE}, {"slide": SLIDE, "counts_from": "the left"}]
)
def test_a_malformed_word_about_the_slide_is_refused(tmp_path: Path, about: object) -> None:
    path = _file(tmp_path / "a.geojson", _feature(), pathoai=about)
    with pytest.raises(AnnotationError, match=r"a\.geojson: malformed member pathoai"):
        read("geojson", path)


def test_a_word_about_the_corner_after_the_features_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    written = _written(path, corner=Corner.BOUNDS, x=5000)
    written["pathoai"] = written.pop("pathoai")
    path.write_text(json.dumps(written))
    with pytest.raises(AnnotationError, match="must stand before the features"):
        read("geojson", path)
