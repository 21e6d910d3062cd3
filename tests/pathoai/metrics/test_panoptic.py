from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from torchmetrics.detection import PanopticQuality

from pathoai.errors import InvalidValueError
from pathoai.metrics import panoptic
from pathoai.metrics.panoptic import (
    count_objects,
    count_objects_by_class,
    stack_counts,
)

Labels = NDArray[np.int64]
LABELS = arrays(np.int64, (4, 5), elements=st.integers(0, 3))


def squares(seed: int, *, side: int = 128, count: int = 40) -> tuple[Labels, Labels]:
    """True objects, and the same moved a little, some lost and some made up."""
    draw = np.random.default_rng(seed)
    truth, said = np.zeros((side, side), np.int64), np.zeros((side, side), np.int64)
    for number in range(1, count + 1):
        x, y = draw.integers(0, side - 12, 2)
        moved_x, moved_y = x + draw.integers(0, 4), y + draw.integers(0, 4)
        if draw.random() < 0.9:
            truth[y : y + 9, x : x + 9] = number
        if draw.random() < 0.9:
            said[moved_y : moved_y + 9, moved_x : moved_x + 9] = number + 100
    return truth, said


def ious(truth: Labels, said: Labels, seen: NDArray[np.bool_]) -> dict[tuple[int, int], float]:
    found = {}
    for t, s in itertools.product(set(truth[truth > 0]), set(said[said > 0])):
        union = ((truth == t) | (said == s)) & seen
        if union.any():
            found[t, s] = float(((truth == t) & (said == s) & seen).sum() / union.sum())
    return found


def brute_force(
    truth: Labels, said: Labels, threshold: float, seen: NDArray[np.bool_] | None = None
) -> tuple[int, int, int, float]:
    """Matched, spurious, missed, overlap: the best of all assignments."""
    looked = np.ones(truth.shape, bool) if seen is None else seen
    true = sorted(set(truth[looked & (truth > 0)].tolist()))
    counts = [
        s
        for s in sorted(set(said[looked & (said > 0)].tolist()))
        if ((said == s) & ~looked).sum() <= ((said == s) & looked).sum()
    ]
    passing = {
        pair: v
        for pair, v in ious(truth, said, looked).items()
        if v > threshold and pair[0] in true and pair[1] in counts
    }
    best: tuple[float, int] = (0.0, 0)
    for size in range(len(passing) + 1):
        for pairs in itertools.combinations(passing, size):
            firsts, seconds = {p[0] for p in pairs}, {p[1] for p in pairs}
            if len(firsts) == len(seconds) == size:
                best = max(best, (sum(passing[p] for p in pairs), size))
    overlap, matched = best
    return matched, len(counts) - matched, len(true) - matched, overlap


@given(LABELS, LABELS, st.sampled_from([0.0, 0.2, 0.5, 0.7]))
def test_by_the_definition(truth: Labels, said: Labels, threshold: float) -> None:
    found = count_objects(truth, said, threshold=threshold)
    matched, spurious, missed, overlap = brute_force(truth, said, threshold)
    assert found.overlap == pytest.approx(overlap)
    assert found.matched + found.missed == matched + missed
    if threshold >= 0.5:  # below, assignments of different sizes may overlap equally
        assert [found.matched, found.spurious, found.missed] == [matched, spurious, missed]


@given(LABELS, LABELS, arrays(np.bool_, (4, 5)))
def test_what_nobody_assessed_counts_for_nothing(
    truth: Labels, said: Labels, seen: NDArray[np.bool_]
) -> None:
    found = count_objects(truth, said, assessed=seen)
    wanted = brute_force(truth, said, 0.5, seen)
    values = found.matched, found.spurious, found.missed, found.overlap
    assert values == pytest.approx(wanted)


@pytest.mark.parametrize("seed", range(3))
def test_against_torchmetrics(seed: int) -> None:
    truth, said = squares(seed)
    metric = PanopticQuality(things={1}, stuffs={0}, return_sq_and_rq=True, return_per_class=True)
    pairs = [
        torch.tensor(np.stack([labels > 0, labels], axis=-1)[None].astype(np.int64))
        for labels in (said, truth)
    ]
    found = count_objects(truth, said)
    quality, segmentation, recognition = metric(*pairs)[0].tolist()  # things come first
    assert found.panoptic_quality == pytest.approx(quality)
    assert found.segmentation_quality == pytest.approx(segmentation)
    assert found.f1 == pytest.approx(recognition)


def test_sorting_the_pixels_gives_the_same_as_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, said = squares(4)
    seen = np.random.default_rng(0).random(truth.shape) < 0.9
    table = count_objects(truth, said, assessed=seen)
    monkeypatch.setattr(panoptic, "_LARGEST_TABLE", 0)
    assert count_objects(truth, said * 10**9, assessed=seen) == table


@given(LABELS, LABELS, arrays(np.int64, 4, elements=st.integers(0, 1)))
def test_classes_by_looking_at_one_at_a_time(truth: Labels, said: Labels, named: Labels) -> None:
    other = named[::-1].copy()
    found = count_objects_by_class(truth, said, (named, other), class_count=2)
    parts = [count_objects(truth, said)]
    for k in range(2):
        parts.append(
            count_objects(
                np.where((truth > 0) & (named[truth] == k), truth, 0),
                np.where((said > 0) & (other[said] == k), said, 0),
            )
        )
    wanted = stack_counts(parts)
    for name in ("matched", "spurious", "missed", "overlap"):
        assert getattr(found, name) == pytest.approx(getattr(wanted, name))


def test_perfect_and_empty() -> None:
    truth, nothing = squares(5)[0], np.zeros((128, 128), np.int64)
    perfect = count_objects(truth, truth)
    assert [perfect.panoptic_quality, perfect.f1] == [1, 1]
    assert count_objects(truth, nothing).panoptic_quality == 0
    assert np.isnan(count_objects(nothing, nothing).f1)


def test_half_is_not_above_half() -> None:
    truth, said = np.array([[1, 1, 0]]), np.array([[1, 0, 0]])
    assert count_objects(truth, said).matched == 0
    assert count_objects(truth, said, threshold=0.49).matched == 1


@pytest.mark.parametrize(
    ("truth", "said", "threshold"),
    [
        (np.zeros((2, 2), int), np.zeros((2, 3), int), 0.5),
        (np.zeros((2, 2), int), np.zeros((2, 2), int), 1.0),
        (-np.ones((2, 2), int), np.zeros((2, 2), int), 0.5),
    ],
)
def test_what_cannot_be_matched_is_refused(truth: Labels, said: Labels, threshold: float) -> None:
    with pytest.raises(InvalidValueError):
        count_objects(truth, said, threshold=threshold)


def test_an_object_without_a_class_is_refused() -> None:
    one = np.array([[1, 2]])
    with pytest.raises(InvalidValueError, match="without a class"):
        count_objects_by_class(one, one, ([0, 0], [0, 0, 0]), class_count=1)
    with pytest.raises(InvalidValueError, match="class of an object"):
        count_objects_by_class(one, one, ([0, 0, 1], [0, 0, 0]), class_count=1)
