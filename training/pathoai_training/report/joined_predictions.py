"""Predictions of several models, each of slides of its own, as one: those of a split's folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np

from pathoai.errors import InvalidValueError
from pathoai_training.report.evaluated_slides import EvaluatedSlides
from pathoai_training.report.predictions import (
    InstanceCounts,
    Predictions,
    SegmentationCounts,
    SlidePredictions,
    counts_of,
)


def joined(parts: Sequence[Predictions]) -> Predictions:
    """One below the other.

    Args:
        parts: One or more, of one kind and the same classes; what else they say, such as costs, is
            taken from the first.

    Raises:
        InvalidValueError: They are of different kinds or classes.
    """
    first = parts[0]
    for other in parts[1:]:
        if (other.kind, other.classes) != (first.kind, first.classes):
            raise InvalidValueError(
                "predictions of different kinds or classes cannot be joined",
                found=f"{other.kind} of {', '.join(other.classes)}",
                allowed=f"{first.kind} of {', '.join(first.classes)}",
            )
    slides = EvaluatedSlides(
        *(
            tuple(value for part in parts for value in getattr(part.slides, column.name))
            for column in fields(EvaluatedSlides)
        )
    )
    match first:
        case SlidePredictions():
            return replace(
                first,
                slides=slides,
                truth=_stacked(parts, "truth"),
                probabilities=_stacked(parts, "probabilities"),
            )
        case SegmentationCounts():
            return replace(
                first,
                slides=slides,
                confusion=_stacked(parts, "confusion"),
                reliability=_stacked(parts, "reliability"),
            )
        case InstanceCounts():
            return replace(first, slides=slides, objects=counts_of(_stacked(parts, "table")))


def _stacked(parts: Sequence[Predictions], name: str) -> np.ndarray:
    return np.concatenate([getattr(part, name) for part in parts])
