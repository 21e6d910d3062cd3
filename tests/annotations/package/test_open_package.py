from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from pathoai.cli.main import main
from pathoai.errors import PackageError
from pathoai.study.study import Study
from pathoai_annotations.annotation import OF_RECORD, Annotation
from pathoai_annotations.commands import package as command
from pathoai_annotations.journal.check import CheckReport, check_journal
from pathoai_annotations.journal.event import Event
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.package.approval import Approval
from pathoai_annotations.package.build import build_package
from pathoai_annotations.package.open_package import open_package


def _annotations(study: Study) -> list[Annotation]:
    with Journal.open(study) as journal:
        return sorted(journal.annotations(status=OF_RECORD), key=lambda a: a.id.int)


def _past(study: Study, ids: set[uuid.UUID]) -> list[Event]:
    with Journal.open(study) as journal:
        events = [e for e in journal.events() if e.stands and e.annotation_id in ids]
    return [replace(event, seq=0, action=None, made_at=event.at) for event in events]


def test_a_newcomer_gets_the_same_annotations_and_their_past(
    package: Path, study: Study, tmp_path: Path
) -> None:
    opened = open_package(package, tmp_path / "opened")
    assert _annotations(opened) == _annotations(study)
    assert any(len(getattr(a.geometry, "interiors", ())) for a in _annotations(opened))
    ids = {a.id for a in _annotations(study)}
    assert _past(opened, ids) == _past(study, ids)
    for label, original in zip(opened.ontology.classes, study.ontology.classes, strict=True):
        codings = tuple(replace(coding, source="") for coding in original.codings)
        assert label == replace(original, codings=codings)
    assert opened.sheet.title == "Outlines of tumours"
    assert {r.slide_id: r.patient_id for r in opened.cohort} == {
        r.slide_id: r.patient_id for r in study.cohort
    }


def test_the_opened_study_is_sound_and_can_be_packaged_again(
    package: Path, approval: Approval, tmp_path: Path
) -> None:
    opened = open_package(package, tmp_path / "opened")
    with Journal.open(opened) as journal:
        assert check_journal(journal) == CheckReport(edits=9, annotations=3)
    again = build_package(opened, tmp_path / "again", approval=approval).path
    for folder in ("annotations", "provenance"):
        for file in (package / "data" / folder).rglob("*.geojson"):
            same = again / file.relative_to(package)
            assert same.read_bytes() == file.read_bytes()
    names = ("tables/annotations.csv", "tables/annotators.csv", "vocab/classes.csv")
    for name in names:
        assert (again / "data" / name).read_bytes() == (package / "data" / name).read_bytes()


def test_what_is_damaged_or_taken_is_refused(package: Path, study: Study, tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="taken"):
        open_package(package, study.path)
    (package / "data/README.md").write_text("x")
    with pytest.raises(PackageError, match="does not verify"):
        open_package(package, tmp_path / "opened")
    assert not (tmp_path / "opened").exists()


def test_the_command(
    package: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pathoai.entry_points.names_in", lambda group: ("package",))
    monkeypatch.setattr("pathoai.entry_points.load", lambda group, name: command.COMMAND)
    assert main(["package", "open", str(package), str(tmp_path / "opened")]) == 0
    assert "study opened: 2 slides" in capsys.readouterr().out
