"""Evaluating grades of whole slides: scores with their companions, referral, prediction sets."""

from __future__ import annotations

import io
from typing import cast

import numpy as np
from PIL import Image

from pathoai.geometry import Region, Size
from pathoai.models.grade_decision import GradeDecision
from pathoai.progress import Advance
from pathoai.store.slide_store import SlideStore
from pathoai_training.data.graded_slides import GradedSlide
from pathoai_training.evaluation.judgement import Exam, Judgement, evaluated_slides
from pathoai_training.evaluation.worst_tiles import CASES
from pathoai_training.report.context import CaseRegion
from pathoai_training.report.decision_sections import Decisions
from pathoai_training.report.predictions import SlidePredictions
from pathoai_training.tasks.slide_grading import SlideGrading


def judge_grading(exam: Exam, advance: Advance) -> Judgement:
    """Grade a subset's slides; thresholds, referral and sets come from validation.

    Args:
        exam: Of a :class:`~pathoai_training.tasks.slide_grading.SlideGrading`.
        advance: Told of slides done and slides in all.
    """
    slides: list[GradedSlide] = exam.data.slides_of(exam.subset)
    advance(0, len(slides))
    decision = GradeDecision.from_dict(exam.bundle.decision, where=exam.bundle.name)
    predictions = _predictions(exam, decision, exam.subset)
    advance(len(slides), len(slides))
    validation = _predictions(exam, decision, "validation") if exam.subset == "test" else None
    return Judgement(
        predictions,
        _cases(slides, predictions, decision),
        tiles=sum(slide.tiles for slide in slides),
        decisions=Decisions(validation, decision.referral, (decision.sets,)),
    )


def _predictions(exam: Exam, decision: GradeDecision, subset: str) -> SlidePredictions:
    model = cast(SlideGrading, exam.model)
    found = model.examine(exam.data, subset)
    return SlidePredictions(
        evaluated_slides(exam.cohort, found.slide_ids),
        exam.bundle.classes,
        found.truth.numpy(),
        exam.bundle.calibration.probabilities(found.logits).double().numpy(),
        costs=decision.referral.costs,
        ordinal=True,
        reader_noise=model.reader_noise,
    )


def _cases(
    slides: list[GradedSlide], predictions: SlidePredictions, decision: GradeDecision
) -> tuple[CaseRegion, ...]:
    """The slides whose wrong grade costs most, and of these the surest first."""
    truth, decided = predictions.truth, predictions.decided
    cost = np.asarray(decision.referral.costs.costs)[truth, decided]
    sure = predictions.probabilities[np.arange(len(slides)), decided]
    order = np.lexsort((-sure, -cost))
    return tuple(
        CaseRegion(
            slides[i].slide_id,
            _whole(store := SlideStore(slides[i].store)),
            f"true {predictions.classes[truth[i]]}, decided {predictions.classes[decided[i]]}",
            _thumbnail(store),
        )
        for i in order[:CASES].tolist()
        if cost[i] > 0
    )


def _whole(store: SlideStore) -> Region:
    size = store.slide.size
    return Region(0, 0, size.width, size.height)


def _thumbnail(store: SlideStore) -> bytes:
    """The coarsest level, PNG."""
    level = len(store.factors) - 1
    size: Size = store.grid(level).size_px
    file = io.BytesIO()
    Image.fromarray(store.read(level, 0, 0, size)).save(file, "PNG", optimize=True)
    return file.getvalue()
