"""Who allows a package to leave, and when opposition was applied, is stated and plausible."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from pathoai.errors import PackageError
from pathoai_annotations.package.approval import Approval


def test_a_record_is_read_back_equal() -> None:
    approval = Approval("DPO1", "déléguée à la protection des données", date(2026, 1, 31))

    assert Approval.from_json(approval.to_json()) == approval


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"opposition_date": "2026-01-31", "x": 1}'])
def test_malformed_records_are_refused(text: str) -> None:
    with pytest.raises(PackageError, match="malformed approval"):
        Approval.from_json(text)


@pytest.mark.parametrize(
    ("approved_by", "role", "day"),
    [
        ("Jane Doe", "officer", "2026-01-31"),
        ("jane@hospital.example", "officer", "2026-01-31"),
        ("DPO1", "jane@hospital.example", "2026-01-31"),
        ("DPO1", "officer", (date.today() + timedelta(days=2)).isoformat()),
        ("DPO1", "officer", "31/01/2026"),
    ],
)
def test_approvals_that_nobody_could_answer_for_are_refused(
    approved_by: str, role: str, day: str
) -> None:
    with pytest.raises(PackageError):
        Approval.of_text(approved_by, role, day)


@pytest.mark.parametrize("missing", ["--approved-by", "--role", "--opposition-date"])
def test_an_approval_with_a_part_missing_says_which_and_why(missing: str) -> None:
    parts = {"--approved-by": "DPO1", "--role": "officer", "--opposition-date": "2026-01-31"}
    parts[missing] = ""

    with pytest.raises(PackageError, match=f"{missing}: no approval.*opposition"):
        Approval.of_text(*parts.values())
