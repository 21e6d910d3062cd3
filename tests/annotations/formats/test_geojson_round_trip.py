"""What is written is what QuPath reads, and comes back the same to the last bit."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, MultiPoint, MultiPolygon, Point, Polygon, box

from pathoai.errors import StorageError
from pathoai.ontology import load_ontology
from pathoai_annotations.annotation import Annotation, Origin, Status
from pathoai_annotations.formats.annotation_format import ReadingContext
from pathoai_annotations.formats.geojson import read_geojson, write_geojson
from tests.annotations.formats.drawn_outlines import outlines

Draw = Callable[..., Annotation]

SLIDE = "0123456789ABCDEF"
BREAST = load_ontology("breast")
TRUSTED = ReadingContext(SLIDE, BREAST, "R9", trust_metadata=True)
POSITION = {
    "type": "array",
    "items": {"type": "number"},
    "minItems": 2,
    "maxItems": 2,
}
QUPATH = {
    "type": "object",
    "required": ["type", "id", "geometry", "properties"],
    "additionalProperties": False,
    "properties": {
        "type": {"const": "Feature"},
        "id": {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"},
        "geometry": {
            "required": ["type", "coordinates"],
            "properties": {"type": {"enum": ["Polygon", "MultiPolygon", "Point", "MultiPoint"]}},
        },
        "properties": {
            "type": "object",
            "required": ["objectType", "classification"],
            "additionalProperties": False,
            "properties": {
                "objectType": {"enum": ["annotation", "detection", "cell"]},
                "classification": {
                    "type": "object",
                    "required": ["name", "color"],
                    "additionalProperties": False,
                    "properties": {
                        "name": {"type": "string", "minLength": 1},
                        "color": {
                            "type": "array",
                            "items": {"type": "integer", "minimum": 0, "maximum": 255},
                            "minItems": 3,
                            "maxItems": 3,
                        },
                    },
                },
                "measurements": {"type": "object", "additionalProperties": {"type": "number"}},
                "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
            },
        },
    },
}
COLLECTION = {
    "type": "object",
    "required": ["type", "features"],
    "additionalProperties": False,
    "properties": {
        "type": {"const": "FeatureCollection"},
        "features": {"type": "array", "items": QUPATH},
    },
}


drawn = st.builds(
    Annotation,
    st.uuids(),
    st.just(SLIDE),
    st.sampled_from([c.key for c in BREAST.classes]),
    outlines(),
    st.sampled_from(Origin),
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}", fullmatch=True),
    st.sampled_from(Status),
    st.none() | st.floats(0, 1),
    st.none() | st.just("model:unet@" + "ab" * 32),
)
several = st.lists(drawn, max_size=4, unique_by=lambda a: a.id)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(drawn, max_size=4, unique_by=lambda a: a.id),
    st.sampled_from(["a.geojson", "a.geojson.gz"]),
)
def test_every_part_of_every_annotation_comes_back(written: list[Annotation], name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        assert write_geojson(path, written, BREAST) == len(written)
        read = list(read_geojson(path, TRUSTED))
        twice = path.with_name(f"again-{name}")
        write_geojson(twice, read, BREAST)
        assert twice.read_bytes() == path.read_bytes()
    assert read == written
    assert [a.geometry.area for a in read] == [a.geometry.area for a in written]


@settings(max_examples=30, deadline=None)
@given(several)
def test_every_file_is_in_qupaths_dialect(written: list[Annotation]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.geojson")
        write_geojson(path, written, BREAST)
        collection = json.loads(path.read_text("utf8"), parse_constant=pytest.fail)
    jsonschema.validate(collection, COLLECTION)
    for feature, annotation in zip(collection["features"], written, strict=True):
        properties = feature["properties"]
        is_nucleus = "nucleus" in BREAST.ancestors(annotation.label)
        assert properties["objectType"] == ("detection" if is_nucleus else "annotation")
        assert properties["classification"]["color"] == list(BREAST[annotation.label].rgb)


@pytest.mark.parametrize(
    "geometry", [Point(0.1, 1e-9), MultiPoint([(1 / 3, 2), (5, 7)]), LineString([(0, 0), (1, 7)])]
)
def test_points_and_lines_come_back(
    tmp_path: Path, draw: Draw, geometry: Point | MultiPoint | LineString
) -> None:
    written = [draw(geometry=geometry)]
    write_geojson(tmp_path / "a.geojson", written, BREAST)
    assert list(read_geojson(tmp_path / "a.geojson", TRUSTED)) == written


def test_an_outline_is_written_as_closed_rings_with_holes_after_the_shell(
    tmp_path: Path, draw: Draw
) -> None:
    shell, hole = box(0, 0, 9, 9), box(2, 2, 4, 4)
    outline = MultiPolygon([Polygon(shell.exterior, [hole.exterior]), box(20, 20, 21, 21)])
    write_geojson(tmp_path / "a.geojson", [draw(geometry=outline)], BREAST)
    (feature,) = json.loads((tmp_path / "a.geojson").read_text())["features"]
    rings = [ring for part in feature["geometry"]["coordinates"] for ring in part]
    assert [Polygon(ring).area for ring in rings] == [81, 4, 1]
    for ring in rings:
        assert ring[0] == ring[-1]
        for position in ring:
            jsonschema.validate(position, POSITION)


def test_writing_is_streamed_one_feature_a_line(tmp_path: Path, draw: Draw) -> None:
    path = tmp_path / "a.geojson"
    write_geojson(path, (draw(f"{i}") for i in range(3)), BREAST)
    lines = path.read_text().splitlines()
    assert len(lines) == 5
    assert [json.loads(line.rstrip(","))["id"] for line in lines[1:-1]] == [
        str(draw(f"{i}").id) for i in range(3)
    ]


def test_an_error_in_the_middle_keeps_the_old_file(tmp_path: Path, draw: Draw) -> None:
    path = tmp_path / "a.geojson"
    write_geojson(path, [draw("old")], BREAST)
    old = path.read_bytes()

    def failing() -> Iterator[Annotation]:
        yield draw("new")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_geojson(path, failing(), BREAST)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


KILLED = """
import os, signal, sys
from pathlib import Path
from shapely import box
from pathoai.ontology import load_ontology
from pathoai_annotations.annotation import Annotation, Origin, deterministic_id
from pathoai_annotations.formats.geojson import write_geojson

