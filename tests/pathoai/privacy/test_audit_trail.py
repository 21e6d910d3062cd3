"""The audit trail: whatever is done to it behind our back is found, each thing by its name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pathoai.errors import AuditError
from pathoai.privacy import audit_entry
from pathoai.privacy.audit_archive import archive_expired, check_days, retention_days
from pathoai.privacy.audit_check import archives_of, check_trail, remarks_on
from pathoai.privacy.audit_entry import Action
from pathoai.privacy.audit_trail import AuditTrail
from pathoai.study.study import Study


@pytest.fixture
def trail(study: Study) -> AuditTrail:
    made = AuditTrail.open(study)
    for number in range(1, 7):
        made.append(Action.ACCESS, "R1", {"command": "tile", "number": number})
    return made


def _findings(trail: AuditTrail) -> list[str]:
    return list(check_trail(trail))


def _lines(trail: AuditTrail) -> list[bytes]:
    return trail.path.read_bytes().splitlines(keepends=True)


def test_what_was_entered_holds_and_is_read_back(trail: AuditTrail, study: Study) -> None:
    assert _findings(AuditTrail.open(study)) == []
    entries = list(trail.entries())
    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5, 6]
    assert [entry.facts["number"] for entry in entries] == [1, 2, 3, 4, 5, 6]
    assert {entry.who for entry in entries} == {"R1"}


def test_an_edit_is_found(trail: AuditTrail) -> None:
    trail.path.write_bytes(trail.path.read_bytes().replace(b'"number":3', b'"number":4'))
    assert [f for f in _findings(trail) if "line 3 was changed" in f] == _findings(trail)


def test_a_line_of_someone_without_the_key_is_found(trail: AuditTrail) -> None:
    forged = audit_entry.AuditEntry.sealed(
        b"guess", (7, list(trail.entries())[-1].mac), "R1", Action.EDIT, {}
    )
    with trail.path.open("ab") as file:
        file.write(forged.line())
    assert any("line 7 was changed, or never made" in f for f in _findings(trail))


def test_a_deletion_is_found(trail: AuditTrail) -> None:
    lines = _lines(trail)
    trail.path.write_bytes(b"".join(lines[:2] + lines[4:]))
    assert _findings(trail) == ["entries 3-4 are missing: deleted"]


def test_a_cut_off_beginning_is_found(trail: AuditTrail) -> None:
    trail.path.write_bytes(b"".join(_lines(trail)[1:]))
    assert _findings(trail) == ["entry 1 is missing: deleted"]


def test_another_order_is_found(trail: AuditTrail) -> None:
    lines = _lines(trail)
    trail.path.write_bytes(b"".join([*lines[:2], lines[3], lines[2], *lines[4:]]))
    assert _findings(trail) == ["entry 3 lies after entry 4: they were reordered"]


def test_a_cut_off_end_is_found_through_the_anchored_head(trail: AuditTrail) -> None:
    trail.path.write_bytes(b"".join(_lines(trail)[:4]))
    cut = "the trail ends before entry 5, but the vault knows of entry 6: its end was cut off"
    assert _findings(trail) == [cut]
    # Work goes on, and does not hide it.
    trail.append(Action.ACCESS, "R1", {})
    assert _findings(trail) == ["entries 5-6 are missing: deleted"]


def test_a_trail_that_is_gone_is_found(trail: AuditTrail) -> None:
    trail.path.unlink()
    assert any("its end was cut off" in finding for finding in _findings(trail))


def test_an_older_head_in_the_vault_is_caught_up_with(trail: AuditTrail, vault: Path) -> None:
    """As a program leaves it that was killed between its entry and the anchor."""
    (anchor,) = vault.glob("*/audit-heads/*")
    old = anchor.read_bytes()
    trail.append(Action.ACCESS, "R1", {})
    with trail.path.open("ab") as file:
        file.write(b'{"action":"acc')  # and another one in the middle of its line
    anchor.write_bytes(old)
    assert _findings(trail) == []
    assert trail.append(Action.ACCESS, "R1", {}).seq == 8
    assert _findings(trail) == []


def test_without_a_head_in_the_vault_the_end_cannot_be_told(trail: AuditTrail, vault: Path) -> None:
    next(vault.glob("*/audit-heads/*")).unlink()
    assert _findings(trail) == [
        "the vault has no head of this trail: whether its end was cut off cannot be told"
    ]


def test_a_copy_of_a_study_goes_its_own_way(
    trail: AuditTrail, study: Study, tmp_path: Path
) -> None:
    import shutil

    copy = Study(Path(shutil.copytree(study.path, tmp_path / "copy")))
    trail.append(Action.ACCESS, "R1", {})
    other = AuditTrail.open(copy)
    other.append(Action.ACCESS, "R2", {})
    trail.append(Action.ACCESS, "R1", {})
    assert _findings(trail) == _findings(other) == []
    assert "went on to entry 8 at another place" in next(remarks_on(other))


def test_a_study_without_its_key_here_has_a_trail_of_its_own(
    study: Study, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    AuditTrail.open(study).append(Action.ACCESS, "R1", {})
    (study.path / "cohort.csv").touch()
    monkeypatch.setenv("PATHOAI_VAULT", str(tmp_path / "elsewhere"))
    here = AuditTrail.open(study)
    here.append(Action.ACCESS, "R2", {})
    AuditTrail.open(study).append(Action.ACCESS, "R2", {})
    assert _findings(here) == []
    assert [entry.who for entry in here.entries()] == ["R2", "R2"]
    assert "sealed with a key that is not here" in next(remarks_on(here))
    assert not (study.vault / "key").exists()


@pytest.mark.parametrize("fact", ["/srv/x", "C:\\x", {"a": ["x/y"]}])
def test_paths_and_names_are_refused(study: Study, fact: object) -> None:
    trail = AuditTrail.open(study)
    with pytest.raises(AuditError, match="no path"):
        trail.append(Action.ACCESS, "R1", {"fact": fact})
    with pytest.raises(AuditError, match="PATHOAI_ACCOUNT"):
        trail.append(Action.ACCESS, "Jeanne Dupont", {})
    assert _findings(trail) == []


def test_an_account_is_a_code(trail: AuditTrail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "jeanne.dupont")
    assert "dupont" not in trail.account().lower()
    monkeypatch.setenv("PATHOAI_ACCOUNT", "R7")
    assert trail.account() == "R7"


@pytest.mark.parametrize("days", [0, 182, 367, 3650, "365", True, 200.0])
def test_times_that_are_not_allowed_are_refused(study: Study, days: object) -> None:
    with pytest.raises(AuditError, match=r"183 to 366"):
        check_days(days)


def test_the_time_is_in_the_study_sheet(study: Study) -> None:
    assert retention_days(study.path) == 365
    sheet = study.path / "study.toml"
    sheet.write_text(sheet.read_text() + "\n[audit]\nretention_days = 183\n")
    assert retention_days(study.path) == 183
    sheet.write_text(sheet.read_text().replace("183", "20"))
    with pytest.raises(AuditError, match="20"):
        retention_days(study.path)


def test_expired_entries_go_into_a_file_that_still_verifies(
    trail: AuditTrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    assert archive_expired(trail, 365, now=now + timedelta(days=364)) == 0
    assert archive_expired(trail, 365, now=now + timedelta(days=366)) == 6
    assert archive_expired(trail, 365, now=now + timedelta(days=366)) == 1
    assert _findings(trail) == []
    (left,) = trail.entries()
    assert (left.seq, left.action, left.facts["last"]) == (8, Action.ARCHIVE, 7)
    first, second = archives_of(trail)
    assert len(first.read_bytes().splitlines()) == 6
    whole = first.read_bytes()
    first.write_bytes(whole.replace(b'"number":3', b'"number":4'))
    assert all(f.startswith(f"archive {first.name}: line 3") for f in _findings(trail))
    first.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
    assert _findings(trail) == [f"archive {first.name}: it ends with entry 5 instead of 6: cut off"]
    first.unlink()  # its legal time is over, too
    second.unlink()
    assert _findings(trail) == []


def test_a_broken_trail_is_not_put_away(trail: AuditTrail) -> None:
    trail.path.write_bytes(b"".join(_lines(trail)[:4]))
    with pytest.raises(AuditError, match="cut off"):
        archive_expired(trail, 365)


_WRITER = """
import sys
from pathlib import Path
from pathoai.privacy.audit_trail import AuditTrail
from pathoai.study.study import Study
trail = AuditTrail.open(Study(Path(sys.argv[1])))
for _ in range(40):
    trail.append("access", sys.argv[2], {})
"""


def test_two_programs_never_break_the_chain(study: Study) -> None:
    AuditTrail.open(study)
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(study.path), who], env=os.environ)
        for who in ("R1", "R2")
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    trail = AuditTrail.open(study)
    assert _findings(trail) == []
    who = [json.loads(line)["who"] for line in _lines(trail)]
    assert sorted(who) == ["R1"] * 40 + ["R2"] * 40
