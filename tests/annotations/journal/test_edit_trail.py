"""The journal cannot be changed behind the audit trail."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pathoai.cli.main import main
from pathoai.privacy.audit_entry import Action, AuditEntry
from pathoai.privacy.audit_trail import AuditTrail
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, deterministic_id
from pathoai_annotations.journal.journal import Journal

_SLIDE = "0123456789ABCDEF"
_IDS = [deterministic_id(_SLIDE, name) for name in "abc"]


@pytest.fixture
def edited(tmp_path: Path, draw: Callable[..., Annotation]) -> Study:
    study = Study.create(tmp_path / "study", ontology="breast")
    with Journal.open(study) as journal:
        journal.propose([draw(name) for name in "abc"])
        journal.validate(_IDS[:2], author="R2")
        journal.comment("unclear", slide_id=_SLIDE, author="R2")
    return study


def _edits(study: Study) -> list[AuditEntry]:
    return [e for e in AuditTrail.open(study).entries() if e.action is Action.EDIT]


def test_each_transaction_is_entered_with_its_author(edited: Study) -> None:
    told = [(e.who, e.facts["first"], e.facts["last"]) for e in _edits(edited)]
    assert told == [("R1", 1, 3), ("R2", 4, 5), ("R2", 6, 6)]
    assert not any("late" in entry.facts for entry in _edits(edited))
    assert main(["audit", "verify", str(edited.path)]) == 0


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("UPDATE events SET author = 'R3' WHERE seq = 4", "edits 4-5 of the journal are not"),
        ("UPDATE events SET max_x = max_x + 1 WHERE seq = 2", "edits 1-3 of the journal are not"),
        ("DELETE FROM events WHERE seq = 5", "the journal holds 1 of the 2 edits 4-5"),
        ("DELETE FROM events", "the journal holds 0 of the 3 edits 1-3"),
        (
            "UPDATE events SET operation = 'redact', comment = '00' WHERE seq = 6",
            "edit 6 of the journal was redacted, but the trail tells of no erasure of it",
        ),
    ],
)
def test_what_is_changed_behind_the_trail_is_found(
    edited: Study, capsys: pytest.CaptureFixture[str], statement: str, finding: str
) -> None:
    with closing(sqlite3.connect(edited.journal_path)) as database:
        database.execute("DROP TRIGGER no_update")
        database.execute("DROP TRIGGER no_delete")
        database.execute(statement)
        database.commit()
    assert main(["audit", "verify", str(edited.path)]) == 1
    assert finding in capsys.readouterr().out


def test_a_journal_that_is_gone_is_found(edited: Study, capsys: pytest.CaptureFixture[str]) -> None:
    for file in edited.path.glob("journal.sqlite*"):
        file.unlink()
    assert main(["audit", "verify", str(edited.path)]) == 1
    assert "holds 0 of the 3 edits" in capsys.readouterr().out


_KILLED = """
import os, signal, sys, uuid
from pathlib import Path
from pathoai.study.study import Study
from pathoai_annotations.journal.edit_trail import EditTrail
from pathoai_annotations.journal.journal import Journal
journal = Journal.open(Study(Path(sys.argv[1])))
EditTrail.note = lambda self: os.kill(os.getpid(), signal.SIGKILL)
journal.validate([uuid.UUID(sys.argv[2])], author="R1")
"""


def test_an_edit_of_a_killed_program_is_entered_when_the_journal_is_opened_next(
    edited: Study,
) -> None:
    words = (sys.executable, "-c", _KILLED, str(edited.path), str(_IDS[2]))
    assert subprocess.run(words, env=os.environ, timeout=60).returncode == -signal.SIGKILL
    assert _edits(edited)[-1].facts["last"] == 6
    Journal.open(edited).close()
    last = _edits(edited)[-1]
    assert (last.who, last.facts["last"], last.facts["late"]) == ("R1", 7, True)
    Journal.open(edited).close()
    assert _edits(edited)[-1] == last
    assert main(["audit", "verify", str(edited.path)]) == 0
