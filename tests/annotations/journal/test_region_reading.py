"""Regions that were read: each reader's last word on each stands; sign-offs and reopenings."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa

from pathoai.errors import AnnotationError
from pathoai.geometry import Region
from pathoai_annotations.journal.check import check_journal
from pathoai_annotations.journal.event import Operation
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.merge import merge_journal
from pathoai_annotations.journal.region_reading import Outcome, RegionKind, RegionReading
from pathoai_annotations.journal.undo import Undone

SLIDE, OTHER_SLIDE = "0123456789ABCDEF", "F" * 16
REGION = Region(123.45, 0.1, 256.7, 128.3)  # its right edge less its left is not its width


def _read(journal: Journal, outcome: Outcome, region: Region = REGION, author: str = "R1") -> None:
    journal.read_region(
        SLIDE, region, outcome, kind=RegionKind.COSTLY, model="unet", with_model=True, author=author
    )


def _told(journal: Journal, author: str | None = None) -> list[tuple[str, Region, str]]:
    return [(r.author, r.region, r.outcome) for r in journal.region_readings(SLIDE, author)]


def test_a_reading_comes_back_to_the_last_bit(journal: Journal) -> None:
    journal.read_region(
        SLIDE,
        REGION,
        Outcome.UNSURE,
        kind=RegionKind.CONTROL,
        with_model=False,
        author="R1",
        seconds=12.5,
        comment="out of focus",
    )
    (entry,) = journal.events()
    assert journal.region_readings() == [
        RegionReading(
            1,
            entry.at,
            SLIDE,
            REGION,
            Outcome.UNSURE,
            RegionKind.CONTROL,
            model="",
            with_model=False,
            seconds=12.5,
            comment="out of focus",
            author="R1",
        )
    ]
    assert (entry.operation, entry.annotation_id, entry.stands) == ("read_region", None, False)
    check_journal(journal)


def test_the_last_word_of_each_reader_stands_unless_he_took_it_back(journal: Journal) -> None:
    _read(journal, Outcome.ACCEPTED)
    _read(journal, Outcome.REJECTED, author="R2")
    _read(journal, Outcome.UNSURE)
    assert _told(journal) == [("R2", REGION, "rejected"), ("R1", REGION, "unsure")]
    undone = journal.undo(SLIDE, author="R1")
    assert undone == Undone(Operation.READ_REGION, 0, REGION)
    assert _told(journal, "R1") == [("R1", REGION, "accepted")]
    journal.undo(SLIDE, author="R1")
    assert _told(journal) == [("R2", REGION, "rejected")]
    journal.redo(SLIDE, author="R1")
    journal.redo(SLIDE, author="R1")
    assert _told(journal, "R1") == [("R1", REGION, "unsure")]
    assert journal.region_readings(OTHER_SLIDE) == []


def test_readings_of_a_colleague_are_merged(journal: Journal, tmp_path: Path) -> None:
    with Journal(tmp_path / "room.sqlite") as room:
        _read(room, Outcome.ACCEPTED)
        _read(room, Outcome.CORRECTED, Region(0, 0, 10, 10))
        room.undo(SLIDE, author="R1")
        room.sign_off(SLIDE, author="R1")
        room.note_time(SLIDE, 30, author="R1")
        assert merge_journal(journal, room, [SLIDE]).new == 5
        assert merge_journal(journal, room, [SLIDE]).new == 0
        assert _told(journal) == _told(room) == [("R1", REGION, "accepted")]
        check_journal(journal)
        # And what is undone on one side is undone on the other.
        room.reopen(SLIDE, author="R1")
        merge_journal(journal, room, [SLIDE])
    assert not journal.is_signed(SLIDE, "R1")


def test_a_sign_off_holds_until_its_reader_reopens_the_slide(journal: Journal) -> None:
    assert not journal.is_signed(SLIDE, "R1")
    with pytest.raises(AnnotationError, match="no sign-off to be taken back"):
        journal.reopen(SLIDE, author="R1")
    journal.sign_off(SLIDE, author="R1", grade="hsil")
    journal.sign_off(SLIDE, author="R2")
    journal.note_time(SLIDE, 3, author="R1")
    assert journal.is_signed(SLIDE, "R1")
    assert not journal.is_signed(OTHER_SLIDE, "R1")
    journal.reopen(SLIDE, author="R1", comment="saw another focus")
    assert not journal.is_signed(SLIDE, "R1")
    assert journal.is_signed(SLIDE, "R2")
    with pytest.raises(AnnotationError, match="no sign-off to be taken back"):
        journal.reopen(SLIDE, author="R1")
    journal.sign_off(SLIDE, author="R1", grade="lsil")
    assert journal.is_signed(SLIDE, "R1")
    told = journal.remarks({Operation.SIGN_OFF, Operation.REOPEN}, author="R1")
    assert [e.operation for e in told] == ["sign_off", "reopen", "sign_off"]


def test_times_are_kept(journal: Journal) -> None:
    journal.note_time(SLIDE, 41.5, author="R1")
    (entry,) = journal.remarks({Operation.READING_TIME}, SLIDE)
    assert (entry.seconds, entry.author) == (41.5, "R1")
    for seconds in (-1, float("nan")):
        with pytest.raises(AnnotationError, match="seconds"):
            journal.note_time(SLIDE, seconds, author="R1")


def test_what_is_malformed_is_refused(journal: Journal) -> None:
    details = {"kind": RegionKind.CHOSEN, "with_model": False, "author": "R1"}
    for wrong, expected in (
        ({"slide_id": "DOE_Jane"}, "named by its code"),
        ({"model": "a\nb"}, "given by its name"),
        ({"author": "Jane Doe"}, "short codes"),
        ({"comment": "IPP 8001234567"}, "identified a person"),
    ):
        given = {"slide_id": SLIDE, "region": REGION, "outcome": Outcome.ACCEPTED} | details | wrong
        with pytest.raises(AnnotationError, match=expected):
            journal.read_region(**given)  # type: ignore[arg-type]  # wrong on purpose
    assert list(journal.events()) == []


@pytest.mark.parametrize(
    "damage", ["outcome = 'perhaps'", "kind = ''", "region_width = 0", "region_height = NULL"]
)
def test_a_damaged_reading_is_named(journal: Journal, damage: str) -> None:
    _read(journal, Outcome.ACCEPTED)
    with journal.database.writing() as connection:
        trigger = {
            "sqlite": "DROP TRIGGER no_update",
            "postgresql": "ALTER TABLE events DISABLE TRIGGER no_change",
        }[connection.dialect.name]
        connection.execute(sa.text(trigger))
        connection.execute(sa.text(f"UPDATE events SET {damage}"))
    with pytest.raises(AnnotationError, match="edit 1: the journal is damaged"):
        journal.region_readings()
    with pytest.raises(AnnotationError, match="edit 1: the journal is damaged"):
        check_journal(journal)


def test_a_region_and_its_outlines_are_one_action(journal: Journal) -> None:
    action = uuid.uuid4()
    for x in (0, 400):
        region = Region(x, 0, 10, 10)
        journal.read_region(
            SLIDE,
            region,
            Outcome.ACCEPTED,
            kind=RegionKind.RANDOM,
            with_model=True,
            author="R1",
            action=action,
        )
    assert journal.undo(SLIDE, author="R1") == Undone(
        Operation.READ_REGION, 0, Region(0, 0, 410, 10)
    )
    assert journal.region_readings() == []
    assert len(list(journal.events())) == 4
