"""Evaluating classes of regions: each annotated region is an item, and patients are resampled."""

from __future__ import annotations

import io

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from pathoai.metrics.expected_cost import CostMatrix
from pathoai.progress import Advance
from pathoai_training.data.regions_dataset import RegionsDataset
from pathoai_training.evaluation.judgement import Exam, Judgement, evaluated_slides
from pathoai_training.evaluation.worst_tiles import worst_tiles
from pathoai_training.report.context import CaseRegion
from pathoai_training.report.decision_sections import Decisions
from pathoai_training.report.predictions import SlidePredictions
from pathoai_training.tasks.region_classification import grades_of


def judge_regions(exam: Exam, advance: Advance) -> Judgement:
    """Predict a subset's regions; thresholds come from validation.

    Args:
        exam: Of a :class:`~pathoai_training.tasks.region_classification.RegionClassification`.
        advance: Told of regions done and regions in all.
    """
    dataset: RegionsDataset = exam.data.dataset(exam.subset)
    advance(0, len(dataset))
    predictions = _predictions(exam, exam.subset)
    advance(len(dataset), len(dataset))
    sets_thresholds = exam.subset == "test" and predictions.first_high is not None
    validation = _predictions(exam, "validation") if sets_thresholds else None
    missed = 1 - predictions.probabilities[np.arange(len(dataset)), predictions.truth]
    wrong = np.where(predictions.decided != predictions.truth, missed, 0.0)
    cases = tuple(
        _case(exam, dataset, predictions, index)
        for index in worst_tiles(wrong, dataset.regions.tiles)
    )
    return Judgement(
        predictions, cases, tiles=len(dataset), decisions=Decisions(validation=validation)
    )


def _predictions(exam: Exam, subset: str) -> SlidePredictions:
    found = exam.model.examine(exam.data, subset)
    costs = exam.bundle.decision.get("costs")
    return SlidePredictions(
        evaluated_slides(exam.cohort, found.slide_ids.tolist()),
        exam.bundle.classes,
        found.target.numpy(),
        exam.bundle.calibration.probabilities(found.logits).double().numpy(),
        costs=None if costs is None else CostMatrix.from_dict(costs),
        ordinal=bool(grades_of(exam.data.ontology, exam.bundle.classes)),
    )


def _case(
    exam: Exam, dataset: RegionsDataset, predictions: SlidePredictions, index: int
) -> CaseRegion:
    views, _ = dataset[index]
    true, said = (exam.bundle.classes[k[index]] for k in (predictions.truth, predictions.decided))
    return CaseRegion(
        predictions.slides.slide_ids[index],
        dataset.region(index),
        f"true {true}, decided {said}",
        _png(views),
    )


def _png(views: torch.Tensor) -> bytes:
    """The views of a region side by side, the near one first."""
    row: NDArray[np.uint8] = np.concatenate(list(views.numpy()), axis=2).transpose(1, 2, 0)
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(row)).save(file, "PNG", optimize=True)
    return file.getvalue()
