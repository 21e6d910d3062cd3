"""What a study's own records say of what was done with its slides."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pathoai.errors import StudyError
from pathoai.study.study import Study

_SMALLEST_SHOWN = 11
"""Counts of people below it are not published (ATIH and CASD, secondary use of health data)."""


@dataclass(frozen=True, slots=True)
class BuiltPackage:
    """A package that was made of the study.

    Args:
        version: Of its data.
        day: On which it was made, ISO 8601.
    """

    version: str
    day: str


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """Counts and lists, without any code of a slide or patient.

    Args:
        slides: As published: a number, or ``<11``.
        patients: Likewise.
        models: Names of the models that lie in the study, sorted.
        packages: The oldest first.
        opposition_applied: The last day on which the list of patients who object was applied before
            a package was made, ISO 8601; empty where none was made.
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
    cohort = study.cohort
    builds = _package_builds(study)
    oppositions = [build["parameters"].get("opposition_date", "") for build in builds]
    return StudyFacts(
        published_count(len(cohort)),
        published_count(len({row.patient_id for row in cohort if row.patient_id})),
        tuple(sorted(p.parent.name for p in study.path.glob("models/*/bundle.json"))),
        tuple(BuiltPackage(b["parameters"]["version"], b["ended"][:10]) for b in builds),
        max((day for day in oppositions if day), default=""),
    )


def published_count(count: int) -> str:
    """A count of people, or of what they gave, as it may be published."""
    return str(count) if count == 0 or count >= _SMALLEST_SHOWN else f"<{_SMALLEST_SHOWN}"


def _package_builds(study: Study) -> list[dict[str, Any]]:
    """Records of packages, in the order of their making."""
    return [_record(file) for file in sorted(study.provenance_path.glob("package-build-*.json"))]


def _record(file: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(file.read_text("utf8"))
        date.fromisoformat(content["ended"][:10])
        str(content["parameters"]["version"])
    except (ValueError, KeyError, TypeError) as error:
        raise StudyError(
            "malformed record of a package",
            where=f"provenance/{file.name}",
            found=repr(error),
            remedy="restore the file from your backup",
        ) from error
    return content
