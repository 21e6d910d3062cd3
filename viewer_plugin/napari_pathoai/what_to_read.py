"""Which slide is read, and which regions of it, where the user has not said so."""

from __future__ import annotations

from pathlib import Path

from napari_pathoai.settings import setting
from pathoai.errors import StudyError
from pathoai.store.slide_store import is_complete
from pathoai.study.study import Study
from pathoai_annotations.review.queue_settings import QueueSettings
from pathoai_annotations.review.reading_plan import ReadingPlan

USUAL_REGIONS = 20
"""Regions of a slide, about ten minutes of reading."""


def usual_plan(
    file: Path | None = None,
    *,
    regions: int = USUAL_REGIONS,
    random_share: float | None = None,
    control_share: float | None = None,
) -> ReadingPlan:
    """What a reader reads, as the settings say where nothing else is said.

    Args:
        file: A table of regions to read instead; None where there is none.
        regions: Of a slide.
        random_share: Share of regions drawn at random, 0 to 1.
        control_share: Share of regions in which the model is hidden, 0 to 1.

    Raises:
        InvalidValueError: A number is outside what is allowed.
    """
    shares = [
        float(setting(name)) if given is None else given
        for name, given in (("random_share", random_share), ("control_share", control_share))
    ]
    return ReadingPlan(QueueSettings(regions, *shares), file)


def tiled_slides(study: Study) -> tuple[str, ...]:
    """Ids of the study's slides that have a finished store, in the order of the cohort."""
    return tuple(
        row.slide_id for row in study.cohort if is_complete(study.store_path(row.slide_id))
    )


def choose_slide(study: Study, slide_id: str | None) -> str:
    """The slide to show: the one asked for, by its code or how only it begins, or the first tiled.

    Raises:
        StudyError: No slide is tiled, or the study has no such slide, or several begin so.
    """
    if slide_id is not None:
        return study.cohort.named(slide_id).slide_id
    tiled = tiled_slides(study)
    if not tiled:
        raise StudyError(
            "no slide of the study is tiled yet",
            where=study.path.name,
            remedy="run `pathoai tile STUDY`",
        )
    return tiled[0]
