from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from pathoai.errors import StudyError
from pathoai.study.package_ledger import (
    PackageRecord,
    forget_patient,
    forget_slide,
    is_tombstone,
    read_packages,
    record_package,
)
from pathoai.study.study import Study


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study.create(tmp_path / "study", ontology="breast")


def _record(version: str, **slides: str) -> PackageRecord:
    return PackageRecord(version, "open", "0" * 64, "2026-01-31", slides, ("P1", "P2"), "why")


def test_comes_back_in_the_order_of_versions(study: Study) -> None:
    assert read_packages(study) == ()
    for version in ("1.10.0", "1.2.0", "1.2.0-rc1"):
        record_package(study, _record(version, A="1"))
    assert [r.version for r in read_packages(study)] == ["1.2.0-rc1", "1.2.0", "1.10.0"]
    assert read_packages(study)[0] == _record("1.2.0-rc1", A="1")


def test_forgets_a_slide_and_a_patient_but_not_that_they_were_there(study: Study) -> None:
    record_package(study, _record("1.0.0", A="1", B="2"))
    record_package(study, _record("1.1.0", B="2"))
    assert (forget_slide(study, "A"), forget_patient(study, "P1"), forget_slide(study, "C")) == (
        1,
        2,
        0,
    )
    first, second = read_packages(study)
    stone = sha256(b"A").hexdigest()
    assert dict(first.slides) == {stone: "1", "B": "2"}
    assert is_tombstone(stone)
    assert not is_tombstone("A")
    assert dict(second.slides) == {"B": "2"}
    assert "P1" not in first.patients + second.patients
    written = [p.read_text() for p in (study.path / "packages").iterdir()]
    assert not any('"P1"' in text or '"A"' in text for text in written)


@pytest.mark.parametrize("text", ["{", "[]", '{"version": "1.0.0"}'])
def test_a_damaged_record_is_named(study: Study, text: str) -> None:
    record_package(study, _record("1.0.0"))
    (study.path / "packages/1.0.0-open.json").write_text(text)
    with pytest.raises(StudyError, match="malformed record of a package"):
        read_packages(study)
