"""Who lets a package leave, and when the patients who objected were taken out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from pathoai.errors import PackageError
from pathoai_annotations.package.tier import Tier

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_LONGEST_ROLE = 100
# Edits are dated in UTC and approvals by the approver's own calendar.
_TIME_ZONES = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Approval:
    """The decision that a package may leave.

    Args:
        approved_by: Code of who decided, 1 to 32 letters, digits, ``-`` or ``_``; never a name.
        role: What that person is, e.g. ``data protection officer``.
        opposition_date: The day on which the list of patients who objected was last applied.
        approved_on: The day of the decision. Where not given, :meth:`settled` takes the earliest
            possible one, so that the same study gives the same package on any day.

    Raises:
        PackageError: A part is missing or malformed, a day lies in the future, or the list was
            applied after the decision.
    """

    approved_by: str
    role: str
    opposition_date: date
    approved_on: date | None = None

    def __post_init__(self) -> None:
        """Refuse what does not answer who, in which role, and when."""
        _check_code(self.approved_by)
        _check_role(self.role)
        _check_day(self.opposition_date, "opposition date")
        if self.approved_on is None:
            return
        _check_day(self.approved_on, "approval date")
        if self.opposition_date > self.approved_on:
            raise PackageError(
                "the list of opposed patients was applied after the approval",
                where="opposition date",
                found=self.opposition_date,
                allowed=f"up to the approval, {self.approved_on}",
                remedy="let the package be approved again, after the list was applied",
            )

    @classmethod
    def from_text(
        cls,
        approved_by: str | None,
        role: str | None,
        opposition_date: str | None,
        approved_on: str | None = None,
    ) -> Approval:
        """The same from a command line; each missing part is answered by why it is needed.

        Raises:
            PackageError: As the class does, or a part is not given.
        """
        if not approved_by:
            raise _missing(
                "--approved-by",
                "no one has approved the package: somebody must answer for what leaves",
                "give the code of who approved it, e.g. --approved-by DPO1",
            )
        if not role:
            raise _missing(
                "--role",
                "the role of the approver is not stated: whoever receives the package must see in "
                "which function it was approved",
                "give it, e.g. --role 'data protection officer'",
            )
        if not opposition_date:
            raise _missing(
                "--opposition-date",
                "no opposition date: patients may object at any time, so the package must say up "
                "to which day those who did were taken out",
                "apply the list of opposed patients, then give that day as YYYY-MM-DD",
            )
        return cls(
            approved_by,
            role,
            _day(opposition_date, "--opposition-date"),
            None if approved_on is None else _day(approved_on, "--approved-on"),
        )

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Approval:
        """The approval inside a package.

        Raises:
            PackageError: As the class does, or a part is missing.
        """
        parts = ("approved_by", "role", "opposition_date", "approved_on")
        missing = [part for part in parts if not isinstance(raw.get(part), str) or not raw[part]]
        if missing:
            raise _missing(
                ", ".join(missing), "the approval is not complete", "build the package again"
            )
        return cls(
            raw["approved_by"],
            raw["role"],
            _day(raw["opposition_date"], "opposition_date"),
            _day(raw["approved_on"], "approved_on"),
        )

    def settled(self, last_edit: date) -> Approval:
        """This approval with its day, for a package whose last edit was on the given day (UTC).

        Where no day was stated it is the later of the opposition date and the last edit: nobody
        can have approved before both.

        Raises:
            PackageError: The package was edited after it was approved.
        """
        approved_on = self.approved_on or max(self.opposition_date, last_edit)
        if last_edit > approved_on + _TIME_ZONES:
            raise PackageError(
                "annotations were edited after the approval",
                where="approval date",
                found=approved_on,
                allowed=f"from the last edit, {last_edit}",
                remedy="let the package be approved again",
            )
        return replace(self, approved_on=approved_on)

    @property
    def day(self) -> date:
        """The day of a settled approval.

        Raises:
            PackageError: The approval was not settled.
        """
        if self.approved_on is None:
            raise _missing("approved_on", "the approval has no day", "settle it first")
        return self.approved_on

    def to_json(self) -> dict[str, str]:
        """As it is written into the package."""
        return {
            "approved_by": self.approved_by,
            "approved_on": self.day.isoformat(),
            "opposition_date": self.opposition_date.isoformat(),
            "role": self.role,
            "tier": Tier.INTERNAL.value,
        }


def _missing(where: str, what: str, remedy: str) -> PackageError:
    return PackageError(what, where=where, remedy=remedy)


def _check_code(code: str) -> None:
    if not _CODE.fullmatch(code):
        raise PackageError(
            "the approver is named by a short code, never by a name or an e-mail address",
            where="approved by",
            found=f"{len(code)} characters",
            allowed="1 to 32 letters, digits, - or _",
            remedy="give the approver a code, e.g. DPO1",
        )


def _check_role(role: str) -> None:
    if not role.strip():
        raise _missing("role", "the role of the approver is empty", "say what the approver is")
    if "@" in role or len(role) > _LONGEST_ROLE or not role.isprintable():
        raise PackageError(
            "the role of the approver is not a role",
            where="role",
            found=f"{len(role)} characters",
            allowed=f"one line of up to {_LONGEST_ROLE} characters, no e-mail address",
            remedy="say what the approver is, e.g. 'data protection officer'",
        )


def _check_day(value: object, where: str) -> None:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise _missing(where, f"no {where}", "give a day (datetime.date)")
    if value > date.today():
        raise PackageError(
            f"the {where} lies in the future",
            where=where,
            found=value,
            allowed=f"up to today, {date.today()}",
            remedy="give the day on which it was done",
        )


def _day(text: str, where: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise PackageError(
            "not a day",
            where=where,
            found=repr(text),
            allowed="YYYY-MM-DD",
            remedy="write it like 2026-01-31",
        ) from error
