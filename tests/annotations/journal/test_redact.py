"""What is redacted is gone, and the log is as verifiable as before; in both databases."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import sqlalchemy as sa

from pathoai.errors import AnnotationError
from pathoai.privacy.tombstones import tombstone_hash
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.journal.check import check_journal
from pathoai_annotations.journal.digest import digest_of
from pathoai_annotations.journal.event import Operation
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.merge import merge_journal
from pathoai_annotations.journal.redact import edits_about, redact

_GONE, _STAYS = "ABCDEFGHJKMNPQRS", "FEDCBA9876543210"
Draw = Callable[..., Annotation]


@pytest.fixture
def filled(journal: Journal, draw: Draw) -> Journal:
    _fill(journal, draw)
    return journal


def _fill(journal: Journal, draw: Draw) -> None:
    journal.propose([draw(name, slide_id=slide) for slide in (_GONE, _STAYS) for name in "ab"])
    source = f"annotation:{draw('a', slide_id=_GONE).id}"
    journal.propose([draw("carried", slide_id=_STAYS, derived_from=source)])
    journal.validate([draw("carried", slide_id=_STAYS).id], author="R2")
    journal.sign_off(_GONE, author="R1")
    journal.comment(f"like {_GONE}", slide_id=_STAYS, author="R1")
    journal.sign_off(_STAYS, author="R1")


def _digest(journal: Journal) -> str:
    with journal.database.reading() as connection:
        return digest_of(connection, 1).sha256


def test_content_goes_and_the_digest_stays(filled: Journal, draw: Draw) -> None:
    before, about = _digest(filled), edits_about(filled, [_GONE])
    assert about == [1, 2, 5, 6, 7, 8]
    for _ in range(2):
        redact(filled, about, {_GONE: tombstone_hash(_GONE)})
        assert _digest(filled) == before
        assert edits_about(filled, [_GONE]) == []
        assert check_journal(filled).edits == 9
        assert {a.id for a in filled.annotations()} == {
            draw(name, slide_id=_STAYS).id for name in "ab"
        }
    redacted = [e.seq for e in filled.events() if e.operation is Operation.REDACT]
    assert redacted == about


def test_afterwards_nothing_can_be_changed(filled: Journal) -> None:
    redact(filled, [1], {_GONE: tombstone_hash(_GONE)})
    with (
        pytest.raises(AnnotationError, match="append-only"),
        filled.database.writing() as connection,
    ):
        connection.execute(sa.text("UPDATE events SET author = 'R3' WHERE seq = 2"))


def test_a_merge_does_not_bring_it_back(
    filled: Journal,
    draw: Draw,
    new_place: Callable[[], AbstractContextManager[Path | str]],
) -> None:
    with new_place() as place, Journal(place) as other:
        merge_journal(other, filled, [_GONE, _STAYS])
        redact(filled, edits_about(filled, [_GONE]), {_GONE: tombstone_hash(_GONE)})
        report = merge_journal(filled, other, [_STAYS])
        assert report.new == 0
        assert edits_about(filled, [_GONE]) == []
