"""Annotations in columns say what the annotations say one by one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import shapely
from shapely import Point, box

from pathoai.study.study import Study
from pathoai_annotations.annotation import OF_RECORD, Annotation, Status
from pathoai_annotations.journal.journal import Journal

Draw = Callable[..., Annotation]
SLIDE = "0123456789ABCDEF"


@pytest.fixture
def journal(study: Study, draw: Draw) -> Journal:
    """A point, a box and an outline, and a box on another slide; the point is validated."""
    shapes = {"p": Point(7, 9), "b": box(10, 20, 40, 30), "o": box(0, 0, 9, 9).buffer(3)}
    drawn = [draw(name, geometry=shape) for name, shape in shapes.items()]
    found = Journal.open(study)
    found.propose([*drawn, draw("elsewhere", slide_id="F" * 16)])
    found.validate([drawn[0].id], author="R2")
    return found


def test_they_are_the_annotations(journal: Journal) -> None:
    with journal:
        columns, one_by_one = journal.columns(SLIDE), journal.annotations(SLIDE)
    assert len(columns) == 3
    for name in ("id", "label", "status", "origin", "author"):
        column = getattr(columns, f"{name}es" if name == "status" else f"{name}s")
        assert column.tolist() == [str(getattr(a, name)) for a in one_by_one]
    outlines = [shapely.from_wkb(wkb) for wkb in columns.outlines]
    assert outlines == [a.geometry for a in one_by_one]
    np.testing.assert_array_equal(columns.bounds, [a.geometry.bounds for a in one_by_one])
    np.testing.assert_array_equal(columns.centres, [[7, 9], [25, 25], [4.5, 4.5]])


def test_status_and_choice(journal: Journal) -> None:
    with journal:
        assert journal.columns(SLIDE, status=OF_RECORD).statuses.tolist() == ["validated"]
        proposed = journal.columns(SLIDE, status={Status.PROPOSED})
        assert len(journal.columns("0" * 16)) == 0
        assert journal.columns("0" * 16).centres.shape == (0, 2)
    chosen = proposed.chosen(np.array([False, True]))
    assert chosen.centres.tolist() == [[4.5, 4.5]]


def test_the_hash_changes_with_class_status_and_outline_only(journal: Journal) -> None:
    with journal:
        columns = journal.columns(SLIDE)
        turned = columns.chosen(np.array([2, 1, 0]))
        assert turned.sha256 == columns.sha256
        seen = {columns.sha256}
        first = journal.annotations(SLIDE)[0].id
        for change in ({"label": "stroma"}, {"geometry": Point(7, 10)}):
            journal.correct(first, author="R1", **change)
            seen.add(journal.columns(SLIDE).sha256)
        journal.reject([first], author="R1")
        seen.add(journal.columns(SLIDE).sha256)
    assert len(seen) == 4
