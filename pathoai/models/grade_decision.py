"""From probabilities of a slide's grades to what is said of it: grade or referral, and a set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pathoai.errors import ModelError, PathoaiError
from pathoai.metrics.expected_cost import CostMatrix
from pathoai.models.familiarity import Familiarity
from pathoai.models.prediction_sets import PredictionSets, SetKind, calibrate_sets
from pathoai.models.referral import ReferralRule, calibrate_referral


@dataclass(frozen=True, slots=True)
class GradeDecision:
    """All that is fitted after training, on validation slides.

    Args:
        referral: Which slides the model may grade, and how: by minimum expected cost.
        sets: Grades that cannot be excluded.
        familiarity: What the validation slides look like to the network.
    """

    referral: ReferralRule
    sets: PredictionSets
    familiarity: Familiarity

    @classmethod
    def fitted(
        cls,
        probabilities: NDArray[np.floating[Any]],
        truth: ArrayLike,
        patients: Sequence[str],
        vectors: NDArray[np.floating[Any]],
        *,
        costs: CostMatrix,
        accepted_miss_rate: float,
        set_error_rate: float,
    ) -> GradeDecision:
        """From validation slides.

        Args:
            probabilities: ``(N, K)``, calibrated.
            truth: ``(N,)`` true grades.
            patients: ``(N,)`` codes.
            vectors: ``(N, H)`` by which the network knows the slides.
            costs: Of wrong grades.
            accepted_miss_rate: Of patients with a high-grade lesion, on average.
            set_error_rate: Share of slides whose set may lack the true grade.

        Raises:
            InvalidValueError: The arrays do not fit together, or a rate is outside 0 to 1.
        """
        return cls(
            calibrate_referral(
                probabilities, truth, patients, costs=costs, accepted_miss_rate=accepted_miss_rate
            ),
            calibrate_sets(probabilities, truth, error_rate=set_error_rate, kind=SetKind.ORDINAL),
            Familiarity.of(vectors),
        )

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any], *, where: str) -> GradeDecision:
        """As it is read from a bundle.

        Args:
            raw: The bundle's ``decision``.
            where: The bundle, named in the error.

        Raises:
            ModelError: It is malformed.
        """
        try:
            return cls(
                ReferralRule.from_dict(raw["referral"]),
                PredictionSets.from_dict(raw["sets"]),
                Familiarity.from_dict(raw["familiarity"]),
            )
        except (KeyError, TypeError, ValueError, PathoaiError) as error:
            raise ModelError(
                "the bundle does not say how to decide", where=where, found=str(error)
            ) from error

    def to_dict(self) -> dict[str, Any]:
        """As it is written to a bundle."""
        return {
            "referral": self.referral.to_dict(),
            "sets": self.sets.to_dict(),
            "familiarity": self.familiarity.to_dict(),
        }
