"""The score by costs, always beside what keeps it honest.

A score of 1 − mean cost can be bought by deciding every slide to be low grade: on the slides of the
TissueNet challenge that alone gives 0.75, with no agreement beyond chance. So the score is never
given without the quadratic weighted kappa, the recall of each class, and what each constant
decision would have scored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathoai.metrics.agreement import kappa, recall
from pathoai.metrics.confusion import Counts, quotient
from pathoai.metrics.expected_cost import CostMatrix


@dataclass(frozen=True, slots=True)
class CostScore:
    """The score and its company; leading axes as those of the counts.

    Args:
        score: 1 − mean cost, ``(…,)``.
        quadratic_kappa: ``(…,)``.
        recall: ``(…, K)``.
        constant: Score of deciding each class for every slide, ``(…, K)``.
    """

    score: NDArray[np.float64]
    quadratic_kappa: NDArray[np.float64]
    recall: NDArray[np.float64]
    constant: NDArray[np.float64]

    @property
    def gain(self) -> NDArray[np.float64]:
        """How much the score is above the best constant decision, ``(…,)``."""
        return np.asarray(self.score - self.constant.max(-1))


def cost_score(confusion: Counts, costs: CostMatrix) -> CostScore:
    """Score decisions by their costs.

    Args:
        confusion: ``(…, K, K)`` slides, truth by decision.
        costs: Of the same K classes.
    """
    counts = np.asarray(confusion, np.float64)
    total = counts.sum((-2, -1))
    prior = counts.sum(-1)
    return CostScore(
        score=1 - quotient((counts * costs.array).sum((-2, -1)), total),
        quadratic_kappa=kappa(counts, weights="quadratic"),
        recall=recall(counts),
        constant=1 - quotient(prior @ costs.array, total[..., None]),
    )
