"""What a study tells the public: its sheet and its records, as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pathoai.errors import StudyError
from pathoai.study.study import Study
from pathoai.study.study_sheet import StudySheet
from pathoai.transparency.study_facts import StudyFacts, study_facts
from pathoai.transparency.words import LANGUAGES, Language

SCHEMA = "pathoai-study-sheet-1"
_IN_TWO_LANGUAGES = (
    "title",
    "purpose",
    "categories",
    "recipients",
    "rights",
    "specialty",
    "study_type",
)
_IN_ONE = ("responsible", "legal_basis", "dpo_contact", "retention_until", "year")
# Articles 13 and 14 of the GDPR; specialty, type and year are what a portal sorts by.
_OWED = (*_IN_TWO_LANGUAGES, *_IN_ONE)


@dataclass(frozen=True, slots=True)
class PublicSheet:
    """What is published of a study; it holds no code of a slide or patient.

    Args:
        sheet: As people wrote it.
        facts: As the study's records have it.
    """

    sheet: StudySheet
    facts: StudyFacts

    @classmethod
    def of(cls, study: Study) -> PublicSheet:
        """Gather it.

        Raises:
            StudyError: The cohort, or a record of a package, is malformed.
        """
        return cls(study.sheet, study_facts(study))

    def text(self, field: str, language: Language) -> str:
        """A field in a language, or in the other where it was written in that one alone."""
        if field == "year":
            return self.sheet.year or self.sheet.created[:4]
        own: str = getattr(self.sheet, field)
        if field not in _IN_TWO_LANGUAGES:
            return own
        french: str = getattr(self.sheet, f"{field}_fr")
        return (french or own) if language == "fr" else (own or french)

    @property
    def not_stated(self) -> tuple[str, ...]:
        """Fields that the public is owed and that nobody has filled in."""
        return tuple(field for field in _OWED if not self.text(field, "en"))

    def require_complete(self) -> None:
        """Refuse to publish half a sheet.

        Raises:
            StudyError: Something is not stated.
        """
        if self.not_stated:
            raise StudyError(
                "the study does not yet say what the public is owed",
                where=f"{self.sheet.title}, study.toml",
                found=f"nothing for {', '.join(self.not_stated)}",
                remedy="fill these in under [study] of study.toml",
            )

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; the same study gives the same."""
        both = {
            field: {language: self.text(field, language) for language in LANGUAGES}
            for field in _IN_TWO_LANGUAGES
        }
        return {
            "schema": SCHEMA,
            "study": self.sheet.uuid,
            "created": self.sheet.created[:10],
            **both,
            **{field: self.text(field, "en") for field in _IN_ONE},
            "ontology": self.sheet.ontology,
            "records": asdict(self.facts),
            "not_stated": list(self.not_stated),
        }


def transparency_json(study: Study) -> dict[str, Any]:
    """The sheet of a study for a package that is made of it.

    What depends on when a package is made (other packages, the day of objections) is left out: the
    same state of a study gives the same package. So is the study's identity, which names its vault.

    Raises:
        StudyError: The cohort, or a record of a package, is malformed.
    """
    content = PublicSheet.of(study).to_dict()
    del content["study"]
    records = content["records"]
    content["records"] = {name: records[name] for name in ("slides", "patients", "models")}
    return content
