from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from pathoai.cli.main import main
from pathoai.privacy.audit_trail import AuditTrail
from pathoai.privacy.opposition import note_opposition_applied
from pathoai.provenance import sha256_of_file
from pathoai.study.study import Study
from pathoai_annotations.commands import package as command
from pathoai_annotations.journal.journal import Journal

_APPROVAL = ("--approved-by", "DPO1", "--role", "officer", "--opposition-date", "2026-01-31")


@pytest.fixture(autouse=True)
def _command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only this command: other components' need not be installed."""
    monkeypatch.setattr("pathoai.entry_points.names_in", lambda group: ("package",))
    monkeypatch.setattr("pathoai.entry_points.load", lambda group, name: command.COMMAND)


def _package(*words: object) -> int:
    return main(["package", *map(str, words)])


def test_builds_and_verifies(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "package"
    assert _package("build", study.path, out, *_APPROVAL, "--version", "2.0.0") == 0
    assert _package("verify", out) == 0
    assert re.search(r"verified: \d+ files, 3 annotations on 2 slides", capsys.readouterr().out)


def test_what_waits_is_counted_with_the_command_that_signs_it_off(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slide_id = next(iter(study.cohort)).slide_id
    with Journal.open(study) as journal:
        journal.reopen(slide_id, author="R2")
    assert _package("build", study.path, tmp_path / "package", *_APPROVAL) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"left out: 1 annotations wait for sign-off: 1 of R2 on {slide_id}",
        f"  once read: pathoai readers sign-off STUDY --reader R2 --slide {slide_id}",
    ]


def test_leaves_a_record_without_any_path(study: Study, tmp_path: Path) -> None:
    assert _package("build", study.path, tmp_path / "package", *_APPROVAL) == 0
    (path,) = study.provenance_path.glob("package-build-*.json")
    record = json.loads(path.read_text("utf8"))
    assert record["parameters"]["approved_by"] == "DPO1"
    assert set(record["inputs"]) == {f"slide/{row.slide_id}" for row in study.cohort}
    assert str(tmp_path) not in path.read_text("utf8")


def test_every_finding_is_a_line(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "package"
    _package("build", study.path, out, *_APPROVAL)
    (out / "data/LICENSE.txt").unlink()
    (out / "notes.txt").write_text("x")
    capsys.readouterr()
    assert _package("verify", out) == 1
    said = capsys.readouterr()
    assert [line.split(":")[0] for line in said.out.splitlines()] == [
        "notes.txt",
        "data/LICENSE.txt",
    ]
    assert said.err.count("\n") == 1
    assert "2 findings" in said.err
    assert str(tmp_path) not in said.out + said.err


@pytest.mark.parametrize("missing", ["--approved-by", "--role", "--opposition-date"])
def test_a_missing_part_of_the_approval_is_explained(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    words = list(_APPROVAL)
    del words[words.index(missing) : words.index(missing) + 2]
    assert _package("build", study.path, tmp_path / "package", *words) == 1
    said = capsys.readouterr().err
    assert missing in said
    assert "Remedy" in said
    assert "usage" not in said


@pytest.mark.parametrize("tier", [_APPROVAL[:4], ("--tier", "open", "--exported-by", "DM1")])
def test_nobody_applied_the_list_before_there_was_a_study(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str], tier: tuple[str, ...]
) -> None:
    out = tmp_path / "package"
    assert _package("build", study.path, out, *tier, "--opposition-date", "2025-12-30") == 1
    said = capsys.readouterr().err
    assert "before the study was made; found 2025-12-30; allowed: from 2026-01-01" in said
    assert not out.exists()


def test_an_opened_study_is_as_old_as_its_first_edit(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Made today of edits from before, which are dated for this test alone."""
    with Journal.open(study) as journal:
        first = date.fromisoformat(next(iter(journal.events())).at[:10])
    sheet = study.path / "study.toml"
    later = (first + timedelta(days=40)).isoformat()
    sheet.write_text(sheet.read_text("utf8").replace("2026-01-01", later), "utf8")
    words = ("build", study.path, tmp_path / "new", *_APPROVAL[:4], "--opposition-date")
    assert _package(*words, first - timedelta(days=2)) == 1
    assert f"from {first} up to today" in capsys.readouterr().err
    assert _package(*words, first - timedelta(days=1)) == 0


def test_what_leaves_the_institution_is_approved_by_somebody_else(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "package"
    note_opposition_applied(study.path)
    export = (
        "build",
        study.path,
        out,
        "--tier",
        "open",
        "--exported-by",
        "DM1",
        "--without-images",
    )
    assert _package(*export, *_APPROVAL) == 1
    assert "does not approve it in one go" in capsys.readouterr().err
    assert _package(*export) == 0
    assert "somebody else must approve it" in capsys.readouterr().out
    assert _package("verify", out) == 1
    assert "approval.json: no approval" in capsys.readouterr().out
    reasons = ("--individualisation", "codes", "--correlation", "codes", "--inference", "none")
    approve = ("approve", out, "--role", "officer", *reasons, "--approved-by")
    assert _package(*approve, "DM1") == 1
    assert "cannot approve it" in capsys.readouterr().err
    assert _package(*approve, "DPO1") == 0
    assert _package("verify", out) == 0


def test_who_built_approved_and_published_what_is_in_the_trail_of_its_study(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "package"
    note_opposition_applied(study.path)
    leaves = ("--tier", "open", "--exported-by", "DM1", "--without-images")
    assert _package("build", study.path, out, *leaves) == 0
    reasons = ("--individualisation", "codes", "--correlation", "codes", "--inference", "none")
    approve = ("approve", out, "--approved-by", "DPO1", "--role", "officer", *reasons)
    other = Study.create(tmp_path / "other", ontology="breast")
    assert _package(*approve, "--study", other.path) == 1
    assert "made of another study" in capsys.readouterr().err
    assert _package("verify", out) == 1
    assert _package(*approve, "--study", study.path) == 0
    deposit = ("--institution", "Hospital", "--contact", "data" + "@" + "hospital.example")
    assert _package("publish", out, tmp_path / "one", *deposit, "--study", study.path) == 0
    capsys.readouterr()
    assert _package("publish", out, tmp_path / "two", *deposit) == 0
    assert "in no audit trail" in capsys.readouterr().out
    manifest = sha256_of_file(out / "manifest-sha256.txt")
    entries = [e for e in AuditTrail.open(study).entries() if e.facts.get("package") == manifest]
    assert [(e.action, {**e.facts, "package": ""}) for e in entries] == [
        ("export", {"package": "", "tier": "open", "by": "DM1", "version": "1.0.0"}),
        ("approve", {"package": "", "approved_by": "DPO1"}),
        ("export", {"package": "", "deposit": "metadata"}),
    ]
    commands = [e.facts.get("command") for e in AuditTrail.open(study).entries()]
    assert commands.count("package approve") == 2  # its start and its end


def test_verifying_nothing_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _package("verify", tmp_path) == 1
    assert "not a package" in capsys.readouterr().err


def test_a_read_only_place_is_told_in_one_line(
    study: Study,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("pathoai_annotations.package.payload.write_table", refuse)
    assert _package("build", study.path, tmp_path / "package", *_APPROVAL) == 1
    assert "the disk is read-only" in capsys.readouterr().err


def test_the_module_is_light() -> None:
    code = (
        "import sys; import pathoai_annotations.commands.package; "
        "print(*({'shapely', 'sqlalchemy', 'rocrate', 'bagit', 'numpy'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_words_of_the_hospital_are_looked_for_and_not_repeated(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = tmp_path / "patients.txt"
    words.write_text("Létourneau Zoé\n\n21/03/1947\nCC-BY-4.0\n", "latin-1")
    assert _package("verify", package, "--words", words) == 1
    said = "".join(capsys.readouterr())
    assert "data/ro-crate-metadata.json: word 3 of the list stands in it." in said
    assert "LÉTOURNEAU" not in said.upper()
    words.write_text("Létourneau Zoé\n21/03/1947\n", "utf8")
    assert _package("verify", package, "--words", words) == 0
    assert "none of 2 words was found in them" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "said"), [("\n\n", "holds no word"), ("Lu\n", "too short"), (None, "no such list")]
)
def test_a_list_of_words_that_is_none(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, said: str
) -> None:
    words = tmp_path / "patients.txt"
    if content is not None:
        words.write_text(content)
    assert _package("verify", package, "--words", words) == 1
    assert said in capsys.readouterr().err
