"""Since when the list of patients who object can have been applied to a study."""

from __future__ import annotations

from datetime import date, timedelta

from pathoai.errors import PackageError
from pathoai.study.study import Study
from pathoai_annotations.journal.journal import Journal

# Studies and edits are dated in UTC, and the list by the steward's own calendar.
_TIME_ZONES = timedelta(days=1)


def refuse_before_study(study: Study, day: date) -> None:
    """Refuse a day before there was anything to which the list could be applied.

    A study that was opened from a package is younger than its data: there the first edit counts.

    Args:
        study: The study.
        day: On which the list is said to have been applied.

    Raises:
        PackageError: It lies before.
    """
    began = date.fromisoformat(study.sheet.created[:10])
    if day >= began - _TIME_ZONES:
        return
    if study.has_journal:
        with Journal.open(study) as journal:
            first = next((event.at[:10] for event in journal.events()), began.isoformat())
        began = min(began, date.fromisoformat(first))
    if day < began - _TIME_ZONES:
        raise PackageError(
            "the opposition date lies before the study was made",
            where="--opposition-date",
            found=day,
            allowed=f"from {began} up to today",
            remedy="apply the list of opposed patients to this study (`pathoai oppose STUDY --list "
            "FILE`), then give that day",
        )
