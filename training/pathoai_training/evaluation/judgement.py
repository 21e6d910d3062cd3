"""What evaluating a task gives: one function per task makes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pathoai.models.bundle import ModelBundle
from pathoai.progress import Advance
from pathoai.study.cohort import Cohort
from pathoai_training.report.context import CaseRegion
from pathoai_training.report.decision_sections import Decisions
from pathoai_training.report.evaluated_slides import EvaluatedSlides
from pathoai_training.report.predictions import Predictions
from pathoai_training.tasks.task import Task


@dataclass(frozen=True)
class Judgement:
    """What a report is built from.

    Args:
        predictions: Of the evaluated slides.
        cases: The worst, worst first.
        tiles: Tiles that were looked at; None where the task has none.
        decisions: Fixed before the test was looked at.
    """

    predictions: Predictions
    cases: tuple[CaseRegion, ...] = ()
    tiles: int | None = None
    decisions: Decisions = field(default_factory=Decisions)


@dataclass(frozen=True)
class Exam:
    """What a task is evaluated with.

    Args:
        model: With the bundle's weights, on its device, set to evaluation.
        data: Set up.
        subset: ``test`` or ``validation``.
        bundle: What says how outputs become probabilities and decisions.
        cohort: Of the study.
    """

    model: Task[Any, Any]
    data: Any  # of the kind that the model's task takes
    subset: str
    bundle: ModelBundle
    cohort: Cohort


Judge = Callable[[Exam, Advance], Judgement]


def evaluated_slides(cohort: Cohort, slide_ids: Sequence[str]) -> EvaluatedSlides:
    """The coded columns of slides, in that order."""
    rows = [cohort[slide_id] for slide_id in slide_ids]
    return EvaluatedSlides(
        tuple(slide_ids),
        tuple(row.patient_id for row in rows),
        tuple(row.centre_id for row in rows),
        tuple(row.scanner for row in rows),
        tuple(row.stain_batch for row in rows),
    )
