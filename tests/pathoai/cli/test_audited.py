"""Every command that names a study leaves its start and its outcome in the audit trail."""

from __future__ import annotations

from pathlib import Path

import pytest

from pathoai.cli.main import main
from pathoai.privacy.audit_check import check_trail
from pathoai.privacy.audit_trail import AuditTrail
from pathoai.study.study import Study
from tests.read_only_place import read_only


def _facts(path: Path) -> list[tuple[str, str, str]]:
    entries = AuditTrail.open(Study(path)).entries()
    return [
        (e.action, str(e.facts.get("command")), str(e.facts.get("outcome", "start")))
        for e in entries
    ]


def test_a_command_leaves_its_start_and_its_outcome(tmp_path: Path) -> None:
    path = tmp_path / "DUPONT Jeanne"
    assert main(["init", str(path), "--ontology", "breast"]) == 0
    assert main(["annotations", "summary", str(path)]) == 0
    assert main(["add", str(path), str(tmp_path / "none.svs")]) == 1
    assert main(["add", str(tmp_path / "no study"), "none.svs"]) == 1
    assert _facts(path) == [
        ("access", "init", "done"),
        ("access", "annotations summary", "start"),
        ("access", "annotations summary", "done"),
        ("access", "add", "start"),
        ("access", "add", "failed"),
    ]
    trail = AuditTrail.open(Study(path))
    assert list(check_trail(trail)) == []
    assert b"DUPONT" not in trail.path.read_bytes()
    runs = [entry.facts["run"] for entry in trail.entries()]
    assert len(set(runs)) == 3


def test_who_may_only_read_may_look_and_take_nothing_out(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with read_only(study.path):
        assert main(["annotations", "summary", str(study.path)]) == 0
        (note,) = capsys.readouterr().err.splitlines()
        assert note == "pathoai: this access is not in the audit trail: Permission denied"
        assert main(["annotations", "export", str(study.path), str(tmp_path / "x.geojson")]) == 1
        assert "so it is not done" in capsys.readouterr().err


def test_a_vault_that_cannot_be_made_stops_no_look(
    study: Study,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PATHOAI_VAULT", str(tmp_path / "file"))
    assert main(["annotations", "summary", str(study.path)]) == 0
    assert "not in the audit trail" in capsys.readouterr().err
    assert main(["readers", "room", str(study.path), "--out", "x", "--reader", "R1"]) == 1
    assert "so it is not done" in capsys.readouterr().err
