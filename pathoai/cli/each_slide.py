"""Work on a cohort goes on past a bad slide, and ends by listing it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence

from pathoai.errors import CohortError, PathoaiError, StudyError
from pathoai.progress import Advance, progress_bar
from pathoai.study.cohort import CohortRow
from pathoai.study.study import Study


def chosen_slides(study: Study, slides: Sequence[str] | None) -> list[CohortRow]:
    """The rows of the slides named, or all.

    Raises:
        StudyError: The study has no slides, or no such slide.
    """
    cohort = study.cohort
    if not len(cohort):
        raise StudyError(
            "the study has no slides yet",
            where=study.path.name,
            remedy="add some with `pathoai add STUDY SLIDES`",
        )
    return [cohort[slide_id] for slide_id in slides] if slides else list(cohort)


def for_each_slide(
    rows: Iterable[CohortRow], description: str, work: Callable[[CohortRow, Advance], str]
) -> None:
    """Do the work for every slide and print its one-line result.

    Args:
        rows: The slides.
        description: Shown beside the progress bar.
        work: Does it for one slide; returns what to print.

    Raises:
        PathoaiError: The only slide failed: its own error.
        CohortError: Some of several slides failed; the others are done.
    """
    chosen = list(rows)
    failures: dict[str, PathoaiError] = {}
    for row in chosen:
        try:
            with progress_bar(f"{description} {row.slide_id}") as advance:
                result = work(row, advance)
            print(f"{row.slide_id}: {result}")
        except PathoaiError as error:
            failures[row.slide_id] = error
            if len(chosen) > 1:
                named = str(error).startswith(row.slide_id)
                print(f"pathoai: {'' if named else f'{row.slide_id}: '}{error}", file=sys.stderr)
    if failures and len(chosen) == 1:
        raise next(iter(failures.values()))
    if failures:
        raise CohortError(
            f"{len(failures)} of {len(chosen)} slides failed; the others are done",
            found=" | ".join(f"{slide_id}: {e.what}" for slide_id, e in failures.items()),
            remedy="mend or leave out these slides and run the same command again",
        )
