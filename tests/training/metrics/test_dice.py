from __future__ import annotations

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from pathoai_training.metrics.dice import DiceByClass, confusion_counts, dice_of

pixels = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from([0, 1, 2, 255])), min_size=1, max_size=60
)


def brute_force(pairs: list[tuple[int, int]], channel: int) -> float:
    said = {i for i, (p, t) in enumerate(pairs) if t != 255 and p == channel}
    true = {i for i, (_, t) in enumerate(pairs) if t == channel}
    total = len(said) + len(true)
    return 2 * len(said & true) / total if total else math.nan


def as_tensors(pairs: list[tuple[int, int]]) -> tuple[torch.Tensor, torch.Tensor]:
    predicted, target = torch.tensor(pairs).T
    return predicted, target.to(torch.uint8)


@given(pixels)
def test_dice_is_twice_the_overlap_over_both_areas(pairs: list[tuple[int, int]]) -> None:
    found = dice_of(confusion_counts(*as_tensors(pairs), classes=3)).tolist()
    for channel, value in enumerate(found):
        expected = brute_force(pairs, channel)
        assert (math.isnan(value) and math.isnan(expected)) or value == expected


@given(pixels, pixels)
def test_metric_pools_batches_and_processes(
    first: list[tuple[int, int]], second: list[tuple[int, int]]
) -> None:
    metric = DiceByClass(3)
    metric.update(*as_tensors(first))
    metric.update(*as_tensors(second))
    whole = dice_of(confusion_counts(*as_tensors(first + second), classes=3))
    assert torch.equal(metric.compute().nan_to_num(-1), whole.nan_to_num(-1))
    metric.reset()
    assert int(metric.confusion.sum()) == 0


def test_pixels_that_nobody_assessed_do_not_count() -> None:
    predicted = torch.tensor([1, 0, 1])
    target = torch.tensor([1, 0, 255], dtype=torch.uint8)
    assert dice_of(confusion_counts(predicted, target, classes=2)).tolist() == [1.0, 1.0]
