from __future__ import annotations

import json
from pathlib import Path

import pytest
import shapely

from pathoai.errors import AnnotationError
from pathoai.geometry import Mpp, Region, Size
from pathoai.ontology import load_ontology
from pathoai_annotations.formats.annotation_format import ReadingContext
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.geojson import read_geojson
from pathoai_annotations.formats.geojson_outlines import (
    DrawnOutline,
    read_outlines,
    write_outlines,
)
from pathoai_annotations.slide_frame import SlideFrame

SLIDE, OTHER = "0123456789ABCDEF", "FEDCBA9876543210"
FRAME = SlideFrame(Size(4000, 3000), Mpp.square(0.25), Region(500, 300, 2000, 1500))
HOLED = shapely.Polygon(
    [(10, 10), (90, 10), (90, 70), (10, 70)], [[(30, 30), (50, 30), (50, 50), (30, 50)]]
)
DRAWN = [
    DrawnOutline(HOLED, "hsil", (1, 2, 3)),
    DrawnOutline(shapely.Point(5.25, 7.5), "hsil", (1, 2, 3)),
    DrawnOutline(shapely.LineString([(0, 0), (3, 4)]), "", (9, 8, 7)),
]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    assert write_outlines(path, DRAWN, FRAME, SLIDE) == 3
    assert list(read_outlines(path, FRAME, SLIDE)) == DRAWN


def test_a_file_of_a_coded_slide_can_be_imported_into_its_study(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    write_outlines(path, DRAWN[:2], FRAME, SLIDE)
    context = ReadingContext(SLIDE, load_ontology("cervix"), "R1", frame=FRAME)
    found = list(read_geojson(path, context, ExchangeReport("geojson")))
    assert [a.geometry for a in found] == [o.geometry for o in DRAWN[:2]]
    assert {a.label for a in found} == {"hsil"}


def test_a_class_without_a_colour_gets_one_because_qupath_wants_it(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    write_outlines(path, [DrawnOutline(HOLED, "Tumour")], FRAME, "name of a file")
    collection = json.loads(path.read_text())
    (raw,) = collection["features"]
    assert raw["properties"]["classification"] == {"name": "Tumour", "color": [255, 0, 0]}
    assert "pathoai" not in collection, "only codes are written"


def test_a_file_that_counts_from_the_scanned_part_is_moved(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    write_outlines(path, DRAWN[:1], FRAME, SLIDE)
    raw = json.loads(path.read_text())
    raw["pathoai"]["counts_from"] = "bounds"
    path.write_text(json.dumps(raw))
    (found,) = read_outlines(path, FRAME, SLIDE)
    assert found.geometry.bounds == (510, 310, 590, 370)


def test_a_file_about_another_slide_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    write_outlines(path, DRAWN, FRAME, OTHER)
    with pytest.raises(AnnotationError, match=f"another slide; found {OTHER}"):
        list(read_outlines(path, FRAME, SLIDE))
    assert len(list(read_outlines(path, FRAME))) == 3, "a slide without a code cannot be compared"


def test_a_class_of_qupath_keeps_name_and_colour_whatever_the_ontology(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    feature = {
        "type": "Feature",
        "geometry": shapely.geometry.mapping(HOLED),
        "properties": {"classification": {"names": ["Tumor", "Positive"], "color": [1, 2, 300]}},
    }
    path.write_text(json.dumps(feature))
    (found,) = read_outlines(path, FRAME)
    assert (found.name, found.rgb) == ("Positive", None)


@pytest.mark.parametrize(
    "geometry",
    [
        {"type": "Polygon", "coordinates": []},
        {"type": "Point", "coordinates": [1, None]},
        {"type": "Point", "coordinates": [1, float("inf")]},
        None,
    ],
)
def test_a_malformed_outline_is_refused_by_its_place(tmp_path: Path, geometry: object) -> None:
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps([{"type": "Feature", "geometry": geometry, "properties": {}}]))
    with pytest.raises(AnnotationError, match=r"a\.geojson feature 1"):
        list(read_outlines(path, FRAME))
