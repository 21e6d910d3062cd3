"""A reader's work beside a model's: objects one by one, areas class by class."""

from __future__ import annotations

import uuid

import pytest
import shapely
from shapely.geometry.base import BaseGeometry

from pathoai.geometry import Region
from pathoai_annotations.annotation import Annotation, Origin
from pathoai_annotations.review.model_comparison import ModelComparison, compare_with_model

REGION = Region(0, 0, 100, 100)


def outline(shape: BaseGeometry, label: str = "hsil") -> Annotation:
    return Annotation(uuid.uuid4(), "0123456789ABCDEF", label, shape, Origin.PATHOLOGIST, "R1")


def dot(x: float, y: float, label: str = "hsil") -> Annotation:
    return outline(shapely.box(x, y, x + 10, y + 10), label)


def test_where_neither_found_anything_they_agree() -> None:
    assert compare_with_model([], [], REGION) == ModelComparison(1.0)
    assert compare_with_model([], [], REGION).is_same


def test_objects_are_matched_one_by_one() -> None:
    reader = [dot(0, 0), dot(30, 0, "lsil"), dot(60, 0), dot(150, 0)]
    model = [dot(1, 0), dot(30, 1), dot(30, 60), dot(60, 60)]
    found = compare_with_model(reader, model, REGION)
    assert (found.same, found.other_class, found.reader_only, found.model_only) == (1, 1, 1, 2)
    assert found.agreement == pytest.approx(2 * 1 / (3 + 4))
    assert not found.is_same
    assert not found.by_area


def test_areas_are_compared_class_by_class_within_the_region() -> None:
    reader = [outline(shapely.box(-100, 0, 50, 100), "stroma"), dot(70, 70)]
    model = [outline(shapely.box(0, 0, 80, 100), "stroma")]
    found = compare_with_model(reader, model, REGION)
    assert found.by_area
    assert found.agreement == pytest.approx(2 * 5000 / (5000 + 8000 + 100))
    # What two outlines share is not counted twice.
    twice = [*reader, outline(shapely.box(20, 0, 50, 100), "stroma")]
    assert compare_with_model(twice, model, REGION).agreement == pytest.approx(found.agreement)
    other = [outline(shapely.box(0, 0, 80, 100), "benign")]
    assert compare_with_model(other, model, REGION).agreement == 0


def test_points_and_touching_edges_have_no_area() -> None:
    edge = outline(shapely.box(100, 0, 200, 100), "stroma")
    point = outline(shapely.Point(5, 5))
    area = outline(shapely.box(0, 0, 50, 50), "stroma")
    assert compare_with_model([point], [], REGION).agreement == 1
    assert compare_with_model([edge, area], [area], REGION).agreement == 1
