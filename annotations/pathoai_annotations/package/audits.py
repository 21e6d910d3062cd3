"""How precise labels from immunohistochemistry are, as the study's audits say it, in a package."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.errors import PackageError
from pathoai.study.cohort import Cohort
from pathoai.study.study import Study
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.package import layout

if TYPE_CHECKING:  # it reads stores, and most studies have no audit
    from pathoai.ihc.precision import LabelPrecision


def audits_of(study: Study, journal: Journal) -> list[LabelPrecision]:
    """The precision of each marker's labels, of markers of which at least one tile was read.

    Args:
        study: The study.
        journal: Of the study.

    Raises:
        StudyError: An audit is damaged.
        PackageError: It is of a slide that is not in the cohort.
    """
    if not study.audited_markers:
        return []
    from pathoai.ihc.saved_audit import load_audit
    from pathoai_annotations.audit.audit_queue import tiles_path
    from pathoai_annotations.audit.judged_tiles import judged_precision

    found = [
        judged_precision(journal, load_audit(tiles_path(study, marker)))
        for marker in study.audited_markers
    ]
    for one in found:
        _check_cohort(one, study.cohort)
    return [one for one in found if one.read]


def last_audit(found: Sequence[LabelPrecision], otherwise: date) -> date:
    """The day (UTC) of the last reading of any audit, or another day if that is later."""
    return max([otherwise, *(datetime.fromisoformat(one.last_reading).date() for one in found)])


def write_audits(payload: Path, found: Sequence[LabelPrecision]) -> None:
    """Write ``audits/<marker>.json`` for each.

    Args:
        payload: The payload's folder.
        found: What is known of each marker's labels.
    """
    for one in found:
        path = payload / layout.audit_name(one.marker)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(one.to_dict(), indent=1, sort_keys=True, allow_nan=False)
        path.write_text(text + "\n", "utf8", newline="\n")


def _check_cohort(found: LabelPrecision, cohort: Cohort) -> None:
    strangers = sorted(slide_id for slide_id in found.labels if slide_id not in cohort)
    if strangers:
        raise PackageError(
            "an audit is of a slide that is not in the cohort",
            where=f"audit of {found.marker}",
            found=", ".join(strangers[:3]) + (" …" if len(strangers) > 3 else ""),
            remedy=f"draw it again: `pathoai label STUDY --marker {found.marker} --audit N`",
        )
