"""How far a package travels, who exported it, and when the patients who objected were taken out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from pathoai.errors import PackageError
from pathoai.strict_json import read_json
from pathoai_annotations.package import layout
from pathoai_annotations.package.tier import Tier

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_BY_HASH, _COPIES, _NONE = "by hash", "de-identified copies", "none"
"""How a package holds the images of its slides."""


@dataclass(frozen=True, slots=True)
class Release:
    """What the exporter says of a package; it lies in the payload, so an approval covers it.

    Args:
        tier: How far the package may travel.
        exporter: Code of who exports it, never a name.
        opposition_date: The day on which the list of patients who objected was last applied.
        with_images: Whether a package that leaves the institution holds de-identified copies of its
            slides; an internal one never does.

    Raises:
        PackageError: The code is none, or the day lies in the future.
    """

    tier: Tier
    exporter: str
    opposition_date: date
    with_images: bool = True

    def __post_init__(self) -> None:
        """Refuse what does not answer who and when."""
        check_code(self.exporter, "exporter")
        check_day(self.opposition_date, "opposition date")

    @property
    def holds_images(self) -> bool:
        """True where de-identified copies of the slides lie in the package."""
        return self.tier.is_published and self.with_images

    @classmethod
    def from_text(
        cls,
        tier: str,
        exporter: str | None,
        opposition_date: str | None,
        *,
        with_images: bool = True,
    ) -> Release:
        """The same from a command line; each missing part is answered by why it is needed.

        Raises:
            PackageError: As the class does, or a part is not given.
        """
        if not exporter:
            raise missing(
                "--exported-by",
                "nobody exports the package: who does must be somebody else than who approves it",
                "give the code of who exports it, e.g. --exported-by DM1",
            )
        return cls(Tier(tier), exporter, opposition_day(opposition_date), with_images)

    @classmethod
    def read(cls, root: Path) -> Release:
        """The release of a package.

        Raises:
            PackageError: It is absent, malformed or incomplete.
        """
        try:
            raw: Mapping[str, Any] = read_json(root / layout.PAYLOAD / layout.RELEASE)
            return cls(
                Tier(raw["tier"]),
                str(raw["exported_by"]),
                day_of(str(raw["opposition_date"]), "opposition_date"),
                # What an older package does not say it does not hold.
                raw.get("images", _NONE) == _COPIES,
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PackageError("no readable record of the release", where=layout.RELEASE) from error

    def to_json(self) -> dict[str, str]:
        """As it is written into the package."""
        images = _COPIES if self.holds_images else _NONE
        return {
            "exported_by": self.exporter,
            "images": images if self.tier.is_published else _BY_HASH,
            "opposition_date": self.opposition_date.isoformat(),
            "tier": self.tier.value,
        }


def opposition_day(text: str | None) -> date:
    """The opposition date from a command line.

    Raises:
        PackageError: It is not given, or no day.
    """
    if not text:
        raise missing(
            "--opposition-date",
            "no opposition date: patients may object at any time, so the package must say up "
            "to which day those who did were taken out",
            "apply the list of opposed patients, then give that day as YYYY-MM-DD",
        )
    return day_of(text, "--opposition-date")


def missing(where: str, what: str, remedy: str) -> PackageError:
    """The refusal of what lacks a part."""
    return PackageError(what, where=where, remedy=remedy)


def check_code(code: str, who: str) -> None:
    """Refuse anything but a short code.

    Raises:
        PackageError: It is none.
    """
    if not _CODE.fullmatch(code):
        raise PackageError(
            f"the {who} is named by a short code, never by a name or an e-mail address",
            where=who,
            found=f"{len(code)} characters",
            allowed="1 to 32 letters, digits, - or _",
            remedy=f"give the {who} a code, e.g. DPO1",
        )


def check_day(value: object, where: str) -> None:
    """Refuse what is no day, or lies in the future.

    Raises:
        PackageError: It is, or does.
    """
    if not isinstance(value, date) or isinstance(value, datetime):
        raise missing(where, f"no {where}", "give a day (datetime.date)")
    if value > date.today():
        raise PackageError(
            f"the {where} lies in the future",
            where=where,
            found=value,
            allowed=f"up to today, {date.today()}",
            remedy="give the day on which it was done",
        )


def day_of(text: str, where: str) -> date:
    """A day written as YYYY-MM-DD.

    Raises:
        PackageError: It is not.
    """
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