def annotations():
    for number in range(100_000):
        if number == 5000:
            os.kill(os.getpid(), signal.SIGKILL)
        yield Annotation(
            deterministic_id(str(number)), "0" * 16, "dcis", box(0, 0, 1, 1), Origin.MODEL, "model"
        )

write_geojson(Path(sys.argv[1]), annotations(), load_ontology("breast"))
"""


def test_a_kill_in_the_middle_keeps_the_old_file(tmp_path: Path, draw: Draw) -> None:
    path = tmp_path / "a.geojson"
    write_geojson(path, [draw("old")], BREAST)
    old = path.read_bytes()
    killed = subprocess.run([sys.executable, "-c", KILLED, path], timeout=60, check=False)
    assert killed.returncode == -9
    assert path.read_bytes() == old
    # What it had begun does not look like an annotation file, and is in nobody's way.
    assert [p.name for p in tmp_path.glob("*.geojson")] == ["a.geojson"]
    assert write_geojson(path, [draw("new")], BREAST) == 1


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path, draw: Draw) -> None:
    (tmp_path / "a.geojson").mkdir()
    with pytest.raises(StorageError, match="a folder lies there"):
        write_geojson(tmp_path / "a.geojson", [draw()], BREAST)


def test_an_export_without_annotations_is_an_empty_collection(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    assert write_geojson(path, [], BREAST) == 0
    assert json.loads(path.read_text()) == {"type": "FeatureCollection", "features": []}
    assert list(read_geojson(path, TRUSTED)) == []


def test_ids_survive_another_program_that_rounds(tmp_path: Path, draw: Draw) -> None:
    """QuPath keeps two decimals: the id says which annotation it is, not the outline."""
    path = tmp_path / "a.geojson"
    third = box(1 / 3, 1 / 3, 9 + 1 / 3, 9 + 1 / 3)
    written = [draw("a", geometry=third), draw("b", label="nucleus")]
    write_geojson(path, written, BREAST)
    rounded = json.loads(path.read_text(), parse_float=lambda text: round(float(text), 2))
    path.write_text(json.dumps(rounded))
    read = list(read_geojson(path, TRUSTED))
    assert [a.id for a in read] == [a.id for a in written]
    assert all(isinstance(a.id, uuid.UUID) for a in read)
    assert read[0].geometry.area == pytest.approx(81, abs=0.2)
