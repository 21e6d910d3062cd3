"""Many proposals in the order of their confidence, judged in one call and undone in one."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from shapely import MultiPolygon, Point, box

from pathoai.errors import AnnotationError, InvalidValueError
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Origin, Status, deterministic_id
from pathoai_annotations.journal.event import Operation
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.readers.assignment import Role, assign
from pathoai_annotations.readers.sign_off import sign_off_slide
from pathoai_annotations.review.grid import PAGE, ProposalGrid, slides_in_sight
from pathoai_annotations.review.thumbnails import Thumbnails, ThumbnailSpec, surroundings
from tests.annotations.readers.read_study import made_study, slide_ids


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setenv("PATHOAI_VAULT", str(tmp_path / "vault"))
    return made_study(tmp_path / "study", slides=2)


@pytest.fixture
def journal(study: Study) -> Iterator[Journal]:
    with Journal.open(study) as opened:
        yield opened


def proposal(slide_id: str, number: int, confidence: float | None, label: str) -> Annotation:
    x, y = number % 100 * 5.0, number // 100 * 5.0
    one = deterministic_id(slide_id, str(number), label)
    shape = box(x, y, x + 4, y + 4)
    return Annotation(one, slide_id, label, shape, Origin.MODEL, "m", confidence=confidence)


@pytest.fixture
def proposed(study: Study, journal: Journal) -> list[Annotation]:
    """600 proposals of one class on the first slide, some without a confidence; 3 on the second."""
    first, second = slide_ids(study)
    random = np.random.default_rng(11)
    sure = [None if n % 50 == 0 else float(random.integers(0, 64)) / 64 for n in range(600)]
    made = [proposal(first, n, one, "hsil") for n, one in enumerate(sure)]
    made += [proposal(first, n, 0.5, "lsil") for n in range(2)]
    made += [proposal(second, n, 0.99, "hsil") for n in range(3)]
    journal.propose(made)
    return made


def grid(study: Study, journal: Journal, *, everywhere: bool = False, **how: bool) -> ProposalGrid:
    first, *others = slide_ids(study)
    return ProposalGrid(journal, "R1", (first, *others) if everywhere else (first,), **how)


@pytest.mark.parametrize("surest_first", [True, False])
def test_proposals_are_sorted_by_confidence_either_way(
    study: Study, journal: Journal, proposed: list[Annotation], surest_first: bool
) -> None:
    shown = grid(study, journal)
    assert shown.classes() == {"hsil": 600, "lsil": 2}
    found = shown.proposals("hsil", surest_first=surest_first)
    read = shown.read(found.seq)
    sign = -1 if surest_first else 1
    # Sorting keeps the order of the journal among equals; those without a confidence come last.
    wanted = sorted(
        proposed[:600],
        key=lambda a: (a.confidence is None, sign * (a.confidence or 0)),
    )
    assert [a.id for a in read] == [a.id for a in wanted]
    assert found.pages == 2
    assert (found.page(0), found.page(1)) == (slice(0, PAGE), slice(PAGE, 600))
    with pytest.raises(InvalidValueError, match="page"):
        found.page(2)
    assert len(shown.proposals("dcis")) == 0
    assert shown.proposals("dcis").pages == 1


def test_a_hidden_model_shows_none_of_its_proposals(
    study: Study, journal: Journal, proposed: list[Annotation]
) -> None:
    assert grid(study, journal, hides_model=True).classes() == {}


def test_five_hundred_are_accepted_by_one_call_and_undone_by_one(
    study: Study, journal: Journal, proposed: list[Annotation]
) -> None:
    first, _ = slide_ids(study)
    shown = grid(study, journal)
    found = shown.proposals("hsil")
    chosen = shown.read(found.seq[found.page(0)])
    action = uuid.uuid4()
    assert shown.accept(chosen, action=action) == PAGE
    events = [e for e in journal.events(first) if e.operation is Operation.VALIDATE]
    assert len(events) == PAGE
    assert {(e.at, e.author, e.action) for e in events} == {(events[0].at, "R1", action)}
    assert shown.classes()["hsil"] == 100
    # Asking again for what was judged since gives nothing: it is no open proposal any more.
    assert shown.read(found.seq[found.page(0)]) == []
    journal.undo(first, author="R1")
    assert shown.classes()["hsil"] == 600


def test_relabelling_is_one_action_whatever_the_classes_were(
    study: Study, journal: Journal, proposed: list[Annotation]
) -> None:
    first, _ = slide_ids(study)
    shown = grid(study, journal, everywhere=True)
    chosen = [proposed[0], proposed[1], proposed[600], proposed[602]]
    assert shown.relabel(chosen, "lsil", action=uuid.uuid4()) == 4
    states = [journal.get(one.id) for one in chosen]
    assert {a.label for a in states} == {"lsil"}
    corrected, validated = Status.CORRECTED, Status.VALIDATED
    assert [a.status for a in states] == [corrected, corrected, validated, corrected]
    assert [a.confidence for a in states] == [None, None, 0.5, None]
    journal.undo(first, author="R1")
    assert [journal.get(one.id).status for one in chosen[:3]] == [Status.PROPOSED] * 3


def test_a_deleted_one_stops_all(
    study: Study, journal: Journal, proposed: list[Annotation]
) -> None:
    shown = grid(study, journal)
    journal.delete([proposed[1].id], author="R2")
    for judge in (shown.accept, shown.reject):
        with pytest.raises(AnnotationError, match="deleted"):
            judge(proposed[:3])
    with pytest.raises(AnnotationError, match="deleted"):
        shown.relabel(proposed[:3], "lsil")
    assert journal.get(proposed[0].id).status is Status.PROPOSED


def test_a_signed_slide_stops_all(
    study: Study, journal: Journal, proposed: list[Annotation]
) -> None:
    _, second = slide_ids(study)
    assign(study, [second], {"R1": Role.READER})
    sign_off_slide(study, second, reader="R1", grade="hsil")
    with pytest.raises(AnnotationError, match="locked"):
        grid(study, journal, everywhere=True).accept([proposed[0], proposed[602]])
    assert journal.get(proposed[0].id).status is Status.PROPOSED


def test_slides_to_which_a_reader_is_blind_are_not_in_sight(study: Study) -> None:
    first, second = slide_ids(study)
    assert slides_in_sight(study, "R1") == (first, second)
    assign(study, [first], {"R1": Role.BLIND_READER, "R2": Role.READER})
    assert slides_in_sight(study, "R1") == (second,)


@pytest.mark.parametrize(
    "shape",
    [box(100, 40, 180, 120), Point(200, 100), MultiPolygon([box(0, 0, 9, 9), box(20, 0, 29, 9)])],
)
def test_a_thumbnail_shows_an_object_in_its_surroundings(study: Study, shape: object) -> None:
    (slide_id, _), spec = slide_ids(study), ThumbnailSpec(64, (255, 0, 0))
    one = Annotation(uuid.uuid4(), slide_id, "hsil", shape, Origin.MODEL, "m")
    picture = Thumbnails(study, spec).picture(one)
    assert picture.shape == (64, 64, 3)
    store = SlideStore(study.store_path(slide_id))
    window = surroundings(one.geometry, store)
    assert window.width == window.height
    left, top, right, bottom = one.geometry.bounds
    assert (window.x + window.width / 2, window.y + window.height / 2) == (
        (left + right) / 2,
        (top + bottom) / 2,
    )
    assert window.width >= 1.8 * max(right - left, bottom - top)
    drawn = (picture == spec.colour).all(axis=2)
    assert drawn.any()
    if isinstance(shape, type(box(0, 0, 1, 1))):
        check_outline(drawn, 64 / 1.8)


def check_outline(drawn: NDArray[np.bool_], side: float) -> None:
    """The outline is a square of that side about the middle, a pixel off at most."""
    rows, columns = np.nonzero(drawn)
    for found in (rows, columns):
        assert found.min() == pytest.approx(32 - side / 2, abs=1.5)
        assert found.max() == pytest.approx(32 + side / 2, abs=1.5)
    assert not drawn[28:36, 28:36].any()


def test_thumbnails_have_bounds() -> None:
    with pytest.raises(InvalidValueError, match="side of thumbnails"):
        ThumbnailSpec(16)
