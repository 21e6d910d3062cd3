"""Whatever is done to a journal, it holds what a plain dictionary with a memory would."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Polygon, box

from pathoai.errors import AnnotationError
from pathoai.geometry import Region
from pathoai_annotations.annotation import Annotation, Origin, Status, deterministic_id
from pathoai_annotations.journal.journal import Journal

SLIDES = ("0123456789ABCDEF", "FEDCBA9876543210")
LABELS = ("dcis", "stroma")
IDS = [deterministic_id(str(number)) for number in range(6)]


Places = Callable[[], AbstractContextManager[Path | str]]


class Refused(Exception):
    """What the model says where the journal raises."""


@dataclass
class Model:
    """The journal's rules in the plainest words: a dictionary, and a copy of it per edit."""

    states: dict[uuid.UUID, Annotation] = field(default_factory=dict)
    history: list[dict[uuid.UUID, Annotation]] = field(default_factory=list)

    def put(self, annotation: Annotation) -> None:
        self.states = {**self.states, annotation.id: annotation}
        self.history.append(self.states)

    def require(self, ids: Iterable[uuid.UUID]) -> None:
        if not set(ids) <= set(self.states):
            raise Refused

    def propose(self, batch: list[Annotation]) -> None:
        for new in batch:
            # What came in first, and what it has become since, are no news.
            known = [past[new.id] for past in self.history if new.id in past]
            if known and not any(_same(new, state) for state in (known[0], known[-1])):
                raise Refused
        for new in batch:
            if new.id not in self.states:
                self.put(new)

    def set_status(self, ids: list[uuid.UUID], status: Status, author: str) -> None:
        self.require(ids)
        for one in ids:
            found = self.states[one].status
            is_correction = status is Status.VALIDATED and found is Status.CORRECTED
            if found is not status and not is_correction:
                self.put(replace(self.states[one], status=status, author=author))

    def correct(self, one: uuid.UUID, outline: Polygon | None, label: str | None) -> None:
        self.require([one])
        state = replace(self.states[one], status=Status.CORRECTED, author="R3", confidence=None)
        state = state if outline is None else replace(state, geometry=outline)
        self.put(state if label is None else replace(state, label=label))


def _same(new: Annotation, known: Annotation) -> bool:
    same_outline = bool(new.geometry.equals(known.geometry))
    return same_outline and (new.slide_id, new.label) == (known.slide_id, known.label)


Operation = tuple[Callable[[Journal], object], Callable[[Model], object]]

squares = st.builds(
    lambda x, y, side: box(x, y, x + side, y + side),
    *(st.floats(-50, 50), st.floats(-50, 50), st.floats(0.5, 30)),
)
id_lists = st.lists(st.sampled_from(IDS), max_size=4, unique=True)
labels = st.sampled_from(LABELS)


def _proposal(number: int, label: str) -> Annotation:
    return Annotation(
        IDS[number],
        SLIDES[number % 2],
        label,
        box(10.0 * number, 0, 10.0 * number + 8, 5),
        Origin.MODEL,
        "model",
        confidence=number / 10,
    )


def _propose(batch: list[Annotation]) -> Operation:
    return (lambda journal: journal.propose(batch), lambda model: model.propose(batch))


def _validate(ids: list[uuid.UUID]) -> Operation:
    return (
        lambda journal: journal.validate(ids, author="R1"),
        lambda model: model.set_status(ids, Status.VALIDATED, "R1"),
    )


def _reject(ids: list[uuid.UUID]) -> Operation:
    return (
        lambda journal: journal.reject(ids, author="R2"),
        lambda model: model.set_status(ids, Status.REJECTED, "R2"),
    )


def _correct(one: uuid.UUID, outline: Polygon | None, label: str | None) -> Operation:
    return (
        lambda journal: journal.correct(one, author="R3", geometry=outline, label=label),
        lambda model: model.correct(one, outline, label),
    )


proposals = st.builds(_proposal, st.integers(0, len(IDS) - 1), labels)
operations = st.one_of(
    st.builds(_propose, st.lists(proposals, max_size=4, unique_by=lambda a: a.id)),
    st.builds(_validate, id_lists),
    st.builds(_reject, id_lists),
    st.builds(_correct, st.sampled_from(IDS), st.none() | squares, st.none() | labels),
)
everything = st.just(_propose([_proposal(number, "dcis") for number in range(len(IDS))]))
histories = st.one_of(
    st.lists(operations, max_size=15),
    st.builds(lambda first, rest: [first, *rest], everything, st.lists(operations, max_size=15)),
)
regions = st.builds(
    Region, st.floats(-60, 60), st.floats(-60, 60), st.floats(0.1, 60), st.floats(0.1, 60)
)


def _play(journal: Journal, history: list[Operation]) -> Model:
    model = Model()
    for act, expect in history:
        try:
            expect(model)
        except Refused:
            with pytest.raises(AnnotationError):
                act(journal)
        else:
            act(journal)
    return model


@settings(max_examples=25, deadline=None)
@given(history=histories)
def test_every_past_state_equals_a_replay(new_place: Places, history: list[Operation]) -> None:
    with new_place() as place, Journal(place) as journal:
        model = _play(journal, history)
        assert journal.annotations() == list(model.states.values())
        assert [e.seq for e in journal.events()] == list(range(1, len(model.history) + 1))
        assert journal.annotations(at_seq=0) == []
        for seq, past in enumerate(model.history, start=1):
            assert journal.annotations(at_seq=seq) == list(past.values())
        for event, past in zip(journal.events(), model.history, strict=True):
            assert past[event.state.id] == event.annotation
            assert event.author == event.annotation.author
        counts = Counter(a.status for a in model.states.values())
        assert journal.counts() == {status: counts[status] for status in Status}
        for one, state in model.states.items():
            assert journal.get(one) == state


def _touches(annotation: Annotation, region: Region) -> bool:
    left, top, right, bottom = annotation.geometry.bounds
    across = left <= region.x + region.width and right >= region.x
    return bool(across and top <= region.y + region.height and bottom >= region.y)


@settings(max_examples=25, deadline=None)
@given(
    history=histories,
    region=regions,
    slide_id=st.none() | st.sampled_from(SLIDES),
    status=st.none() | st.sets(st.sampled_from(Status)),
    at_seq=st.integers(0, 20),
)
def test_every_query_equals_a_look_at_each_annotation(
    new_place: Places,
    history: list[Operation],
    region: Region,
    slide_id: str | None,
    status: set[Status] | None,
    at_seq: int,
) -> None:
    with new_place() as place, Journal(place) as journal:
        model = _play(journal, history)
        past = [{}, *model.history][min(at_seq, len(model.history))]
        expected = [
            a
            for a in past.values()
            if _touches(a, region)
            and (slide_id is None or a.slide_id == slide_id)
            and (status is None or a.status in status)
        ]
        found = journal.annotations(slide_id, status=status, region=region, at_seq=at_seq)
        assert found == expected


def test_a_region_holds_what_only_touches_its_edge(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.propose([_proposal(1, "dcis")])  # 10 to 18 across, 0 to 5 down
        for x, y, is_in in ((18, 5, True), (18.5, 0, False), (0, -10, True), (-0.5, 0, False)):
            assert len(journal.annotations(region=Region(x, y, 10, 10))) == is_in
