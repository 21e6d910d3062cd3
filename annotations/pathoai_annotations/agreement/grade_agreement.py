"""How far grades of whole slides agree: in pairs, among all readers, and against a model.

Sources of the numbers stand in :mod:`pathoai.metrics`. Every interval is over the same resamples of
patients, so that differences are paired.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathoai.metrics.agreement import accuracy, kappa
from pathoai.metrics.confusion import confusion_by_item, mean_of_known, quotient
from pathoai.metrics.fleiss_kappa import fleiss_kappa
from pathoai.metrics.krippendorff_alpha import MISSING, Level, coincidences, krippendorff_alpha
from pathoai.metrics.patient_bootstrap import Interval, PatientBootstrap
from pathoai_annotations.agreement.grade_scale import GradeScale
from pathoai_annotations.agreement.graded_slides import GradedSlides

Counts = NDArray[np.float64]
Measure = Callable[[Counts], NDArray[np.float64]]


@dataclass(frozen=True)
class PairAgreement:
    """Of two readers, or of a reader and the model.

    Args:
        pair: Their codes.
        slides: How many both graded.
        confusion: ``(K, K)`` int64, first by row.
        measures: Name → value with its limits.
    """

    pair: tuple[str, str]
    slides: int
    confusion: NDArray[np.int64]
    measures: dict[str, Interval]


def measures_of(scale: GradeScale) -> dict[str, Measure]:
    """What is said of a pair, by name; each takes ``(…, K, K)`` counts."""
    found: dict[str, Measure] = {"same grade": accuracy, "Cohen's κ": kappa}
    if scale.ordinal:
        found["κ, linear weights"] = lambda counts: kappa(counts, weights="linear")
        found["κ, quadratic weights"] = lambda counts: kappa(counts, weights="quadratic")
    if scale.costs_key:
        found[f"score by costs ({scale.costs_key})"] = lambda counts: cost_agreement(counts, scale)
    return found


def main_measure(scale: GradeScale) -> str:
    """The one that pairs are compared by."""
    return "κ, quadratic weights" if scale.ordinal else "Cohen's κ"


def cost_agreement(counts: Counts, scale: GradeScale) -> NDArray[np.float64]:
    """1 − mean cost of taking one reader's grade for the other's, ``(…,)``; 1 if all agree."""
    total = np.asarray(counts).sum((-2, -1))
    return 1 - quotient((np.asarray(counts) * scale.costs).sum((-2, -1)), total)


def pair_agreements(
    slides: GradedSlides, scale: GradeScale, pairs: Sequence[tuple[str, str]]
) -> list[PairAgreement]:
    """Each pair on the slides that both graded; pairs without a slide in common are left out."""
    found = []
    for pair in pairs:
        counts = pair_counts(slides, scale, pair)
        both = np.asarray(counts.any((-2, -1)))
        if not both.any():
            continue
        patients = [p for p, is_read in zip(slides.patients, both, strict=True) if is_read]
        bootstrap = PatientBootstrap(patients)
        measures = {n: bootstrap.of_sums(counts[both], m) for n, m in measures_of(scale).items()}
        total = counts.sum(0).astype(np.int64)
        found.append(PairAgreement(pair, int(both.sum()), total, measures))
    return found


def pair_counts(slides: GradedSlides, scale: GradeScale, pair: tuple[str, str]) -> Counts:
    """``(N, K, K)``: a 1 for each slide that both graded, the first's grade by row."""
    one, other = (slides.column(rater) for rater in pair)
    both = (one != MISSING) & (other != MISSING)
    found = np.zeros((len(slides), len(scale.names), len(scale.names)))
    found[both] = confusion_by_item(one[both], other[both], classes=len(scale.names))
    return found


@dataclass(frozen=True)
class ModelComparison:
    """Mean over pairs of readers, over pairs of a reader and the model, and the difference.

    Args:
        among_readers: Of each measure, in the order of ``names``.
        with_model: Likewise.
        difference: With the model less among readers.
        names: Of the measures.
        slides: How many at least two readers and the model graded.
    """

    names: tuple[str, ...]
    among_readers: Interval
    with_model: Interval
    difference: Interval
    slides: int


def compare_with_model(slides: GradedSlides, scale: GradeScale) -> ModelComparison | None:
    """Whether readers agree with the model as with each other, on the same slides.

    Returns:
        None without a model, without two readers, or without a slide that two of them and the model
        graded.
    """
    if slides.said_by_model is None or not slides.reader_pairs:
        return None
    read = (slides.values != MISSING).sum(axis=1) >= 2
    shared = read & (slides.said_by_model != MISSING)
    if not shared.any():
        return None
    humans = [pair_counts(slides, scale, pair)[shared] for pair in slides.reader_pairs]
    machine = [pair_counts(slides, scale, pair)[shared] for pair in slides.model_pairs]
    patients = [p for p, one in zip(slides.patients, shared, strict=True) if one]
    bootstrap = PatientBootstrap(patients)
    measures = measures_of(scale)

    def mean_over(sums: Counts) -> NDArray[np.float64]:
        return np.stack([mean_of_known(measure(sums)) for measure in measures.values()], axis=-1)

    cut = len(humans)
    items = np.stack([*humans, *machine], axis=1)

    def statistic(sums: Counts) -> NDArray[np.float64]:
        among, against = mean_over(sums[:, :cut]), mean_over(sums[:, cut:])
        return np.stack([among, against, against - among], axis=1)

    found = bootstrap.of_sums(items, statistic)
    among, against, difference = (found.part(at) for at in range(3))
    return ModelComparison(tuple(measures), among, against, difference, int(shared.sum()))


@dataclass(frozen=True)
class GroupAgreement:
    """Of all readers together.

    Args:
        fleiss: Fleiss' κ on the slides that every reader graded; None where there are none.
        fleiss_slides: How many those are.
        alphas: Krippendorff's α by level, on the slides that two or more graded.
        alpha_slides: How many those are.
    """

    fleiss: Interval | None
    fleiss_slides: int
    alphas: dict[Level, Interval]
    alpha_slides: int


def group_agreement(
    slides: GradedSlides, scale: GradeScale, *, with_model: bool = False
) -> GroupAgreement:
    """Among all readers; the model counts as one more where asked for."""
    columns = [slides.values]
    if with_model and slides.said_by_model is not None:
        columns.append(slides.said_by_model[:, None])
    values = np.concatenate(columns, axis=1)
    read = (values != MISSING).sum(axis=1)
    patients = np.array(slides.patients, object)
    whole = (read == values.shape[1]) & (read >= 2)
    fleiss = None
    if whole.any():
        table = (values[whole][:, :, None] == np.arange(len(scale.names))).sum(axis=1)
        bootstrap = PatientBootstrap(list(patients[whole]))
        fleiss = bootstrap.of_weights(lambda weights: fleiss_kappa(table, weights))
    some = read >= 2
    levels: tuple[Level, ...] = (
        ("nominal", "ordinal", "interval") if scale.ordinal else ("nominal",)
    )
    alphas = {}
    if some.any():
        pairs = coincidences(values[some], classes=len(scale.names))
        bootstrap = PatientBootstrap(list(patients[some]))
        alphas = {level: bootstrap.of_sums(pairs, _alpha(level)) for level in levels}
    return GroupAgreement(fleiss, int(whole.sum()), alphas, int(some.sum()))


def _alpha(level: Level) -> Measure:
    return lambda sums: krippendorff_alpha(sums, level)
