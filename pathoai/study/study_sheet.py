"""The sheet of a study: what it is, who answers for it, and what the public is owed of it."""

from __future__ import annotations

import re
import tomllib
import uuid
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pathoai.errors import InvalidValueError, StudyError
from pathoai.study.journal_url import check_journal_url

SHEET = "study.toml"
LONGEST_RETENTION_YEARS = 20
"""CNIL, reference framework of health-data warehouses (délibération 2021-118), section 7.2."""


@dataclass(frozen=True, slots=True)
class StudySheet:
    """What a transparency portal asks of a study.

    Texts of people are written in English, and in French where the name ends in ``_fr``; where one
    of the two is empty, the other stands for both.

    Args:
        uuid: Identity of the study; it also names its vault.
        title: What the study is called.
        ontology: Key of a shipped ontology, or name of a YAML file in the study folder.
        created: ISO 8601, UTC.
        responsible: Role of the person who answers for it; never a patient's name.
        legal_basis: E.g. ``GDPR 6.1.e, 9.2.j``.
        journal: URL of the PostgreSQL database that holds the journal; a SQLite file in the study
            where empty.
        purpose: What the data are used for.
        categories: Which kinds of data are used.
        recipients: Who gets them, besides those who work on the study.
        rights: How a patient asks, corrects or objects.
        dpo_contact: How the data protection officer is reached: a web page, a telephone number or
            a postal address. No e-mail address, since none may lie in a package.
        retention_until: The last day on which the data are kept, ISO 8601; at most 20 years after
            the study was created.
        specialty: E.g. ``gynaecological pathology``; portals sort by it.
        study_type: E.g. ``retrospective, one centre``; likewise.
        year: Four digits; that of ``created`` where empty.
        title_fr: As ``title``, in French.
        purpose_fr: Likewise.
        categories_fr: Likewise.
        recipients_fr: Likewise.
        rights_fr: Likewise.
        specialty_fr: Likewise.
        study_type_fr: Likewise.

    Raises:
        InvalidValueError: A date or year is none, the retention is too long or over before it
            began, or the contact is an e-mail address.
    """

    uuid: str
    title: str
    ontology: str
    created: str
    responsible: str = ""
    legal_basis: str = ""
    journal: str = ""
    purpose: str = ""
    categories: str = ""
    recipients: str = ""
    rights: str = ""
    dpo_contact: str = ""
    retention_until: str = ""
    specialty: str = ""
    study_type: str = ""
    year: str = ""
    title_fr: str = ""
    purpose_fr: str = ""
    categories_fr: str = ""
    recipients_fr: str = ""
    rights_fr: str = ""
    specialty_fr: str = ""
    study_type_fr: str = ""

    def __post_init__(self) -> None:
        """Check what a portal would have to believe."""
        if self.year and not re.fullmatch(r"[12]\d{3}", self.year):
            raise InvalidValueError(
                "not a year", where="year", found=self.year, allowed="four digits"
            )
        if "@" in self.dpo_contact:
            raise InvalidValueError(
                "an e-mail address may not lie in a package",
                where="dpo_contact",
                allowed="a web page, a telephone number or a postal address",
            )
        if self.retention_until:
            self._check_retention()

    def _check_retention(self) -> None:
        created = _day("created", self.created[:10])
        until = _day("retention_until", self.retention_until)
        years = until.year - created.year
        # As tuples: the 29th of February has no anniversary of its own.
        later = (until.month, until.day) > (created.month, created.day)
        if until < created or years + later > LONGEST_RETENTION_YEARS:
            raise InvalidValueError(
                "the data would be kept for too long, or not at all",
                where="retention_until",
                found=self.retention_until,
                allowed=f"a day within {LONGEST_RETENTION_YEARS} years after {created}",
            )


def read_sheet(path: Path) -> StudySheet:
    """Read the sheet of a study.

    Raises:
        StudyError: It is malformed, or has a key that is none.
    """
    try:
        raw: dict[str, Any] = tomllib.loads(path.read_text("utf8"))["study"]
        if not all(isinstance(value, str) for value in raw.values()):
            raise ValueError("every field is text")
        sheet = StudySheet(**raw)
        uuid.UUID(sheet.uuid)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StudyError(
            "malformed study sheet",
            where=SHEET,
            found=str(error),
            allowed="a [study] table of " + ", ".join(StudySheet.__dataclass_fields__),
        ) from error
    if sheet.journal:
        check_journal_url(sheet.journal)
    return sheet


def _day(where: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidValueError(
            "not a day", where=where, found=text, allowed="a date such as 2041-06-30"
        ) from error
