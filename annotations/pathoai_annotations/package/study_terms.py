"""What catalogues ask of a study beyond its data: who publishes, where, on which legal basis."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pathoai.errors import PackageError
from pathoai.study.study_sheet import StudySheet
from pathoai_annotations.package.tier import Tier

_ARTICLE = re.compile(r"\b(6|9)[.(]\s*([12])\)?[.(]?\s*([a-j])\b")
"""Articles 6.1 and 9.2 of the GDPR, as in ``GDPR 6.1.e, 9.2.j`` or ``6(1)(e)``."""
_UNNAMED = "The institution of the study"
_LANDING_PAGE = "index.html"
_NOTE = "The institution that holds the study."


@dataclass(frozen=True, slots=True)
class Publisher:
    """Who answers for the data where they are published: an institution, never a person.

    Args:
        name: Of the institution.
        homepage: IRI; a file of the package where the study names none.
        contact: IRI of a page or a form; no e-mail address, since a package holds none.
        note: What it does, in a sentence.
        kind: Key of the EU's list of publishers of health data.
    """

    name: str
    homepage: str
    contact: str
    note: str
    kind: str = "healthcare-providers"


@dataclass(frozen=True, slots=True)
class StudyTerms:
    """What the study sheet says for catalogues.

    Args:
        publisher: Who answers for the data.
        country: Three letters (ISO 3166-1).
        category: Key of the EHDS categories.
        theme: Key of the EU's list of themes.
        legal_basis: In words; empty where not stated.
        purpose: In words; empty where not stated.
        retention_until: The last day on which the data are kept; empty where not stated.
    """

    publisher: Publisher
    country: str
    category: str
    theme: str
    legal_basis: str
    purpose: str
    retention_until: str

    @classmethod
    def of(cls, sheet: StudySheet, tier: Tier) -> StudyTerms:
        """Read them, with the package's own page for one that the study does not name.

        Args:
            sheet: Of the study.
            tier: Of the package.

        Raises:
            PackageError: The package leaves the institution, and the study does not say which.
        """
        if tier.is_published and not sheet.publisher.strip():
            raise PackageError(
                "a package that leaves the institution must say which one publishes it",
                where="study.toml",
                found="no publisher",
                remedy='add publisher = "NAME OF THE INSTITUTION" under [study]',
            )
        page = sheet.publisher_page or _LANDING_PAGE
        publisher = Publisher(
            " ".join(sheet.publisher.split()) or _UNNAMED,
            page,
            sheet.publisher_contact or page,
            sheet.publisher_note or _NOTE,
            sheet.publisher_type,
        )
        return cls(
            publisher,
            sheet.country,
            sheet.health_category,
            sheet.health_theme,
            sheet.legal_basis,
            sheet.purpose or sheet.purpose_fr,
            sheet.retention_until,
        )

    @property
    def articles(self) -> tuple[str, ...]:
        """Articles of the GDPR that the legal basis names, as the Data Privacy Vocabulary does."""
        found = _ARTICLE.findall(self.legal_basis)
        return tuple(f"A{article}-{part}-{letter}" for article, part, letter in found)
