"""What leaves the institution: approved by somebody else, small counts hidden."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from pathoai.errors import PackageError
from pathoai.study.study import Study
from pathoai_annotations.package.approval import Approval, Criteria
from pathoai_annotations.package.approve import approve_package
from pathoai_annotations.package.build import build_package
from pathoai_annotations.package.release import Release
from pathoai_annotations.package.small_counts import is_shown_small
from pathoai_annotations.package.table import TABLES
from pathoai_annotations.package.tier import Tier
from pathoai_annotations.package.verify import verify_package

_RELEASE = Release(Tier.OPEN, "DM1", date(2026, 1, 31), with_images=False)
_CRITERIA = Criteria("codes and no dates", "codes of this project alone", "outlines only")
_APPROVAL = Approval("DPO1", "officer", date(2026, 1, 31), date.today(), _CRITERIA)


@pytest.fixture
def awaiting(study: Study, tmp_path: Path) -> Path:
    return build_package(study, tmp_path / "open", approval=_RELEASE).path


def _whats(package: Path) -> list[str]:
    return [finding.what for finding in verify_package(package).findings]


def test_awaits_its_approval_and_verifies_with_it(awaiting: Path) -> None:
    assert _whats(awaiting) == ["no approval"]
    approve_package(awaiting, _APPROVAL)
    assert _whats(awaiting) == []
    record = json.loads((awaiting / "approval.json").read_text("utf8"))
    assert (record["tier"], record["exported_by"]) == ("open", "DM1")
    assert record["criteria"]["inference"] == "outlines only"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"approved_by": "dm1"}, "who exports a package cannot approve it"),
        ({"criteria": None}, "criteria individualisation, correlation and inference"),
        ({"opposition_date": date(2026, 1, 30)}, "another opposition date"),
        ({"approved_on": date(2026, 1, 31)}, "annotations were edited after the approval"),
    ],
)
def test_refuses_an_approval(awaiting: Path, change: dict[str, object], what: str) -> None:
    with pytest.raises(PackageError, match=what):
        approve_package(awaiting, replace(_APPROVAL, **change))  # type: ignore[arg-type]  # several types
    assert _whats(awaiting) == ["no approval"]


def test_a_forged_approval_of_the_exporter_is_found(awaiting: Path) -> None:
    approve_package(awaiting, _APPROVAL)
    path = awaiting / "approval.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"approved_by": "DM1"}))
    assert "who exports a package cannot approve it" in _whats(awaiting)


def test_what_does_not_verify_or_is_signed_is_not_approved(awaiting: Path) -> None:
    (awaiting / "signature.ed25519").write_text("x")
    with pytest.raises(PackageError, match="signed"):
        approve_package(awaiting, _APPROVAL)
    (awaiting / "signature.ed25519").unlink()
    (awaiting / "data/README.md").write_text("x")
    with pytest.raises(PackageError, match="cannot be approved"):
        approve_package(awaiting, _APPROVAL)


@pytest.mark.parametrize("answer", ["", "ask jane@x.example", "two\nlines", "x" * 1001])
def test_a_criterion_wants_an_answer(answer: str) -> None:
    with pytest.raises(PackageError):
        Criteria("codes", answer, "none")


def test_no_small_count_is_shown_anywhere(awaiting: Path) -> None:
    for table in TABLES:
        with (awaiting / "data" / table.path).open(newline="", encoding="utf8") as file:
            for row in csv.DictReader(file):
                assert not any(is_shown_small(row[column]) for column in table.counts)
    graph = json.loads((awaiting / "data/ro-crate-metadata.json").read_text("utf8"))["@graph"]
    measured = [entity for entity in graph if str(entity["@id"]).startswith("#count-")]
    assert measured
    assert {entity["value"] for entity in measured} == {"<11"}
    for name in ("README.md", "index.html"):
        text = (awaiting / "data" / name).read_text("utf8")
        assert "&lt;11 validated" in text or "<11 validated" in text


def test_a_small_count_put_back_is_found(awaiting: Path) -> None:
    path = awaiting / "data/tables/stains.csv"
    path.write_text(path.read_text("utf8").replace("<11", "2"))
    assert "a count below 11 is shown" in _whats(awaiting)


def test_nothing_leads_back_to_the_source_file(awaiting: Path, study: Study) -> None:
    for file in awaiting.rglob("*"):
        if file.is_file():
            text = file.read_text("utf8")
            assert not any(row.source_sha256 in text for row in study.cohort), file.name
