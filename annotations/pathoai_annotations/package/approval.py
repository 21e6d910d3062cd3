"""Who lets a package leave, and when the patients who objected were taken out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Any

from pathoai.errors import PackageError
from pathoai_annotations.package.release import (
    Release,
    check_code,
    check_day,
    day_of,
    missing,
    opposition_day,
)

_LONGEST_ROLE = 100
_LONGEST_REASON = 1000
# Edits are dated in UTC and approvals by the approver's own calendar.
_TIME_ZONES = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Criteria:
    """Why nobody can be found again in a package that leaves the institution.

    The three criteria of Opinion 05/2014 of the Article 29 Working Party (WP216, chapter 2).

    Args:
        individualisation: Why no person can be singled out.
        correlation: Why records of one person cannot be linked with other data.
        inference: Why nothing can be inferred of a person.

    Raises:
        PackageError: One is not answered.
    """

    individualisation: str
    correlation: str
    inference: str

    def __post_init__(self) -> None:
        """Refuse what answers nothing."""
        for name, text in asdict(self).items():
            if not isinstance(text, str) or not text.strip():
                raise missing(
                    f"--{name}",
                    f"the criterion of {name} is not answered",
                    f"say why the package withstands it: --{name} TEXT",
                )
            if "@" in text or len(text) > _LONGEST_REASON or not text.isprintable():
                raise PackageError(
                    f"the answer on {name} is no line of text",
                    where=f"--{name}",
                    found=f"{len(text)} characters",
                    allowed=f"one line of up to {_LONGEST_REASON} characters, no e-mail address",
                    remedy="say it in one line",
                )


@dataclass(frozen=True, slots=True)
class Approval:
    """The decision that a package may leave.

    Args:
        approved_by: Code of who decided, 1 to 32 letters, digits, ``-`` or ``_``; never a name.
        role: What that person is, e.g. ``data protection officer``.
        opposition_date: The day on which the list of patients who objected was last applied.
        approved_on: The day of the decision. Where not given, :meth:`settled` takes the earliest
            possible one, so that the same study gives the same package on any day.
        criteria: Needed where the package leaves the institution.

    Raises:
        PackageError: A part is missing or malformed, a day lies in the future, or the list was
            applied after the decision.
    """

    approved_by: str
    role: str
    opposition_date: date
    approved_on: date | None = None
    criteria: Criteria | None = None

    def __post_init__(self) -> None:
        """Refuse what does not answer who, in which role, and when."""
        check_code(self.approved_by, "approver")
        _check_role(self.role)
        check_day(self.opposition_date, "opposition date")
        if self.approved_on is None:
            return
        check_day(self.approved_on, "approval date")
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
            raise missing(
                "--approved-by",
                "no one has approved the package: somebody must answer for what leaves",
                "give the code of who approved it, e.g. --approved-by DPO1",
            )
        if not role:
            raise missing(
                "--role",
                "the role of the approver is not stated: whoever receives the package must see in "
                "which function it was approved",
                "give it, e.g. --role 'data protection officer'",
            )
        return cls(
            approved_by,
            role,
            opposition_day(opposition_date),
            None if approved_on is None else day_of(approved_on, "--approved-on"),
        )

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Approval:
        """The approval inside a package.

        Raises:
            PackageError: As the class does, or a part is missing.
        """
        parts = ("approved_by", "role", "opposition_date", "approved_on")
        absent = [part for part in parts if not isinstance(raw.get(part), str) or not raw[part]]
        if absent:
            raise missing(
                ", ".join(absent), "the approval is not complete", "build the package again"
            )
        return cls(
            raw["approved_by"],
            raw["role"],
            day_of(raw["opposition_date"], "opposition_date"),
            day_of(raw["approved_on"], "approved_on"),
            _criteria(raw.get("criteria")),
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
            raise missing("approved_on", "the approval has no day", "settle it first")
        return self.approved_on

    def check_release(self, release: Release) -> None:
        """Refuse to let a package go that this approval does not cover.

        Raises:
            PackageError: The package leaves the institution, and who approves is who exports, or
                the criteria are not answered; or it states another opposition date.
        """
        if self.opposition_date != release.opposition_date:
            raise PackageError(
                "the approval states another opposition date than the package",
                where="opposition date",
                found=self.opposition_date,
                allowed=release.opposition_date,
            )
        if not release.tier.is_published:
            return
        if self.approved_by.casefold() == release.exporter.casefold():
            raise PackageError(
                "who exports a package cannot approve it",
                where="approved by",
                found=self.approved_by,
                allowed="anybody but the exporter",
                remedy="let somebody else look at the package and approve it",
            )
        if self.criteria is None:
            raise missing(
                "criteria",
                "the criteria individualisation, correlation and inference are not answered",
                "answer them: --individualisation, --correlation, --inference",
            )

    def to_json(self) -> dict[str, Any]:
        """As it is written into the package."""
        return {
            "approved_by": self.approved_by,
            "approved_on": self.day.isoformat(),
            "criteria": None if self.criteria is None else asdict(self.criteria),
            "opposition_date": self.opposition_date.isoformat(),
            "role": self.role,
        }


def _criteria(raw: object) -> Criteria | None:
    if raw is None:
        return None
    names = ("individualisation", "correlation", "inference")
    if not isinstance(raw, Mapping):
        raise missing("criteria", "the approval is not complete", "let it be approved again")
    return Criteria(*(raw.get(name) or "" for name in names))


def _check_role(role: str) -> None:
    if not role.strip():
        raise missing("role", "the role of the approver is empty", "say what the approver is")
    if "@" in role or len(role) > _LONGEST_ROLE or not role.isprintable():
        raise PackageError(
            "the role of the approver is not a role",
            where="role",
            found=f"{len(role)} characters",
            allowed=f"one line of up to {_LONGEST_ROLE} characters, no e-mail address",
            remedy="say what the approver is, e.g. 'data protection officer'",
        )
