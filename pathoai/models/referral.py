"""Which slides a model may grade, and which it refers to the doctor.

The user accepts a rate at which high-grade lesions may be missed. A **miss** is a slide of truly
high grade (or worse) that the model grades below high grade and does not refer. The rule:

- a slide that the model decides to be high grade or worse is graded: it cannot be a miss;
- any other is graded where its probability of high grade or worse lies *below* a threshold t;
- all others are referred.

The loss of a patient with high-grade slides is 1 where any of them is missed, else 0: it can only
grow with t. Conformal risk control (Angelopoulos AN, Bates S, Fisch A, Lei L, Schuster T. ICLR
2024) takes the largest t with

    n/(n+1) · R(t) + 1/(n+1) ≤ α,

R(t) the share of the n calibration patients with high-grade slides that would be missed. Then the
chance that a new such patient, exchangeable with those, is missed is at most α: on average over
calibration sets, not for each one. It says nothing about patients of another centre or scanner.

With n < 1/α − 1 no threshold can promise that: every slide is referred, and the rule says how many
patients are needed. The calibration slides must not have served for training, for choosing the
model or for fitting its temperature: each of these makes the promise a little too good.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pathoai.errors import InvalidValueError
from pathoai.metrics.class_probabilities import check_probabilities, check_truth
from pathoai.metrics.exact_interval import Share
from pathoai.metrics.expected_cost import CostMatrix

Probabilities = NDArray[np.floating[Any]]
REFERRED = -1
"""The decision on a slide that the doctor grades."""
_DECIMALS = 12
"""Sums differ in their last digit with the number of rows; a slide at the threshold must not."""


@dataclass(frozen=True, slots=True)
class ReferralRule:
    """Decides or refers.

    Args:
        costs: What the decision rests on.
        accepted_miss_rate: α, of patients with a high-grade lesion.
        threshold: t; slides decided below high grade are graded where their probability of high
            grade lies below it. None where the calibration patients were too few: all is referred.
        calibration_patients: n, patients with a high-grade slide that calibrated it.

    Raises:
        InvalidValueError: The rate lies outside 0 to 1, or the costs name no high grade.
    """

    costs: CostMatrix
    accepted_miss_rate: float
    threshold: float | None
    calibration_patients: int

    def __post_init__(self) -> None:
        """Refuse a rate that promises nothing, or cannot be kept."""
        if not 0 < self.accepted_miss_rate < 1:
            raise InvalidValueError(
                "accepted miss rate", found=self.accepted_miss_rate, allowed="above 0, below 1"
            )
        self.costs.first_high  # noqa: B018 - raises where the costs name none

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> ReferralRule:
        """As it is read from a bundle."""
        return cls(**{**raw, "costs": CostMatrix.from_dict(raw["costs"])})

    def to_dict(self) -> dict[str, Any]:
        """As it is written to a bundle."""
        return asdict(self)

    @property
    def needed_patients(self) -> int:
        """Patients with a high-grade slide without which no threshold can be promised."""
        return patients_needed(self.accepted_miss_rate)

    @property
    def statement(self) -> str:
        """What the rule promises, in one sentence."""
        rate = f"{100 * self.accepted_miss_rate:g} %"
        if self.threshold is None:
            return (
                f"Every slide is referred to the doctor: a miss rate of {rate} needs "
                f"{self.needed_patients} calibration patients with a high-grade slide, and there "
                f"are {self.calibration_patients}."
            )
        return (
            f"Of patients with a high-grade lesion like the {self.calibration_patients} of the "
            f"calibration, on average at most {rate} are graded below high grade without referral."
        )

    def high_grade_probability(self, probabilities: Probabilities) -> NDArray[np.float64]:
        """Of high grade or worse, ``(N,)`` float64, from ``(N, K)``."""
        found = check_probabilities(probabilities, len(self.costs.classes))
        return np.asarray(np.round(found[:, self.costs.first_high :].sum(axis=1), _DECIMALS))

    def decide(self, probabilities: Probabilities) -> NDArray[np.int64]:
        """The grade of each slide, or :data:`REFERRED`; ``(N,)`` int64.

        Args:
            probabilities: ``(N, K)`` calibrated, rows that sum to 1.

        Raises:
            InvalidValueError: They are no probabilities of the costs' classes.
        """
        decided = self.costs.decide(probabilities)
        if self.threshold is None:
            return np.full_like(decided, REFERRED)
        severe = decided >= self.costs.first_high
        graded = severe | (self.high_grade_probability(probabilities) < self.threshold)
        return np.where(graded, decided, REFERRED)


def patients_needed(accepted_miss_rate: float) -> int:
    """The fewest calibration patients with a high-grade slide that can promise the rate."""
    # 1/α is a little off where α is no binary fraction: 1/0.02 must give 49, not 50.
    return max(1, math.ceil(round(1 / accepted_miss_rate - 1, 9)))


def calibrate_referral(
    probabilities: Probabilities,
    truth: ArrayLike,
    patients: Sequence[str],
    *,
    costs: CostMatrix,
    accepted_miss_rate: float,
) -> ReferralRule:
    """The rule that grades most slides and keeps the accepted miss rate.

    Args:
        probabilities: ``(N, K)`` of validation slides, calibrated.
        truth: ``(N,)`` their true grades.
        patients: ``(N,)`` code of each slide's patient.
        costs: What decisions rest on.
        accepted_miss_rate: α, e.g. 0.02.

    Raises:
        InvalidValueError: The arrays do not fit together, or the rate is outside 0 to 1.
    """
    every = ReferralRule(costs, accepted_miss_rate, math.inf, 0)
    rows = check_probabilities(probabilities, len(costs.classes))
    grades = check_truth(truth, len(rows), len(costs.classes))
    high = grades >= costs.first_high
    found, group = np.unique(np.asarray(patients, str)[high], return_inverse=True)
    # A patient is missed as soon as the threshold passes the lowest of his slides' probabilities.
    lowest = np.full(len(found), np.inf)
    missable = costs.decide(rows[high]) < costs.first_high
    scores = np.where(missable, every.high_grade_probability(rows[high]), np.inf)
    np.minimum.at(lowest, group, scores)
    threshold = _largest_threshold(lowest, accepted_miss_rate)
    return ReferralRule(costs, accepted_miss_rate, threshold, len(found))


def _largest_threshold(lowest: NDArray[np.float64], accepted_miss_rate: float) -> float | None:
    """Largest t with (patients below it + 1) / (n + 1) ≤ α; 2, above all, where all may pass."""
    # As above: 0.02 · 50 must give 1.
    allowed = math.floor(round(accepted_miss_rate * (len(lowest) + 1), 9)) - 1
    if allowed < 0:
        return None
    ordered = np.sort(lowest)
    if allowed >= len(ordered) or not np.isfinite(ordered[allowed]):
        return 2.0
    return float(ordered[allowed])


@dataclass(frozen=True, slots=True)
class ReferralCheck:
    """What a rule did on slides that it was not calibrated on.

    Args:
        graded: Slides graded among all.
        missed: Patients with a missed high-grade slide among those with a high-grade slide.
        wrong: Slides graded wrongly among those graded.
    """

    graded: Share
    missed: Share
    wrong: Share

    def contradicts(self, accepted_miss_rate: float) -> bool:
        """True where the exact interval of the miss rate lies above the accepted rate."""
        return self.missed.low > accepted_miss_rate


def check_referral(
    rule: ReferralRule,
    probabilities: Probabilities,
    truth: ArrayLike,
    patients: Sequence[str],
) -> ReferralCheck:
    """Verify a rule on held-out slides.

    Args:
        rule: As calibrated on others.
        probabilities: ``(N, K)``.
        truth: ``(N,)``.
        patients: ``(N,)`` code of each slide's patient.

    Raises:
        InvalidValueError: The arrays do not fit together.
    """
    decided = rule.decide(probabilities)
    grades = check_truth(truth, len(decided), len(rule.costs.classes))
    high = grades >= rule.costs.first_high
    graded = decided != REFERRED
    missed = high & graded & (decided < rule.costs.first_high)
    codes = np.asarray(patients, str)
    return ReferralCheck(
        graded=Share(int(graded.sum()), len(graded)),
        missed=Share(len(np.unique(codes[missed])), len(np.unique(codes[high]))),
        wrong=Share(int((graded & (decided != grades)).sum()), int(graded.sum())),
    )
