"""What a trained network says of the grades of slides, and how well that agrees with the truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import compress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.metrics.confusion import confusion_by_item
from pathoai.metrics.cost_score import cost_score
from pathoai.metrics.exact_interval import Share
from pathoai.metrics.expected_cost import CostMatrix
from pathoai.models.bag_classifier import BagClassifier
from pathoai.models.calibration import Calibration
from pathoai.models.grade_decision import GradeDecision
from pathoai.models.prediction_sets import check_sets
from pathoai.models.referral import check_referral
from pathoai_training.data.bag_dataset import BagBatch


@dataclass(frozen=True, slots=True)
class GradingExamination:
    """Slides, one row each.

    Args:
        slide_ids: Codes.
        patients: Codes of their patients; of a slide without one, its own.
        truth: ``(N,)`` int64 grades.
        logits: ``(N, K)`` float32.
        baseline: ``(N, K)`` float32, logits of mean pooling.
        vectors: ``(N, H)`` float32, by which the network knows the slides.
    """

    slide_ids: tuple[str, ...]
    patients: tuple[str, ...]
    truth: torch.Tensor
    logits: torch.Tensor
    baseline: torch.Tensor
    vectors: torch.Tensor

    def of_rows(self, kept: NDArray[np.bool_]) -> GradingExamination:
        """The slides that ``kept``, ``(N,)`` bool, names."""
        rows = torch.from_numpy(kept)
        return GradingExamination(
            tuple(compress(self.slide_ids, kept)),
            tuple(compress(self.patients, kept)),
            *(part[rows] for part in (self.truth, self.logits, self.baseline, self.vectors)),
        )


@torch.no_grad()
def examine_bags(
    network: BagClassifier, baseline: BagClassifier, batches: Iterable[BagBatch]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Truth, logits, baseline's logits and vectors of all slides, on the CPU; both are evaluated.

    Args:
        network: What was trained.
        baseline: What it is compared with.
        batches: Whole slides.
    """
    device = next(network.parameters()).device
    network.eval()
    baseline.eval()
    rows: list[tuple[torch.Tensor, ...]] = []
    for features, mask, grade in batches:
        on_device = features.to(device), mask.to(device)
        vectors = network.pool(*on_device)
        found = grade, network.head(vectors), baseline(*on_device), vectors
        rows.append(tuple(part.cpu() for part in found))
    truth, logits, baseline_logits, vectors = (torch.cat(p) for p in zip(*rows, strict=True))
    return truth, logits.float(), baseline_logits.float(), vectors.float()


def grade_metrics(
    probabilities: NDArray[np.float64], truth: NDArray[np.int64], costs: CostMatrix
) -> dict[str, Any]:
    """Score by costs, never alone: with agreement and the recall of each grade.

    Args:
        probabilities: ``(N, K)``, calibrated.
        truth: ``(N,)``.
        costs: Of wrong grades.

    Returns:
        For decisions of minimum expected cost, and for the most probable grade.
    """
    decisions = {
        "minimum_cost": costs.decide(probabilities),
        "most_probable": np.asarray(probabilities.argmax(axis=1)),
    }
    return {name: _agreement(decided, truth, costs) for name, decided in decisions.items()}


def _agreement(
    decided: NDArray[np.int64], truth: NDArray[np.int64], costs: CostMatrix
) -> dict[str, Any]:
    counts = confusion_by_item(truth, decided, classes=len(costs.classes)).sum(0)
    found = cost_score(counts, costs)
    recall = {k: number(v) for k, v in zip(costs.classes, found.recall, strict=True)}
    return {
        "score": number(found.score),
        "quadratic_kappa": number(found.quadratic_kappa),
        "recall": recall,
    }


def constant_scores(truth: NDArray[np.int64], costs: CostMatrix) -> dict[str, float | None]:
    """What saying the same grade of every slide would score, by grade."""
    counts = np.zeros((len(costs.classes),) * 2)
    counts[:, 0] = np.bincount(truth, minlength=len(costs.classes))
    found = cost_score(counts, costs).constant
    return {key: number(value) for key, value in zip(costs.classes, found, strict=True)}


def decision_metrics(
    decision: GradeDecision, probabilities: NDArray[np.float64], examined: GradingExamination
) -> dict[str, Any]:
    """What referral and prediction sets did on slides, each share with its exact interval."""
    rule, truth = decision.referral, examined.truth.numpy()
    referral = check_referral(rule, probabilities, truth, examined.patients)
    sets = check_sets(decision.sets, probabilities, truth)
    return {
        "referral": {
            "accepted_miss_rate": rule.accepted_miss_rate,
            "calibration_patients": rule.calibration_patients,
            "needed_patients": rule.needed_patients,
            "graded": _share(referral.graded),
            "missed": _share(referral.missed),
            "wrong_among_graded": _share(referral.wrong),
            "statement": rule.statement,
        },
        "prediction_sets": {
            "aim": 1 - decision.sets.error_rate,
            "covered": _share(sets.covered),
            "mean_size": number(sets.mean_size),
        },
    }


def _share(share: Share) -> dict[str, float | int | None]:
    if not share.total:
        return {"value": None, "of": 0}
    limits = {"low": number(share.low), "high": number(share.high)}
    return {"value": number(share.value), **limits, "of": share.total}


def number(value: float | np.floating[Any] | NDArray[np.floating[Any]]) -> float | None:
    """Ready for JSON; None where it is not a number."""
    found = float(value)
    return None if np.isnan(found) else round(found, 6)


def calibrated(calibration: Calibration, logits: torch.Tensor) -> NDArray[np.float64]:
    """Probabilities ``(N, K)`` float64."""
    return np.asarray(calibration.probabilities(logits).numpy(), np.float64)
