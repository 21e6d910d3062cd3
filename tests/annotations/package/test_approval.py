from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathoai.errors import PackageError
from pathoai_annotations.package.approval import Approval

_DAY = date(2026, 1, 31)
_TOMORROW = date.today() + timedelta(days=1)


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        (("jane@x.example", "officer", _DAY), "never by a name"),
        (("Jane Doe", "officer", _DAY), "never by a name"),
        (("", "officer", _DAY), "never by a name"),
        (("DPO1\n", "officer", _DAY), "never by a name"),
        (("D" * 33, "officer", _DAY), "never by a name"),
        (("DPO1", " ", _DAY), "role of the approver is empty"),
        (("DPO1", "jane@x.example", _DAY), "not a role"),
        (("DPO1", "officer", None), "no opposition date"),
        (("DPO1", "officer", datetime(2026, 1, 31)), "no opposition date"),
        (("DPO1", "officer", _TOMORROW), "opposition date lies in the future"),
        (("DPO1", "officer", _DAY, _TOMORROW), "approval date lies in the future"),
        (("DPO1", "officer", _DAY, date(2026, 1, 30)), "applied after the approval"),
    ],
)
def test_refuses(parts: tuple[object, ...], what: str) -> None:
    with pytest.raises(PackageError) as caught:
        Approval(*parts)  # type: ignore[arg-type]  # wrong parts are what is tested
    assert what in caught.value.what
    assert caught.value.remedy
    assert "jane" not in str(caught.value).lower()


@pytest.mark.parametrize(
    ("parts", "where"),
    [
        ((None, "officer", "2026-01-31"), "--approved-by"),
        (("DPO1", None, "2026-01-31"), "--role"),
        (("DPO1", "officer", None), "--opposition-date"),
        (("DPO1", "officer", "31/01/2026"), "--opposition-date"),
        (("DPO1", "officer", "2026-01-31", "soon"), "--approved-on"),
    ],
)
def test_text_that_is_missing_or_no_day_is_named(parts: tuple[str | None, ...], where: str) -> None:
    with pytest.raises(PackageError) as caught:
        Approval.from_text(*parts)
    assert caught.value.where == where


def test_settles_on_the_earliest_possible_day() -> None:
    approval = Approval("DPO1", "officer", _DAY)
    assert approval.settled(date(2025, 12, 1)).day == _DAY
    assert approval.settled(date(2026, 2, 3)).day == date(2026, 2, 3)


def test_a_stated_day_must_not_be_before_the_last_edit() -> None:
    approval = Approval("DPO1", "officer", _DAY, _DAY)
    assert approval.settled(date(2026, 2, 1)).day == _DAY  # the same day east of Greenwich
    with pytest.raises(PackageError, match="edited after the approval"):
        approval.settled(date(2026, 2, 2))


def test_an_unsettled_approval_has_no_day() -> None:
    with pytest.raises(PackageError, match="no day"):
        _ = Approval("DPO1", "officer", _DAY).day


@given(
    code=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}", fullmatch=True),
    opposition=st.dates(date(2000, 1, 1), _DAY),
)
def test_is_the_same_after_json(code: str, opposition: date) -> None:
    approval = Approval(code, "officer", opposition, _DAY)
    assert Approval.from_json(approval.to_json()) == approval
