"""Files of other programs: read where they are clear, refused by position where they are not."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path

import pytest
from shapely import box

from pathoai.errors import AnnotationError, OntologyError
from pathoai.ontology import load_ontology
from pathoai_annotations.annotation import Annotation, Origin, Status
from pathoai_annotations.formats.annotation_format import ReadingContext
from pathoai_annotations.formats.geojson import read_geojson

SLIDES = ("0123456789ABCDEF", "FEDCBA9876543210")
BREAST = load_ontology("breast")
PLAIN = ReadingContext(SLIDES[0], BREAST, "R9")
TRUSTED = ReadingContext(SLIDES[0], BREAST, "R9", trust_metadata=True)
SQUARE = [[0, 0], [8, 0], [8, 8], [0, 8], [0, 0]]
NUCLEUS = {"name": "nucleus", "color": [0, 0, 0]}
SPIKE = [[0, 0], [10, 0], [10, 10], [5, 10], [5, 20], [5, 10], [0, 10], [0, 0]]
BOW_TIE = [[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]]
LITTLE_LOOP = [[0, 0], [100, 0], [100, 100], [50, 100], [40, 130], [60, 130], [45, 100], [0, 100]]


def _file(path: Path, *rings: object, **properties: object) -> Path:
    properties = {"classification": NUCLEUS} | properties
    feature = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": list(rings) or [SQUARE]},
        "properties": properties,
    }
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return path


def _read(path: Path, context: ReadingContext = PLAIN) -> Annotation:
    (annotation,) = read_geojson(path, context)
    return annotation


@pytest.mark.parametrize(
    "classification",
    [
        "nucleus_lymphocyte",
        {"name": "nucleus_lymphocyte"},
        {"name": "nucleus_lymphocyte", "color": [1, 2, 3], "unknown": None},
        {"names": ["nucleus", "nucleus_lymphocyte"], "color": [1, 2, 3]},
        {"names": ["nucleus_lymphocyte"]},
    ],
)
def test_a_class_is_read_in_each_form_that_qupath_knows(
    tmp_path: Path, classification: object
) -> None:
    path = _file(tmp_path / "a.geojson", classification=classification)
    assert _read(path).label == "nucleus_lymphocyte"


@pytest.mark.parametrize("classification", [None, {}, {"name": None}, {"names": []}, {"names": 7}])
def test_a_feature_without_a_class_gets_the_default_one_only_where_stated(
    tmp_path: Path, classification: object
) -> None:
    path = _file(tmp_path / "a.geojson", classification=classification)
    with pytest.raises(AnnotationError, match=r"feature 1: a feature without a class.*--label"):
        _read(path)
    assert (
        _read(path, ReadingContext(SLIDES[0], BREAST, "R1", default_label="dcis")).label == "dcis"
    )


@pytest.mark.parametrize("classification", [7, [], ["nucleus"], {"name": ["nucleus"]}, "Nuclei"])
def test_a_class_that_is_none_is_refused_by_position(
    tmp_path: Path, classification: object
) -> None:
    path = _file(tmp_path / "a.geojson", classification=classification)
    with pytest.raises(OntologyError, match=r"a\.geojson feature 1: unknown class"):
        _read(path)


def test_what_enters_is_a_proposal_of_the_importer_whatever_the_file_says(tmp_path: Path) -> None:
    metadata = {"origin": "pathologist", "status": "validated", "author": "R1"}
    path = _file(tmp_path / "a.geojson", metadata=metadata)
    read = _read(path)
    assert (read.origin, read.status, read.author) == (Origin.IMPORT, Status.PROPOSED, "R9")
    trusted = _read(path, TRUSTED)
    assert (trusted.origin, trusted.status, trusted.author) == (
        Origin.PATHOLOGIST,
        Status.VALIDATED,
        "R1",
    )


@pytest.mark.parametrize(
    "metadata",
    [
        {"status": "validated"},
        {"status": "validated", "origin": "pathologist"},
        {"status": "validated", "origin": "god", "author": "R1"},
        {"status": "validated", "origin": "pathologist", "author": "Marie Dupont"},
    ],
)
def test_trusted_metadata_is_whole_or_refused(tmp_path: Path, metadata: object) -> None:
    with pytest.raises(AnnotationError, match="feature 1"):
        _read(_file(tmp_path / "a.geojson", metadata=metadata), TRUSTED)


def test_foreign_ids_belong_to_their_slide(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.geojson")
    ids = {_read(path, ReadingContext(slide, BREAST, "R1")).id for slide in SLIDES}
    assert len(ids) == 2
    # Neither who imports it nor the file's name matters.
    again = path.rename(tmp_path / "b.geojson")
    assert _read(again, ReadingContext(SLIDES[0], BREAST, "R2")).id in ids


def test_an_outline_is_repaired_where_no_area_changes(tmp_path: Path) -> None:
    read = _read(_file(tmp_path / "a.geojson", SPIKE))
    assert read.geometry.equals(box(0, 0, 10, 10))


def test_the_hole_that_touches_its_shell_along_a_line_is_repaired(tmp_path: Path) -> None:
    hole = [[0, 2], [2, 2], [2, 4], [0, 4], [0, 2]]
    read = _read(_file(tmp_path / "a.geojson", SQUARE, hole))
    assert read.geometry.equals(box(0, 0, 8, 8) - box(0, 2, 2, 4))


@pytest.mark.parametrize(
    "rings",
    [
        [BOW_TIE],
        [LITTLE_LOOP],
        [SQUARE, [[20, 20], [30, 20], [30, 30], [20, 20]]],
        [SQUARE, [[4, 4], [12, 4], [12, 6], [4, 4]]],
        [SQUARE[:-1] * 2],
        [[[0, 0], [5, 5], [9, 9], [0, 0]]],
    ],
    ids=["bow tie", "loop", "hole outside", "hole across", "round twice", "no area"],
)
def test_an_outline_whose_area_is_not_clear_is_refused(tmp_path: Path, rings: list[object]) -> None:
    with pytest.raises(
        AnnotationError, match=r"feature 1: (the outline cr|a hole lies out).*Remedy"
    ):
        _read(_file(tmp_path / "a.geojson", *rings))


@pytest.mark.parametrize(
    "number", [math.nan, math.inf, -math.inf, "NaN", 10**400], ids=lambda n: str(n)[:4]
)
def test_a_coordinate_that_is_no_number_is_refused_without_a_warning(
    tmp_path: Path, number: object
) -> None:
    ring = [[0, 0], [8, 0], [8, number], [0, 8], [0, 0]]
    with pytest.raises(AnnotationError, match="feature 1: malformed geometry"):
        _read(_file(tmp_path / "a.geojson", ring))


@pytest.mark.parametrize("coordinates", [[[SQUARE], []], [SQUARE], [[[[0, 0], [1]]]], {}, 7])
def test_a_malformed_multipolygon_is_refused(tmp_path: Path, coordinates: object) -> None:
    path = tmp_path / "a.geojson"
    geometry = {"type": "MultiPolygon", "coordinates": coordinates}
    feature = {"type": "Feature", "geometry": geometry, "properties": {"classification": NUCLEUS}}
    path.write_text(json.dumps(feature))
    with pytest.raises(AnnotationError, match=r"feature 1: (malformed|empty) geometry"):
        _read(path)


@pytest.mark.parametrize("probability", ["NaN", "Infinity", -0.5, 1.5, "much", [0.5]])
def test_a_probability_that_is_none_is_refused(tmp_path: Path, probability: object) -> None:
    path = _file(tmp_path / "a.geojson", measurements={"probability": probability})
    with pytest.raises(AnnotationError, match=r"feature 1: (confidence|probability is no number)"):
        _read(path)


@pytest.mark.parametrize("measurements", [{}, {"Area": "NaN"}, {"Area": math.nan}, None, []])
def test_other_measurements_do_not_matter(tmp_path: Path, measurements: object) -> None:
    assert _read(_file(tmp_path / "a.geojson", measurements=measurements)).confidence is None


def test_the_first_of_two_faults_is_named_by_its_position(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.geojson")
    collection = json.loads(path.read_text())
    (good,) = collection["features"]
    collection["features"] = [good, good | {"geometry": None}, {}, good]
    path.write_text(json.dumps(collection))
    with pytest.raises(AnnotationError, match="feature 2: a feature without geometry"):
        list(read_geojson(path, PLAIN))


@pytest.mark.parametrize("name", ["a.geojson.gz", "A.GEOJSON.GZ"])
def test_an_archive_is_read_however_its_ending_is_spelt(tmp_path: Path, name: str) -> None:
    data = _file(tmp_path / "a.geojson").read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(data))
    assert _read(tmp_path / name) == _read(tmp_path / "a.geojson")


def test_an_archive_damaged_inside_is_refused(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(_file(tmp_path / "a.geojson").read_bytes()))
    data[15:40] = bytes(25)
    path = tmp_path / "a.geojson.gz"
    path.write_bytes(data)
    with pytest.raises(AnnotationError, match=r"a\.geojson\.gz: not a GeoJSON file"):
        _read(path)


def test_a_file_nested_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    path.write_text("[" * 1_000_000)
    with pytest.raises(AnnotationError, match="not a GeoJSON file"):
        _read(path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.geojson").mkdir()
    with pytest.raises(AnnotationError, match="not a GeoJSON file"):
        _read(tmp_path / "a.geojson")


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.geojson")
    path.write_text(path.read_text(), encoding="utf-8-sig")
    assert _read(path).label == "nucleus"
