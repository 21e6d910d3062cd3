"""The rules that every format's features go by: ids, classes, who stands behind them."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest
from shapely import Point, box

from pathoai.errors import AnnotationError, OntologyError
from pathoai.geometry import Region
from pathoai.ontology import load_ontology
from pathoai_annotations.annotation import Annotation, Origin, Status
from pathoai_annotations.formats.annotation_format import ReadingContext
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.feature import Feature, FeatureReader, check_slide_name
from pathoai_annotations.slide_frame import Placement
from tests.annotations.formats.conformance import FRAME, SLIDE

BREAST = load_ontology("breast")
SQUARE = box(0, 0, 10, 10)
JUDGED = {"origin": "pathologist", "author": "R1", "status": "validated"}


def made(
    *features: Feature, placement: Placement | None = None, **how: object
) -> tuple[list[Annotation | None], ExchangeReport]:
    report = ExchangeReport("test")
    context = ReadingContext(SLIDE, BREAST, "R9", **how)  # type: ignore[arg-type]  # fields by name
    reader = FeatureReader(context, report, placement or Placement())
    return [reader.annotation(feature) for feature in features], report


def feature(where: str = "feature 1", **parts: object) -> Feature:
    known: dict[str, object] = {"geometry": SQUARE, "class_name": "stroma"}
    return Feature(where, **(known | parts))  # type: ignore[arg-type]  # fields by name


def test_a_uuid_is_kept_and_another_id_gives_the_same_id_each_time() -> None:
    identity = uuid.uuid4()
    kept, foreign, none = made(
        feature("1", identity=str(identity).upper()), feature("2", identity="7"), feature("3")
    )[0]
    assert kept is not None
    assert kept.id == identity
    again = made(feature("9", identity="7"), feature("8"))[0]
    assert [a and a.id for a in again] == [foreign and foreign.id, none and none.id]


def test_the_same_feature_twice_is_one_and_told() -> None:
    found, report = made(feature("feature 1"), feature("feature 2"))
    assert found[1] is None
    assert report.lost == {"a feature that is in the file twice": 1}


def test_one_id_of_two_outlines_is_refused_or_replaced_and_told() -> None:
    identity = str(uuid.uuid4())
    two = (
        feature("feature 1", identity=identity),
        feature("feature 2", identity=identity, geometry=box(5, 5, 9, 9)),
    )
    with pytest.raises(AnnotationError, match=r"feature 2: another feature.*that of feature 1"):
        made(*two)
    (one, other), report = made(*two, repair=True)
    assert one is not None
    assert other is not None
    assert one.id != other.id
    assert report.mended == {"an id that another feature has, replaced": 1}
    assert made(*two, repair=True)[0][1] == other


def test_a_name_that_was_understood_is_told() -> None:
    ((one,), report) = made(feature(class_name="Stroma"))
    assert one is not None
    assert one.label == "stroma"
    assert report.lines() == ["'Stroma' was taken for stroma"]


def test_an_unknown_class_is_refused_or_left_out_and_told() -> None:
    with pytest.raises(OntologyError, match=r"feature 1: unknown class.*did you mean 'stroma'"):
        made(feature(class_name="stomra"))
    found, report = made(feature(class_name="stomra"), repair=True)
    assert found == [None]
    assert report.mended == {"a feature of unknown class 'stomra', left out": 1}


def test_what_is_not_trusted_enters_as_a_proposal_and_that_is_told() -> None:
    ((one,), report) = made(feature(metadata=JUDGED))
    assert one is not None
    assert (one.origin, one.author, one.status) == (Origin.IMPORT, "R9", Status.PROPOSED)
    assert report.lost == {"author": 1, "origin": 1, "status": 1}
    ((trusted,), report) = made(feature(metadata=JUDGED), trust_metadata=True)
    assert trusted is not None
    assert (trusted.author, trusted.status) == ("R1", Status.VALIDATED)
    assert report.lost == {}


def test_measurements_that_are_no_finite_number_are_told_as_lost() -> None:
    numbers = {"a": 1.0, "b": float("nan"), "c": float("inf")}
    ((one,), report) = made(feature(measurements=numbers))
    assert one is not None
    assert one.measurements == {"a": 1.0}
    assert report.lost == {"measurements that are no finite number": 2}


def test_heights_of_points_go() -> None:
    ((one,), _) = made(feature(geometry=Point(1, 2, 3)))
    assert one is not None
    assert not one.geometry.has_z


def test_coordinates_are_placed_before_they_are_checked() -> None:
    place = Placement((2, 2), (100, 0))
    ((one,), _) = made(feature(), placement=place, frame=FRAME)
    assert one is not None
    assert one.geometry.equals(box(100, 0, 120, 20))
    with pytest.raises(AnnotationError, match="off the slide"):
        made(feature(), placement=Placement((1, 1), (-1, 0)), frame=FRAME)


def test_a_slide_whose_scan_starts_elsewhere_is_spoken_of() -> None:
    assert any("--origin bounds" in line for line in made(frame=FRAME)[1].lines())
    at_corner = replace(FRAME, bounds=Region(0, 0, 100, 100))
    for frame, place in ((at_corner, Placement()), (FRAME, Placement(shift=(1000, 2000)))):
        assert made(frame=frame, placement=place)[1].lines() == []


def test_a_file_about_another_slide_is_refused() -> None:
    context = ReadingContext(SLIDE, BREAST, "R9", known_as="case 7.svs")
    for name in (SLIDE, "case 7.svs"):
        check_slide_name(name, context, "a.geojson")
    with pytest.raises(AnnotationError, match=r"a\.geojson: the file is about another slide"):
        check_slide_name("case 8.svs", context, "a.geojson")
