"""Validation slides in two parts: one fits the temperature, the other what is decided by it.

A promise on new patients (:mod:`pathoai.models.referral`, :mod:`pathoai.models.prediction_sets`)
holds exactly only where the probabilities had not seen the slides that calibrate it. The
temperature is one number, so a quarter of the patients is enough for it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathoai_training.tasks.grading_examination import GradingExamination

_TEMPERATURE_SHARE = 1 / 4


@dataclass(frozen=True, slots=True)
class CalibrationParts:
    """Slides for the temperature, and slides for referral rule and sets.

    Args:
        temperature: What the temperature is fitted on.
        decision: What referral rule, sets and familiarity are calibrated on.
        apart: Whether no patient is in both; else both are all slides.
    """

    temperature: GradingExamination
    decision: GradingExamination
    apart: bool

    @classmethod
    def of(cls, examined: GradingExamination, *, first_high: int, needed: int) -> CalibrationParts:
        """Two parts by patient, if the second still has as many high-grade patients as it needs.

        Else all slides serve for both: better a promise that is a little too good, and says so,
        than none.

        Args:
            examined: The validation slides.
            first_high: Position of the first grade that must not be missed.
            needed: High-grade patients without whom the accepted rate cannot be promised.
        """
        fitting = _fitting(examined.patients)
        high = examined.truth.numpy() >= first_high
        patients = np.asarray(examined.patients, str)
        if not fitting.any() or len(np.unique(patients[high & ~fitting])) < needed:
            return cls(examined, examined, apart=False)
        return cls(examined.of_rows(fitting), examined.of_rows(~fitting), apart=True)


def _fitting(patients: tuple[str, ...]) -> NDArray[np.bool_]:
    """True for the slides of a quarter of the patients, by a hash of their codes.

    It knows no grade: dealt by grade, the second part would not be exchangeable with new patients.
    """
    codes = sorted(set(patients), key=lambda code: hashlib.sha256(code.encode()).digest())
    chosen = set(codes[: round(len(codes) * _TEMPERATURE_SHARE)])
    return np.array([code in chosen for code in patients])
