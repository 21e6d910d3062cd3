"""Nothing is of record without the sign-off of somebody who stands behind just that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from shapely import box

from pathoai_annotations.annotation import Annotation, Status
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.merge import merge_journal
from pathoai_annotations.record import slide_record

Draw = Callable[..., Annotation]
Told = tuple[bool, dict[str, int]]
SLIDE = "0123456789ABCDEF"
MOVED = box(0, 0, 9, 9)


def _told(journal: Journal, draw: Draw, at: int | None = None) -> Told:
    found = slide_record(journal, SLIDE, last_seq=at)
    assert found.ids <= {str(draw().id)}
    return bool(found.ids), dict(found.waiting)


def _do(journal: Journal, draw: Draw, word: str) -> None:
    """One step, e.g. ``R1 validate``."""
    reader, operation = word.split()
    one = draw().id
    steps: dict[str, Callable[[], object]] = {
        "draw": lambda: journal.propose([draw(author=reader)]),
        "validate": lambda: journal.validate([one], author=reader),
        "reject": lambda: journal.reject([one], author=reader),
        "delete": lambda: journal.delete([one], author=reader),
        "move": lambda: journal.correct(one, author=reader, geometry=MOVED),
        "relabel": lambda: journal.correct(one, author=reader, label="stroma"),
        "back": lambda: journal.correct(one, author=reader, geometry=draw().geometry, label="dcis"),
        "settle": lambda: journal.adjudicate(one, author=reader, status=Status.VALIDATED),
        "refuse": lambda: journal.adjudicate(one, author=reader, status=Status.REJECTED),
        "sign": lambda: journal.sign_off(SLIDE, author=reader),
        "sign-other": lambda: journal.sign_off("F" * 16, author=reader),
        "reopen": lambda: journal.reopen(SLIDE, author=reader),
        "undo": lambda: journal.undo(SLIDE, author=reader),
        "redo": lambda: journal.redo(SLIDE, author=reader),
        "comment": lambda: journal.comment("?", slide_id=SLIDE, author=reader),
    }
    steps[operation]()


OF_RECORD: Told = (True, {})
NOTHING: Told = (False, {})


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], NOTHING),
        (["R1 sign"], NOTHING),  # a proposal stays one, whoever signs
        (["R1 validate"], (False, {"R1": 1})),
        (["R1 validate", "R1 sign"], OF_RECORD),
        (["R1 validate", "R1 sign-other"], (False, {"R1": 1})),
        (["R1 validate", "R2 sign"], (False, {"R1": 1})),
        (["R1 sign", "R1 validate"], (False, {"R1": 1})),
        (["R1 validate", "R1 sign", "R1 reopen"], (False, {"R1": 1})),
        (["R1 validate", "R1 sign", "R1 reopen", "R1 sign"], OF_RECORD),
        (["R1 validate", "R1 sign", "R1 sign", "R1 reopen"], (False, {"R1": 1})),
        (["R1 validate", "R1 sign", "R2 sign", "R2 reopen", "R2 comment"], OF_RECORD),
        # What another changed since waits for the other, and who signed before does not cover it.
        (["R1 validate", "R1 sign", "R2 move"], (False, {"R2": 1})),
        (["R1 validate", "R1 sign", "R2 move", "R1 sign"], (False, {"R2": 1})),
        (["R1 validate", "R1 sign", "R2 move", "R2 sign"], OF_RECORD),
        (["R1 validate", "R1 sign", "R2 relabel", "R3 back"], OF_RECORD),  # just what R1 signed
        (["R1 validate", "R1 sign", "R2 reject"], NOTHING),
        (["R1 validate", "R1 sign", "R2 delete"], NOTHING),
        # He took his word back, and another's is not signed.
        (["R1 validate", "R1 sign", "R1 reject", "R2 validate"], (False, {"R2": 1})),
        (["R1 validate", "R1 sign", "R1 reject", "R2 validate", "R2 sign"], OF_RECORD),
        # What was undone is as if it had not been done.
        (["R1 validate", "R1 sign", "R2 move", "R2 undo"], OF_RECORD),
        (["R1 validate", "R1 sign", "R2 move", "R2 undo", "R2 redo"], (False, {"R2": 1})),
        (["R1 validate", "R2 move", "R2 undo"], (False, {"R1": 1})),
        (["R1 validate", "R2 move", "R2 undo", "R2 sign"], (False, {"R1": 1})),
        (["R1 validate", "R1 undo", "R1 sign"], NOTHING),
        (["R1 delete", "R1 undo", "R1 validate", "R1 sign"], OF_RECORD),
        # An adjudicator's word needs no sign-off, until somebody says otherwise.
        (["R1 validate", "R3 settle"], OF_RECORD),
        (["R1 reject", "R1 sign", "R3 settle"], OF_RECORD),
        (["R1 validate", "R1 sign", "R3 refuse"], NOTHING),
        (["R1 validate", "R3 settle", "R2 move"], (False, {"R2": 1})),
        (["R1 validate", "R3 settle", "R3 undo"], (False, {"R1": 1})),
    ],
)
def test_who_stands_behind_it_has_signed(
    tmp_path: Path, draw: Draw, steps: Sequence[str], expected: Told
) -> None:
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.propose([draw(author="model")])
        for step in steps:
            _do(journal, draw, step)
        assert _told(journal, draw) == expected


def test_it_can_be_asked_of_any_moment(journal: Journal, draw: Draw) -> None:
    for step in ("R1 draw", "R1 validate", "R1 sign", "R2 move"):
        _do(journal, draw, step)
    told = [_told(journal, draw, at) for at in range(5)]
    waits: list[Told] = [(False, {"R1": 1}), (False, {"R2": 1})]
    assert told == [NOTHING, NOTHING, waits[0], OF_RECORD, waits[1]]
    assert slide_record(journal, "F" * 16).ids == frozenset()
    assert slide_record(journal, SLIDE).remedies == [
        f"pathoai readers sign-off STUDY --reader R2 --slide {SLIDE}"
    ]


def test_what_two_readers_validated_in_their_rooms_is_of_record_with_the_first(
    journal: Journal, draw: Draw, tmp_path: Path
) -> None:
    journal.propose([draw(author="model")])
    for reader in ("R1", "R2"):
        with Journal(tmp_path / f"{reader}.sqlite") as room:
            room.propose([draw(author="model")])
            _do(room, draw, f"{reader} validate")
            if reader == "R2":  # whose word is set aside: R1's came first
                _do(room, draw, "R2 sign")
            merge_journal(journal, room, [SLIDE])
    assert [e.stands for e in journal.events()][:3] == [True, True, False]
    assert _told(journal, draw) == OF_RECORD
