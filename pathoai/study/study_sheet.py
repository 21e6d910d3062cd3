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

_PAGE = (r"(https?://[^\s@<>\"]+)?", "an address of a page, such as https://www.hospital.example")
_KEY = (r"[A-Z_]+", "capital letters and _, as catalogues of health data list them")
_FORMS = {
    "publisher_page": _PAGE,
    "publisher_contact": _PAGE,
    "publisher_type": (r"[A-Za-z-]+", "a key such as healthcare-providers"),
    "country": (r"[A-Z]{3}", "three capital letters, such as FRA"),
    "health_category": _KEY,
    "health_theme": _KEY,
}
"""What catalogues read word by word: field → its form, in signs and in words."""


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
        publisher: The institution that publishes what leaves it; a package that does must name it.
        publisher_page: Its home page, an ``http(s)`` address.
        publisher_contact: A page on which it is reached, likewise.
        publisher_note: What it does, in a sentence.
        publisher_type: Key of the EU's list of publishers of health data.
        country: Where the patients were seen: three letters (ISO 3166-1).
        health_category: Key of the EHDS categories (article 51): EINS are biobanks and databases
            associated with them, RQSH research cohorts.
        health_theme: Key of the EU's list of themes.
        title_fr: As ``title``, in French.
        purpose_fr: Likewise.
        categories_fr: Likewise.
        recipients_fr: Likewise.
        rights_fr: Likewise.
        specialty_fr: Likewise.
        study_type_fr: Likewise.

    Raises:
        InvalidValueError: A date, year or key is none, the retention is too long or over before it
            began, a page is no address of one, or a contact is an e-mail address.
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
    publisher: str = ""
    publisher_page: str = ""
    publisher_contact: str = ""
    publisher_note: str = ""
    publisher_type: str = "healthcare-providers"
    country: str = "FRA"
    health_category: str = "EINS"
    health_theme: str = "CANCER_DISEASE"
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
        for field in ("dpo_contact", "publisher", "publisher_note"):
            if "@" in getattr(self, field):
                raise InvalidValueError(
                    "an e-mail address may not lie in a package",
                    where=field,
                    allowed="a web page, a telephone number or a postal address",
                )
        for field, (form, words) in _FORMS.items():
            if not re.fullmatch(form, getattr(self, field)):
                raise InvalidValueError(
                    "no catalogue could read this",
                    where=field,
                    found=getattr(self, field),
                    allowed=words,
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
