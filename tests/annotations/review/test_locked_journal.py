"""What a reader has signed off, nothing that goes through a window's journal changes."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from shapely import box

from pathoai.errors import AnnotationError
from pathoai.geometry import Region
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Origin, Status
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.region_reading import Outcome, RegionKind
from pathoai_annotations.review.locked_journal import LockedJournal

Draw = Callable[..., Annotation]
WHERE = Region(0, 0, 100, 100)


@pytest.fixture
def journal(study: Study) -> Iterator[Journal]:
    with LockedJournal.open(study) as opened:
        yield opened


def edits(journal: Journal, one: Annotation, new: Annotation) -> list[Callable[[], object]]:
    """Every way to change a reading."""
    ids, slide = [one.id], one.slide_id
    read = partial(journal.read_region, kind=RegionKind.CHOSEN, with_model=False, author="R1")
    return [
        partial(journal.propose, [new]),
        partial(journal.validate, ids, author="R1"),
        partial(journal.reject, ids, author="R1"),
        partial(journal.correct, one.id, label="stroma", author="R1"),
        partial(journal.delete, ids, author="R1"),
        partial(journal.restore, ids, at=1, author="R1"),
        partial(read, slide, WHERE, Outcome.ACCEPTED),
        partial(journal.undo, slide, author="R1"),
        partial(journal.redo, slide, author="R1"),
    ]


def test_a_signed_slide_is_locked_to_its_reader_alone(
    journal: Journal, slide_id: str, draw: Draw
) -> None:
    one, new = draw("a", slide_id=slide_id), draw("b", slide_id=slide_id)
    journal.propose([one], action=uuid.uuid4())
    journal.validate([one.id], author="R1", action=uuid.uuid4())
    journal.sign_off(slide_id, author="R1")
    before = list(journal.events())
    for edit in edits(journal, one, new):
        with pytest.raises(AnnotationError, match=r"locked.*reopen it"):
            edit()
    assert list(journal.events()) == before
    # Others, and models, go on.
    found = draw(
        "c", slide_id=slide_id, origin=Origin.MODEL, author="model", geometry=box(0, 0, 9, 9)
    )
    assert journal.propose([found]) == 1
    journal.reject([one.id], author="R2")
    assert journal.get(one.id).status is Status.REJECTED
    journal.comment("a word is no edit", slide_id=slide_id, author="R1")
    journal.reopen(slide_id, author="R1")
    for edit in edits(journal, one, new)[:7]:
        edit()
    journal.undo(slide_id, author="R1")
