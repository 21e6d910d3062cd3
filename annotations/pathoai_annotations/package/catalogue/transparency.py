"""``catalogue/transparency.json``: what the public is told of the study behind a package."""

from __future__ import annotations

from pathlib import Path

from pathoai.study.study import Study
from pathoai.transparency.public_sheet import transparency_json
from pathoai.transparency.study_facts import published_count
from pathoai_annotations.package import layout
from pathoai_annotations.package.catalogue.payload_file import write_payload_json
from pathoai_annotations.package.small_counts import SMALLEST_SHOWN, is_small
from pathoai_annotations.package.summary import PackageSummary


def write_transparency(payload: Path, study: Study, summary: PackageSummary) -> None:
    """Write the record: title, purpose, categories, recipients, rights, contact, retention, counts.

    Small counts are masked in every tier, since portals publish them. Where the package leaves the
    institution, so is a count of the whole study that, less what the package holds, is small.

    Args:
        payload: The payload's folder.
        study: Of which the package is made.
        summary: What the package says of itself.

    Raises:
        StudyError: The cohort is malformed.
    """
    content = transparency_json(study)
    if summary.tier.is_published:
        content["records"] |= _study_counts(study, summary)
    content |= {
        "package": summary.package_id.urn,
        "package_version": summary.version,
        "tier": summary.tier.value,
        "day": summary.day.isoformat(),
        "publisher": summary.terms.publisher.name,
    }
    write_payload_json(payload, layout.TRANSPARENCY, content)


def _study_counts(study: Study, summary: PackageSummary) -> dict[str, str]:
    cohort = study.cohort
    patients = {row.patient_id for row in cohort if row.patient_id}
    packaged = {slide.case_id for slide in summary.slides if slide.case_id}
    return {
        "slides": _shown(len(cohort), len(summary.slides)),
        "patients": _shown(len(patients), len(packaged)),
    }


def _shown(total: int, packaged: int) -> str:
    """A count of the study; what the package holds of it stands in the package's own tables."""
    if total >= SMALLEST_SHOWN and is_small(total - packaged):
        return f">={SMALLEST_SHOWN}"
    return published_count(total)
