"""Who signed packaged slides off."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pathoai.study.study import Study
from pathoai_annotations.annotation import Status
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.merge import merge_journal
from pathoai_annotations.package.approval import Approval
from pathoai_annotations.package.build import build_package
from pathoai_annotations.package.open_package import open_package
from pathoai_annotations.package.verify import content_findings, verify_package
from pathoai_annotations.readers.assignment import Role, assign
from pathoai_annotations.readers.signed_work import sign_offs
from tests.annotations.package.mutations import reseal

_TABLE = "data/tables/sign_offs.csv"


def _rows(package: Path) -> list[dict[str, str]]:
    with (package / _TABLE).open(newline="", encoding="utf8") as file:
        return list(csv.DictReader(file))


def _write(package: Path, rows: list[dict[str, str]], header: list[str]) -> None:
    with (package / _TABLE).open("w", newline="", encoding="utf8") as file:
        writer = csv.DictWriter(file, header, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    reseal(package)


def _slides(study: Study) -> list[str]:
    return [row.slide_id for row in study.cohort]


def test_each_reader_of_each_slide_is_told_with_role_grade_and_help(
    study: Study, approval: Approval, tmp_path: Path
) -> None:
    first, second = _slides(study)
    assign(study, [first], {"R1": Role.READER})
    with Journal.open(study) as journal:
        journal.sign_off(second, author="R2", grade="dcis", with_model=True)
        journal.sign_off(first, author="R3")
        journal.reopen(first, author="R3")
    package = build_package(study, tmp_path / "package", approval=approval).path
    told = {(row["slide_id"], row["reader"]): row for row in _rows(package)}
    assert {*told} == {(first, "R1"), (first, "R2"), (second, "R1"), (second, "R2")}
    assert told[first, "R1"]["role"] == "reader"
    assert told[first, "R2"]["role"] == ""
    last = told[second, "R2"]
    assert (last["grade"], last["model_seen"]) == ("dcis", "yes")
    assert verify_package(package).ok


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        (lambda rows: rows[1:], "annotations that no reader signed off"),
        (lambda rows: [row | {"seq": "1"} for row in rows], "annotations that no reader signed"),
        (lambda rows: [*rows, rows[0] | {"slide_id": "0" * 16}], "not in the package"),
        (lambda rows: [row | {"reader": "Jane Doe"} for row in rows], "author"),
        (lambda rows: [row | {"sign_off_id": "x"} for row in rows], "malformed sign-off"),
    ],
)
def test_a_sign_off_that_is_missing_too_early_or_malformed_is_found(
    package: Path,
    damage: Callable[[list[dict[str, str]]], list[dict[str, str]]],
    finding: str,
) -> None:
    rows = _rows(package)
    _write(package, damage(rows), [*rows[0]])
    assert [one for one in verify_package(package).findings if finding in one.what]


def test_a_settled_annotation_needs_no_sign_off(
    study: Study, approval: Approval, tmp_path: Path
) -> None:
    with Journal.open(study) as journal:
        (waiting,) = journal.annotations(status=[Status.PROPOSED])
        journal.adjudicate(waiting.id, status=Status.VALIDATED, author="A1")
    package = build_package(study, tmp_path / "package", approval=approval).path
    assert verify_package(package).annotations == 4
    assert verify_package(package).ok


def test_an_annotation_that_was_changed_after_its_sign_off_is_found(package: Path) -> None:
    (log,) = (
        path
        for path in (package / "data/provenance").glob("journal-*")
        if "correct" in path.read_text("utf8")
    )
    lines = [json.loads(line) for line in log.read_text("utf8").splitlines()]
    later = next(line for line in lines if line["operation"] == "validate")
    lines.remove(later)
    later["seq"] = 99
    log.write_text("".join(json.dumps(line) + "\n" for line in [*lines, later]), "utf8")
    reseal(package)
    findings = content_findings(package)[0]
    assert [one.what for one in findings] == ["1 annotations that no reader signed off"]


def test_a_word_that_a_merge_set_aside_counts_with_its_readers_sign_off(
    study: Study, approval: Approval, tmp_path: Path
) -> None:
    slides = _slides(study)
    with Journal.open(study) as journal, Journal(tmp_path / "room.sqlite") as room:
        (waiting,) = journal.annotations(status=[Status.PROPOSED])
        merge_journal(room, journal, slides)
        room.validate([waiting.id], author="R4")
        room.sign_off(waiting.slide_id, author="R4")
        journal.validate([waiting.id], author="R3")
        merge_journal(journal, room, slides)
    package = build_package(study, tmp_path / "package", approval=approval).path
    assert verify_package(package).ok
    assert verify_package(package).annotations == 4
    (row,) = (row for row in _rows(package) if row["reader"] == "R4")
    assert row["merged"] == str(waiting.id)


def test_an_opened_study_has_the_sign_offs_and_can_be_packaged_as_it_is(
    package: Path, study: Study, approval: Approval, tmp_path: Path
) -> None:
    opened = open_package(package, tmp_path / "opened")
    told = []
    for one in (study, opened):
        with Journal.open(one) as journal:
            told.append([(s.slide_id, s.reader, s.with_model) for s in sign_offs(journal)])
    assert told[0] == told[1] != []
    again = build_package(opened, tmp_path / "again", approval=approval).path
    ids = [{row["sign_off_id"]: row["signed_at"] for row in _rows(one)} for one in (package, again)]
    assert ids[0] == ids[1]
    assert verify_package(again).ok
