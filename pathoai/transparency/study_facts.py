"""What a study's own records say of what was done with its slides."""

from __future__ import annotations

from dataclasses import dataclass

from pathoai.privacy.opposition import opposition_applied
from pathoai.study.package_ledger import read_packages
from pathoai.study.study import Study

_SMALLEST_SHOWN = 11
"""Counts of people below it are not published (ATIH and CASD, secondary use of health data)."""


@dataclass(frozen=True, slots=True)
class BuiltPackage:
    """A package that was made of the study.

    Args:
        version: Of its data.
        tier: How far it may travel.
        day: That it bears, ISO 8601.
    """

    version: str
    tier: str
    day: str


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """Counts and lists, without any code of a slide or patient.

    Args:
        slides: As published: a number, or ``<11``.
        patients: Likewise.
        models: Names of the models that lie in the study, sorted.
        packages: The oldest version first.
        opposition_applied: The last day on which the list of patients who object was applied, ISO
            8601; empty where that is not noted.
    """

    slides: str
    patients: str
    models: tuple[str, ...]
    packages: tuple[BuiltPackage, ...]
    opposition_applied: str


def study_facts(study: Study) -> StudyFacts:
    """Gather them; nothing is written.

    Raises:
        StudyError: The cohort, or a record, is malformed.
    """
    cohort, applied = study.cohort, opposition_applied(study.path)
    return StudyFacts(
        published_count(len(cohort)),
        published_count(len({row.patient_id for row in cohort if row.patient_id})),
        tuple(sorted(p.parent.name for p in study.path.glob("models/*/bundle.json"))),
        tuple(BuiltPackage(one.version, one.tier, one.day) for one in read_packages(study)),
        "" if applied is None else applied.isoformat(),
    )


def published_count(count: int) -> str:
    """A count of people, or of what they gave, as it may be published."""
    return str(count) if count == 0 or count >= _SMALLEST_SHOWN else f"<{_SMALLEST_SHOWN}"
