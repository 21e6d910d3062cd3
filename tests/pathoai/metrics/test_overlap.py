from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torchmetrics.classification import MulticlassJaccardIndex
from torchmetrics.functional.classification import multiclass_f1_score

from pathoai.metrics.overlap import dice, intersection_over_union


def confusion(truth: list[int], said: list[int], classes: int = 3) -> NDArray[Any]:
    found = np.zeros((classes, classes), np.int64)
    np.add.at(found, (truth, said), 1)
    return found


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60))
def test_by_the_definition_on_sets_of_pixels(pixels: list[tuple[int, int]]) -> None:
    counts = confusion([t for t, _ in pixels], [s for _, s in pixels])
    for k in range(3):
        true = {i for i, (t, _) in enumerate(pixels) if t == k}
        said = {i for i, (_, s) in enumerate(pixels) if s == k}
        if not true | said:
            assert np.isnan(dice(counts)[k])
            assert np.isnan(intersection_over_union(counts)[k])
            continue
        assert dice(counts)[k] == pytest.approx(2 * len(true & said) / (len(true) + len(said)))
        iou = len(true & said) / len(true | said)
        assert intersection_over_union(counts)[k] == pytest.approx(iou)


def test_against_torchmetrics() -> None:
    draw = np.random.default_rng(0)
    truth, said = draw.integers(0, 3, 500), draw.integers(0, 3, 500)
    counts = confusion(truth.tolist(), said.tolist())
    jaccard = MulticlassJaccardIndex(3, average="none")(torch.tensor(said), torch.tensor(truth))
    f1 = multiclass_f1_score(torch.tensor(said), torch.tensor(truth), num_classes=3, average="none")
    assert intersection_over_union(counts) == pytest.approx(jaccard.numpy(), abs=1e-6)
    assert dice(counts) == pytest.approx(f1.numpy(), abs=1e-6)


def test_many_slides_at_once() -> None:
    slides = np.random.default_rng(1).integers(0, 9, (7, 3, 3))
    assert np.array_equal(dice(slides), np.stack([dice(s) for s in slides]))


def test_all_positive_is_no_perfect_mask() -> None:
    counts = confusion([0, 0, 0, 1], [1, 1, 1, 1], classes=2)
    assert intersection_over_union(counts).tolist() == [0.0, 0.25]
