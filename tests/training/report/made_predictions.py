"""Predictions of patients whose truth is known, from a reader who is right within limits."""

from __future__ import annotations

import hashlib
import io

import numpy as np
from PIL import Image

from pathoai.geometry import Region
from pathoai.metrics.expected_cost import load_costs
from pathoai.metrics.panoptic import ObjectCounts
from pathoai.models.prediction_sets import SetKind, calibrate_sets
from pathoai.models.referral import calibrate_referral
from pathoai.privacy.pseudonym import Kind, code
from pathoai_training.report.context import CaseRegion, EvaluationContext
from pathoai_training.report.decision_sections import Decisions
from pathoai_training.report.evaluated_slides import EvaluatedSlides
from pathoai_training.report.predictions import (
    InstanceCounts,
    SegmentationCounts,
    SlidePredictions,
)

COSTS = load_costs("tissuenet")
KEY = hashlib.sha256(b"tests").digest()


def coded(kind: Kind, number: int) -> str:
    return code(KEY, kind, str(number))


def slides(count: int, *, first: int = 0) -> EvaluatedSlides:
    """Two slides per patient, three centres of unequal size, two scanners, one batch unknown."""
    return EvaluatedSlides(
        tuple(coded("slide", first + i) for i in range(count)),
        tuple(coded("patient", first + i // 2) for i in range(count)),
        tuple(coded("centre", min(i * 5 // count, 2)) for i in range(count)),
        tuple("S360" if i % 3 else "GT450" for i in range(count)),
        tuple("" if i % 4 == 0 else "2026-03" for i in range(count)),
    )


def graded(count: int, seed: int, *, noise: float = 0.7, first: int = 0) -> SlidePredictions:
    draw = np.random.default_rng(seed)
    truth = np.repeat(draw.choice(4, (count + 1) // 2, p=[0.3, 0.3, 0.25, 0.15]), 2)[:count]
    seen = truth + draw.normal(0, noise, count)
    logits = -1.2 * (seen[:, None] - np.arange(4)) ** 2
    rows = np.exp(logits)
    rows /= rows.sum(axis=1, keepdims=True)
    return SlidePredictions(
        slides(count, first=first), COSTS.classes, truth, rows, costs=COSTS, ordinal=True
    )


def decisions_from(validation: SlidePredictions, accepted: float = 0.05) -> Decisions:
    rows, truth = validation.probabilities, validation.truth
    rule = calibrate_referral(
        rows, truth, validation.slides.patients, costs=COSTS, accepted_miss_rate=accepted
    )
    sets = tuple(calibrate_sets(rows, truth, error_rate=0.1, kind=kind) for kind in SetKind)
    return Decisions(validation, rule, sets)


def segmented(count: int, seed: int) -> SegmentationCounts:
    draw = np.random.default_rng(seed)
    confusion = draw.integers(50, 400, (count, 3, 3)) + np.eye(3, dtype=np.int64) * 3000
    confusion[: count // 2, 2] = confusion[: count // 2, :, 2] = 0
    number = draw.integers(1, 200, (count, 15)).astype(float)
    confidence = number * (np.arange(15) + 0.5) / 15
    right = np.minimum(number, confidence * draw.uniform(0.8, 1.1, (count, 15))).round()
    reliability = np.stack([number, confidence, right], axis=-1)
    return SegmentationCounts(
        slides(count), ("background", "tumour", "stroma"), confusion, reliability
    )


def outlined(count: int, seed: int) -> InstanceCounts:
    draw = np.random.default_rng(seed)
    matched = draw.integers(5, 60, (count, 3)).astype(float)
    matched[:, 0] = matched[:, 1:].sum(axis=1)
    missed, spurious = (draw.integers(0, 20, (count, 3)).astype(float) for _ in range(2))
    objects = ObjectCounts(matched, spurious, missed, matched * 0.78)
    return InstanceCounts(slides(count), ("neoplastic", "lymphocyte"), objects)


def context_of(model: str = "cervix-grading", **changes: object) -> EvaluationContext:
    facts: dict[str, object] = {
        "model": model,
        "task": "slide grading",
        "bundle_sha256": "a" * 64,
        "recipe": "cervix-grading",
        "ontology": "cervix 0.1",
        "split_kind": "patient",
        "split_sha256": "b" * 64,
        "split_statement": "Test patients were never trained on.",
        "subset": "test",
        "created": "2026-11-26T09:00:00+00:00",
        "openings": 1,
    }
    return EvaluationContext(**(facts | changes))  # type: ignore[arg-type]  # a dict of facts


def case(number: int = 0, title: str = "true high_grade, decided benign") -> CaseRegion:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), (180, 90, 160)).save(file, "PNG")
    region = Region(1024.0 * number, 2048.0, 512.0, 384.0)
    return CaseRegion(coded("slide", number), region, title, file.getvalue())
