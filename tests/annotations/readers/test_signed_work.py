"""What is a reader's own work, whatever others did to the same annotations."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from shapely import box

from pathoai_annotations.annotation import Annotation, Origin
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.merge import merge_journal
from pathoai_annotations.readers.signed_work import (
    TimedRegion,
    last_sign_offs,
    outlines_of,
    sign_offs,
    timed_regions,
)

SLIDE = "0123456789ABCDEF"


def _proposed(number: int) -> Annotation:
    """A model's proposal: the same in every journal."""
    outline = box(10 * number, 0, 10 * number + 8, 8)
    return Annotation(uuid.UUID(int=number), SLIDE, "hsil", outline, Origin.MODEL, "model")


def _work(journal: Journal) -> dict[str, set[int]]:
    signed = {r: one for (_, r), one in last_sign_offs(sign_offs(journal)).items()}
    found = outlines_of(journal.events(SLIDE), signed)
    return {reader: {a.id.int for a in own.values()} for reader, own in found.items()}


def test_two_readers_judge_the_same_proposals_in_rooms_of_their_own(tmp_path: Path) -> None:
    proposals = [_proposed(number) for number in range(1, 5)]
    one, two, three = (proposals[at].id for at in range(3))
    with (
        Journal(tmp_path / "study.sqlite") as study,
        Journal(tmp_path / "r1.sqlite") as first,
        Journal(tmp_path / "r2.sqlite") as second,
    ):
        for room in (first, second):
            room.propose(proposals)
        first.validate([one, two], author="R1")
        first.delete([two], author="R1")
        first.correct(three, author="R1", label="lsil")
        first.sign_off(SLIDE, author="R1", grade="hsil")
        second.reject([one], author="R2")
        second.validate([two, three], author="R2")
        second.sign_off(SLIDE, author="R2", grade="lsil")
        second.validate([proposals[3].id], author="R2")  # after he signed
        for room in (first, second):
            merge_journal(study, room, [SLIDE])
        assert _work(study) == {"R1": {1, 3}, "R2": {2, 3}}
        # An adjudicator's word is his own, and changes nobody's reading.
        study.reject([three], author="R3")
        assert _work(study) == {"R1": {1, 3}, "R2": {2, 3}}
        signed = {r: one for (_, r), one in last_sign_offs(sign_offs(study)).items()}
        labels = {r: own[three].label for r, own in outlines_of(study.events(), signed).items()}
        assert labels == {"R1": "lsil", "R2": "hsil"}


def test_what_was_read_without_help_is_no_part_of_the_reading_with_it(tmp_path: Path) -> None:
    proposals = [_proposed(number) for number in range(1, 4)]
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.propose(proposals)
        journal.validate([proposals[0].id], author="R1", seconds=20)
        journal.sign_off(SLIDE, author="R1", grade="hsil", with_model=False)
        journal.validate([proposals[1].id], author="R1", seconds=5)
        journal.comment("wait", author="R1", slide_id=SLIDE)
        journal.sign_off(SLIDE, author="R1", grade="lsil", with_model=True)
        journal.validate([proposals[2].id], author="R1", seconds=4)
        journal.sign_off(SLIDE, author="R1", grade="lsil", with_model=True)  # looked again
        assert _work(journal) == {"R1": {2, 3}}
        assert timed_regions(journal.events(SLIDE), sign_offs(journal)) == [
            TimedRegion("R1", "hsil", 20, with_model=False),
            TimedRegion("R1", "hsil", 5, with_model=True),
            TimedRegion("R1", "hsil", 4, with_model=True),
        ]


def test_who_outlined_nothing_read_all_the_same(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.sign_off(SLIDE, author="R1")
        assert _work(journal) == {"R1": set()}
        (one,) = sign_offs(journal)
        assert (one.grade, one.seconds) == ("", None)


@pytest.mark.parametrize("seconds", [None, 12.5])
def test_seconds_are_those_that_were_measured(tmp_path: Path, seconds: float | None) -> None:
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.sign_off(SLIDE, author="R1", seconds=seconds)
        assert sign_offs(journal)[0].seconds == seconds


def test_what_was_undone_is_nobodys_work(tmp_path: Path) -> None:
    proposals = [_proposed(number) for number in range(1, 4)]
    one, two, three = (a.id for a in proposals)
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.propose(proposals)
        journal.validate([one], author="R2")
        journal.validate([two], author="R1")
        journal.correct(one, author="R1", label="lsil")
        journal.undo(SLIDE, author="R1")  # it is R2's again, and R1 said nothing of it
        journal.correct(three, author="R1", label="lsil")
        journal.undo(SLIDE, author="R1")
        journal.redo(SLIDE, author="R1")
        for reader in ("R1", "R2"):
            journal.sign_off(SLIDE, author=reader)
        assert _work(journal) == {"R1": {2, 3}, "R2": {1}}


def test_a_reopened_slide_is_unread_until_it_is_signed_off_again(tmp_path: Path) -> None:
    proposals = [_proposed(number) for number in range(1, 4)]
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.propose(proposals)
        journal.validate([proposals[0].id], author="R1", seconds=20)
        journal.sign_off(SLIDE, author="R1", grade="hsil", seconds=90)
        journal.reopen(SLIDE, author="R1")
        assert _work(journal) == {}
        journal.reject([proposals[0].id], author="R1", seconds=2)
        journal.validate([proposals[1].id], author="R1", seconds=3)
        journal.sign_off(SLIDE, author="R1", grade="lsil", seconds=120, with_model=True)
        assert _work(journal) == {"R1": {2}}
        first, second = sign_offs(journal)
        assert (first.reopened, second.reopened) == (True, False)
        # What he did before he reopened it is part of the one reading that there was.
        assert last_sign_offs([first, second])[SLIDE, "R1"].since == 0
        journal.sign_off(SLIDE, author="R1", grade="lsil", with_model=False)
        journal.reopen(SLIDE, author="R1")
        assert _work(journal) == {}
