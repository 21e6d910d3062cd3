"""GeoJSON as QuPath reads and writes it, to the last digit."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Polygon

from pathoai.errors import AnnotationError, OntologyError
from pathoai.ontology import load_ontology
from pathoai_annotations.annotation import Annotation, Origin, Status
from pathoai_annotations.formats.annotation_format import ReadingContext
from pathoai_annotations.formats.geojson import read_geojson, write_geojson

Draw = Callable[..., Annotation]

SLIDE = "0123456789ABCDEF"
BREAST = load_ontology("breast")
TRUSTED = ReadingContext(SLIDE, BREAST, "R9", trust_metadata=True)
PLAIN = ReadingContext(SLIDE, BREAST, "R9")
SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [8, 0], [8, 8], [0, 8], [0, 0]]]}
DCIS = {"classification": {"name": "dcis", "color": [1, 2, 3]}}


def _write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def _feature(
    geometry: object = SQUARE, properties: object = DCIS, **rest: object
) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties} | rest


def _read(
    tmp_path: Path, features: Iterable[object], context: ReadingContext = PLAIN
) -> list[Annotation]:
    collection = {"type": "FeatureCollection", "features": list(features)}
    return list(read_geojson(_write(tmp_path / "a.geojson", collection), context))


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.integers(0, 200), min_size=4, max_size=4),
    st.sampled_from([1.0, 1.9786547, 4.0032, 8.0, 0.497 / 0.2527]),
)
def test_outlines_on_pixel_edges_survive_to_the_last_digit(
    tmp_path_factory: pytest.TempPathFactory, corner: list[int], scale: float
) -> None:
    x, y, w, h = corner
    outline = Polygon(
        [(px * scale, py * scale) for px, py in _ring(x, y, w + 3, h + 3)],
        [[(px * scale, py * scale) for px, py in _ring(x + 1, y + 1, w + 1, h + 1)]],
    )
    annotation = Annotation(uuid.uuid4(), SLIDE, "dcis", outline, Origin.IMPORT, "R1")
    path = tmp_path_factory.mktemp("geojson") / "a.geojson"

    write_geojson(path, [annotation], BREAST)
    (read,) = read_geojson(path, TRUSTED)

    assert read == annotation
    assert read.geometry.area == outline.area


def _ring(x: int, y: int, w: int, h: int) -> list[tuple[int, int]]:
    return [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]


def test_the_golden_ring_has_its_area_its_hole_and_its_probability(
    tmp_path: Path, draw: Draw
) -> None:
    write_geojson(tmp_path / "a.geojson", [draw(confidence=0.75)], BREAST)

    (feature,) = json.loads((tmp_path / "a.geojson").read_text())["features"]

    exterior, *holes = feature["geometry"]["coordinates"]
    assert Polygon(exterior, holes).area == 134_400
    assert len(holes) == 1
    assert feature["id"] == str(draw().id)
    assert feature["properties"]["objectType"] == "annotation"
    assert feature["properties"]["classification"] == {"name": "dcis", "color": [230, 159, 0]}
    assert feature["properties"]["measurements"] == {"probability": 0.75}
    assert set(feature["properties"]["metadata"]) == {"origin", "status", "author"}
    assert "isLocked" not in feature["properties"]


@pytest.mark.parametrize(
    ("label", "kind"),
    [("nucleus", "detection"), ("mitosis", "detection"), ("stroma", "annotation")],
)
def test_cells_are_detections(tmp_path: Path, draw: Draw, label: str, kind: str) -> None:
    write_geojson(tmp_path / "a.geojson", [draw(label=label)], BREAST)

    (feature,) = json.loads((tmp_path / "a.geojson").read_text())["features"]

    assert feature["properties"]["objectType"] == kind


def test_the_same_annotations_give_the_same_bytes(tmp_path: Path, draw: Draw) -> None:
    for name in ("a.geojson.gz", "b.geojson.gz"):
        write_geojson(tmp_path / name, [draw("a"), draw("b")], BREAST)

    assert (tmp_path / "a.geojson.gz").read_bytes() == (tmp_path / "b.geojson.gz").read_bytes()


@pytest.mark.parametrize("form", ["collection", "list", "single"])
def test_collections_lists_and_single_features_are_read(tmp_path: Path, form: str) -> None:
    feature = _feature(id=str(uuid.uuid4()))
    content: dict[str, object] = {
        "collection": {"type": "FeatureCollection", "crs": None, "features": [feature]},
        "list": [feature],
        "single": feature,
    }

    (read,) = read_geojson(_write(tmp_path / "a.geojson", content[form]), PLAIN)

    assert str(read.id) == feature["id"]
    assert (read.label, read.author, read.status) == ("dcis", "R9", Status.PROPOSED)
    assert read.geometry.area == 64


def test_qupaths_own_output_is_read(tmp_path: Path) -> None:
    """QuPath 0.7 writes ``metadata`` twice in one object, and keys we do not know."""
    text = """{"type": "FeatureCollection", "features": [{
      "type": "Feature", "id": "7a5cf2a8-4b0d-4a7c-9f0e-0d8f2b7a1c11",
      "geometry": {"type": "Polygon", "isEllipse": true, "plane": {"c": -1, "z": 0, "t": 0},
                   "coordinates": [[[0, 0], [8, 0], [8, 8], [0, 8], [0, 0]]]},
      "nucleusGeometry": null,
      "properties": {"objectType": "annotation", "name": "x", "isLocked": true,
        "classification": {"names": ["dcis"], "color": [1, 2, 3]},
        "metadata": {"ANNOTATION_DESCRIPTION": "y"}, "measurements": {"Area": "NaN"},
        "metadata": {"ANNOTATION_DESCRIPTION": "y"}}}]}"""

    (read,) = read_geojson(_write(tmp_path / "a.geojson", text), TRUSTED)

    assert (read.label, read.author, read.status) == ("dcis", "R9", Status.PROPOSED)


def test_an_unknown_class_is_named_with_its_feature_and_the_known_ones(tmp_path: Path) -> None:
    wrong = {"classification": {"name": "dciss", "color": [0, 0, 0]}}

    with pytest.raises(OntologyError, match=r"feature 1.*dciss.*invasive_nst.*did you mean"):
        _read(tmp_path, [_feature(properties=wrong)])


@pytest.mark.parametrize("damage", ["truncated", "not gzip"])
def test_damaged_archives_are_refused(tmp_path: Path, draw: Draw, damage: str) -> None:
    path = tmp_path / "a.geojson.gz"
    write_geojson(path, [draw(str(i)) for i in range(50)], BREAST)
    path.write_bytes(path.read_bytes()[:200] if damage == "truncated" else b"no archive at all")

    with pytest.raises(AnnotationError, match=r"a\.geojson\.gz"):
        list(read_geojson(path, PLAIN))


@pytest.mark.parametrize("source", ["jane.doe@hospital.example", 7, [], "a" * 999])
def test_a_source_that_is_no_code_does_not_enter(tmp_path: Path, source: object) -> None:
    written = {"metadata": {"derived_from": source}}

    with pytest.raises(AnnotationError, match="feature 1") as refusal:
        _read(tmp_path, [_feature(properties=DCIS | written)])

    assert "jane" not in str(refusal.value)
