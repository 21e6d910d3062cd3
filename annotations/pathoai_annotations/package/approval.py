"""Who allowed a package to leave, and until when opposition was looked at."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from pathoai.errors import AnnotationError, PackageError
from pathoai_annotations.annotation import check_author

_ROLE = re.compile(r"[^\W\d_][\w ,'’()/-]{1,79}")
_WHY = "a package leaves a study only when someone answers for it and opposition was applied"
DEFAULT_PURPOSE = "sharing of annotations within the institution"


@dataclass(frozen=True, slots=True)
class Approval:
    """A release decision.

    Args:
        approved_by: Code of the person who decides; never a name.
        role: That person's function, e.g. ``data protection officer``.
        opposition_date: The day on which the list of opposed patients was last applied.
        purpose: What the package is for.
        tier: Who may see it; slides are referenced by code, so only ``internal`` exists yet.

    Raises:
        PackageError: A part is missing, could hold a name or an address, or lies in the future.
    """

    approved_by: str
    role: str
    opposition_date: date
    purpose: str = DEFAULT_PURPOSE
    tier: str = "internal"

    def __post_init__(self) -> None:
        """Refuse decisions nobody can answer for."""
        try:
            check_author(self.approved_by)
        except AnnotationError as error:
            raise PackageError(
                "who approves is a short code, never a name or an e-mail address",
                where="approved by",
                found=error.found,
                allowed=error.allowed,
            ) from error
        for name in ("role", "purpose"):
            if not _ROLE.fullmatch(getattr(self, name)):
                raise PackageError(
                    "a few words are needed, without any address or number",
                    where=name,
                    allowed="2 to 80 letters, blanks and , ' ( ) / -",
                )
        if self.tier != "internal":
            raise PackageError("unknown tier", where="tier", found=self.tier, allowed="internal")
        if self.opposition_date > date.today():
            raise PackageError(
                "the opposition list cannot have been applied in the future",
                where="opposition date",
                found=self.opposition_date,
                allowed=f"up to {date.today()}",
            )

    @classmethod
    def of_text(
        cls,
        approved_by: str | None,
        role: str | None,
        opposition_date: str | None,
        *,
        purpose: str = DEFAULT_PURPOSE,
    ) -> Approval:
        """The decision as options of a command state it; ``None`` where one was not given.

        Raises:
            PackageError: One is missing or malformed; the message says why it is needed.
        """
        missing = [
            option
            for option, value in (
                ("--approved-by", approved_by),
                ("--role", role),
                ("--opposition-date", opposition_date),
            )
            if not value
        ]
        if missing or approved_by is None or role is None or opposition_date is None:
            raise PackageError(
                f"no approval: {_WHY}",
                where=", ".join(missing),
                found="nothing",
                remedy="state a code, a role and the day the opposition list was applied, e.g. "
                "--approved-by DPO1 --role 'data protection officer' --opposition-date 2026-01-31",
            )
        return cls(approved_by, role, _day(opposition_date), purpose)

    def to_json(self) -> str:
        """The record as it lies in the package."""
        return json.dumps(asdict(self), default=str, indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Approval:
        """The record of a package.

        Raises:
            PackageError: It is malformed.
        """
        try:
            raw: dict[str, Any] = json.loads(text)
            day = _day(str(raw.pop("opposition_date")))
            return cls(opposition_date=day, **raw)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise PackageError(
                "malformed approval",
                found=str(error),
                allowed="what `pathoai package build` writes",
            ) from error


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise PackageError(
            "not a day", where="opposition date", found=text, allowed="YYYY-MM-DD"
        ) from error
