"""No annotation exists that could not be shown, stored or trusted."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
import shapely
from shapely import LineString, MultiPoint, MultiPolygon, Point, Polygon, box
from shapely.geometry.base import BaseGeometry

from pathoai.errors import AnnotationError
from pathoai_annotations.annotation import (
    OF_RECORD,
    Annotation,
    Status,
    check_author,
    deterministic_id,
)

Draw = Callable[..., Annotation]

BOW_TIE = Polygon([(0, 0), (10, 10), (10, 0), (0, 10)])
HOLE_OUTSIDE = Polygon(box(0, 0, 10, 10).exterior, [box(20, 20, 30, 30).exterior])
OVERLAPPING = MultiPolygon([box(0, 0, 10, 10), box(5, 5, 15, 15)])


@pytest.mark.parametrize(
    "geometry",
    [
        Point(3, 4),
        MultiPoint([(0, 0), (5, 5)]),
        LineString([(0, 0), (5, 5)]),
        Polygon(box(0, 0, 9, 9).exterior, [box(2, 2, 4, 4).exterior]),
        MultiPolygon([box(0, 0, 1, 1), box(2, 2, 3, 3)]),
    ],
    ids=lambda g: str(g.geom_type),
)
def test_every_geometry_that_a_reader_can_draw_is_taken(draw: Draw, geometry: BaseGeometry) -> None:
    assert draw(geometry=geometry).geometry == geometry


@pytest.mark.parametrize(
    ("geometry", "reason"),
    [
        (BOW_TIE, "Self-intersection"),
        (HOLE_OUTSIDE, "Hole lies outside shell"),
        (OVERLAPPING, "Self-intersection"),
        (Polygon(), "empty"),
        (MultiPolygon(), "empty"),
        (Point(), "empty"),
        (Point(math.nan, 0), "Invalid Coordinate"),
        (Point(0, math.inf), "Invalid Coordinate"),
        (LineString([(1, 1), (1, 1)]), "Too few points"),
        (shapely.GeometryCollection([box(0, 0, 1, 1)]), "GeometryCollection"),
        (shapely.LinearRing([(0, 0), (1, 0), (1, 1)]), "LinearRing"),
    ],
)
def test_a_malformed_outline_is_refused_with_the_reason(
    draw: Draw, geometry: BaseGeometry, reason: str
) -> None:
    with pytest.raises(AnnotationError, match=reason):
        draw(geometry=geometry)


@pytest.mark.parametrize(
    "author",
    ["", "marie@chu.example", "Marie Dupont", "Dupont, M.", "R1\n", " R1", "-R1", "Ré", "a" * 33],
)
def test_a_name_or_address_is_no_author_and_is_not_repeated_in_the_error(
    draw: Draw, author: str
) -> None:
    with pytest.raises(AnnotationError, match="short codes") as raised:
        draw(author=author)
    assert raised.value.found == f"{len(author)} characters"


@pytest.mark.parametrize("author", ["R1", "r", "2", "reader-1_b", "a" * 32])
def test_short_codes_are_authors(author: str) -> None:
    check_author(author)


@pytest.mark.parametrize("confidence", [-0.01, 1.01, math.nan, math.inf, -math.inf])
def test_confidence_is_a_probability(draw: Draw, confidence: float) -> None:
    with pytest.raises(AnnotationError, match="confidence"):
        draw(confidence=confidence)


@pytest.mark.parametrize("confidence", [None, 0.0, 1.0, 0.5])
def test_the_ends_of_the_range_are_probabilities(draw: Draw, confidence: float | None) -> None:
    assert draw(confidence=confidence).confidence == confidence


@pytest.mark.parametrize(
    "slide_id", ["", "DOE_Jane_B12-3456", "0123456789abcdef", "0123456789ABCDE", "0" * 17, "I" * 16]
)
def test_a_slide_is_named_by_code_and_a_name_is_not_repeated_in_the_error(
    draw: Draw, slide_id: str
) -> None:
    with pytest.raises(AnnotationError, match="by code") as raised:
        draw(slide_id=slide_id)
    assert not slide_id or slide_id not in str(raised.value)


def test_an_annotation_cannot_be_changed_in_place(draw: Draw) -> None:
    changed: dict[str, Any] = {"label": "stroma"}
    annotation = draw()
    with pytest.raises(FrozenInstanceError):
        setattr(annotation, *changed.popitem())


def test_a_changed_copy_is_checked_like_a_new_annotation(draw: Draw) -> None:
    with pytest.raises(AnnotationError, match="crosses itself"):
        replace(draw(), geometry=BOW_TIE)


def test_only_what_a_pathologist_stands_behind_is_of_record() -> None:
    assert {Status.VALIDATED, Status.CORRECTED} == OF_RECORD


def test_an_id_depends_on_every_part_and_on_where_parts_end() -> None:
    assert deterministic_id("a", "b") == deterministic_id("a", "b")
    ids = [deterministic_id(*p) for p in (("a", "b"), ("b", "a"), ("ab",), ("a", "b", ""))]
    assert len(set(ids)) == len(ids)
