"""What pathologists said of labels from restained slides travels in the package, and is checked."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pathoai.errors import PackageError
from pathoai.geometry import Region
from pathoai.ihc.audit_sample import AuditSample, AuditSettings, AuditTile
from pathoai.ihc.audit_stratum import AuditStratum
from pathoai.ihc.precision import LabelPrecision
from pathoai.ihc.saved_audit import save_audit
from pathoai.study.study import Study
from pathoai_annotations.audit.audit_queue import audited_work, tiles_path
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.region_reading import Outcome, RegionKind
from pathoai_annotations.package.approval import Approval
from pathoai_annotations.package.audits import audits_of, last_audit
from pathoai_annotations.package.build import build_package
from pathoai_annotations.package.check_audits import check_audits
from pathoai_annotations.package.verify import verify_package
from tests.annotations.package.wrong_types import tampered

POSITIVE, NEGATIVE = AuditStratum.POSITIVE, AuditStratum.NEGATIVE
IDENTITY = "5" * 64
NAME = "data/audits/MKI67.json"


def _draw(study: Study, slide_id: str, tiles: int = 6) -> AuditSample:
    sample = AuditSample(
        "MKI67",
        AuditSettings(tiles),
        {slide_id: IDENTITY},
        {POSITIVE: 0.25, NEGATIVE: 1.75},
        tuple(
            AuditTile(slide_id, (POSITIVE, NEGATIVE)[at % 2], Region(100.0 * at, 50.0, 64.0, 64.0))
            for at in range(tiles)
        ),
    )
    save_audit(tiles_path(study, "MKI67"), sample)
    return sample


def _judge(study: Study, sample: AuditSample, *, rejected: int) -> None:
    with Journal.open(study) as journal:
        for at, tile in enumerate(sample.tiles):
            journal.read_region(
                tile.slide_id,
                tile.region,
                Outcome.REJECTED if at == rejected else Outcome.ACCEPTED,
                kind=RegionKind.AUDIT,
                model=audited_work("MKI67", IDENTITY),
                with_model=True,
                author="R2",
            )


@pytest.fixture
def audited(study: Study) -> Study:
    sample = _draw(study, next(iter(study.cohort)).slide_id)
    _judge(study, sample, rejected=2)
    return study


@pytest.fixture
def package(audited: Study, approval: Approval, tmp_path: Path) -> Path:
    return build_package(audited, tmp_path / "new", approval=approval).path


def test_the_precision_is_carried_and_verified(package: Path) -> None:
    report = verify_package(package)
    assert report.ok, report.findings
    raw = json.loads((package / NAME).read_text("utf8"))
    found = LabelPrecision.from_dict(raw)
    assert (found.precision.count, found.precision.total) == (2, 3)
    assert found.readers == ("R2",)
    assert "audits/" in (package / "data/README.md").read_text("utf8")
    crate = json.loads((package / "data/ro-crate-metadata.json").read_text("utf8"))
    (entity,) = [e for e in crate["@graph"] if e["@id"] == "audits/MKI67.json"]
    assert "MKI67" in entity["description"]


def test_a_study_without_audits_has_none_in_its_package(
    study: Study, approval: Approval, tmp_path: Path
) -> None:
    _draw(study, next(iter(study.cohort)).slide_id)  # nobody has read it
    package = build_package(study, tmp_path / "new", approval=approval).path
    assert not (package / "data/audits").exists()
    assert "audits/" not in (package / "data/README.md").read_text("utf8")
    assert verify_package(package).ok


def _more(raw: dict[str, Any]) -> None:
    raw["precision"]["estimate"] = 0.99


def _named(raw: dict[str, Any]) -> None:
    raw["readers"] = ["Dr. Martin"]


def _uncoded(raw: dict[str, Any]) -> None:
    raw["labels"] = {"block 12": IDENTITY}


def _renamed(raw: dict[str, Any]) -> None:
    raw["marker"] = "ER"


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (_more, "does not follow from its counts"),
        (_named, "a reader is named"),
        (_uncoded, "a slide is named"),
        (_renamed, "another marker"),
        (dict.clear, "malformed precision"),
    ],
)
def test_what_was_altered_is_found(
    package: Path, edit: Callable[[dict[str, Any]], None], what: str
) -> None:
    path = package / NAME
    raw = json.loads(path.read_text("utf8"))
    edit(raw)
    path.write_text(json.dumps(raw), "utf8")
    (finding,) = check_audits(package)
    assert what in finding.what
    assert finding.where == NAME
    assert not verify_package(package).ok
    path.write_text("{", "utf8")
    (finding,) = check_audits(package)
    assert "not sound JSON" in finding.what


def test_an_approval_must_not_be_older_than_the_last_verdict(audited: Study) -> None:
    with Journal.open(audited) as journal:
        found = audits_of(audited, journal)
    early = date(2020, 1, 1)
    assert last_audit(found, early) > early
    assert last_audit([], early) == early


def test_a_slide_that_left_the_cohort_is_refused(
    study: Study, approval: Approval, tmp_path: Path
) -> None:
    _judge(study, _draw(study, "Z" * 16), rejected=0)
    with pytest.raises(PackageError, match="not in the cohort"):
        build_package(study, tmp_path / "new", approval=approval)


def test_an_audit_of_other_types_is_found(package: Path) -> None:
    for place, wrong in tampered(package / NAME):
        found = list(check_audits(package))
        if not place or place[0] in ("strata", "precision", "right_in_all"):
            assert found, (place, wrong)
