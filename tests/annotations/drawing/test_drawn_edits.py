"""Drawing in the journal: each action is one, kept, and taken back whole."""

from __future__ import annotations

import uuid

import pytest
from shapely import LineString, Point, box

from pathoai.errors import AnnotationError, OntologyError
from pathoai.ontology import load_ontology
from pathoai_annotations.annotation import Annotation, Origin, Status
from pathoai_annotations.drawing.drawn_edits import DrawnEdits
from pathoai_annotations.drawing.outline_edits import areas_of
from pathoai_annotations.journal.edit import EditDetails
from pathoai_annotations.journal.journal import Journal
from tests.annotations.conftest import RING, SLIDE

AREA = box(0, 0, 100, 100)


class Hand:
    """A reader; everything he does is an action of its own."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    @property
    def now(self) -> DrawnEdits:
        edit: EditDetails = {"author": "R1", "action": uuid.uuid4()}
        return DrawnEdits(self.journal, SLIDE, load_ontology("breast"), edit)


@pytest.fixture
def hand(journal: Journal) -> Hand:
    return Hand(journal)


def here(hand: Hand) -> list[Annotation]:
    return [a for a in hand.journal.annotations(SLIDE) if a.status is not Status.REJECTED]


def test_what_is_drawn_is_validated(hand: Hand) -> None:
    (drawn,) = hand.now.draw("dcis", AREA).changed
    assert here(hand) == [drawn]
    assert (drawn.status, drawn.origin, drawn.author) == (
        Status.VALIDATED,
        Origin.PATHOLOGIST,
        "R1",
    )


def test_strokes_add_and_take_away(hand: Hand) -> None:
    (drawn,) = hand.now.draw("dcis", AREA).changed
    (more,) = hand.now.add(drawn.id, box(100, 0, 150, 100)).changed
    assert (more.id, more.status) == (drawn.id, Status.CORRECTED)
    assert more.geometry.equals(box(0, 0, 150, 100))
    (less,) = hand.now.subtract(drawn.id, box(40, -10, 60, 110)).changed
    assert len(areas_of(less.geometry)) == 2
    assert hand.now.subtract(drawn.id, box(900, 900, 950, 950)).count == 0
    nothing = hand.now.subtract(drawn.id, box(-10, -10, 400, 400))
    assert (nothing.changed, nothing.gone) == ((), (drawn.id,))
    assert here(hand) == []
    assert hand.journal.get(drawn.id).status is Status.REJECTED


def test_holes_are_filled(hand: Hand) -> None:
    (drawn,) = hand.now.draw("dcis", RING).changed
    (full,) = hand.now.fill_holes(drawn.id, Point(200, 200)).changed
    assert full.geometry.equals(box(80, 80, 480, 480))
    with pytest.raises(AnnotationError, match="no hole"):
        hand.now.fill_holes(drawn.id)


def test_a_split_is_one_action(hand: Hand) -> None:
    (drawn,) = hand.now.draw("dcis", AREA).changed
    before = here(hand)
    edit = hand.now.split(drawn.id, LineString([(30, -5), (30, 105)]))
    kept, other = edit.changed
    assert (kept.id, kept.geometry.area) == (drawn.id, pytest.approx(7000))
    assert (other.label, other.derived_from) == ("dcis", f"annotation:{drawn.id}")
    assert len(here(hand)) == 2
    hand.journal.undo(SLIDE, author="R1")
    assert [(a.id, a.geometry.area) for a in here(hand)] == [
        (a.id, a.geometry.area) for a in before
    ]
    hand.journal.redo(SLIDE, author="R1")
    assert len(here(hand)) == 2


def test_a_merge_is_one_action(hand: Hand) -> None:
    ids = [hand.now.draw("dcis", box(x, 0, x + 60, 50)).changed[0].id for x in (0, 50, 300)]
    edit = hand.now.merge(ids)
    assert edit.gone == tuple(ids[1:])
    assert edit.count == 3
    (left,) = here(hand)
    assert (left.id, left.geometry.area) == (ids[0], pytest.approx(110 * 50 + 60 * 50))
    hand.journal.undo(SLIDE, author="R1")
    assert {a.id for a in here(hand)} == set(ids)


def test_a_refused_edit_changes_nothing(hand: Hand) -> None:
    (one,) = hand.now.draw("dcis", AREA).changed
    (two,) = hand.now.draw("stroma", box(500, 0, 600, 100)).changed
    before = here(hand)
    with pytest.raises(AnnotationError, match="one class"):
        hand.now.merge([one.id, two.id])
    with pytest.raises(AnnotationError, match="two areas"):
        hand.now.merge([one.id])
    with pytest.raises(AnnotationError, match="cuts nothing off"):
        hand.now.split(one.id, LineString([(0, 0), (10, 10)]))
    with pytest.raises(OntologyError, match="unknown"):
        hand.now.draw("dciss", AREA)
    with pytest.raises(AnnotationError, match="unknown"):
        hand.now.add(uuid.uuid4(), AREA)
    assert here(hand) == before
