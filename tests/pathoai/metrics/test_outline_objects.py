from __future__ import annotations

import itertools

import numpy as np
import pytest
from shapely import Polygon, box

from pathoai.metrics.outline_objects import match_outlines
from pathoai.metrics.panoptic import count_objects


def _iou(one: Polygon, other: Polygon) -> float:
    shared = one.intersection(other).area
    return float(shared / (one.area + other.area - shared))


def _boxes(draw: np.random.Generator, count: int, spread: float) -> list[Polygon]:
    corners = draw.uniform(0, spread, (count, 2))
    sizes = draw.uniform(4, 9, (count, 2))
    return [box(x, y, x + w, y + h) for (x, y), (w, h) in zip(corners, sizes, strict=True)]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("threshold", [0.2, 0.5])
def test_the_best_of_all_assignments(seed: int, threshold: float) -> None:
    """Crowded boxes, so that many have several candidates; every assignment is tried."""
    draw = np.random.default_rng(seed)
    first, second = _boxes(draw, 5, 8), _boxes(draw, 5, 8)
    table = np.array([[_iou(a, b) for b in second] for a in first])
    table[table <= threshold] = 0
    best = max(sum(table[i, j] for i, j in enumerate(p)) for p in itertools.permutations(range(5)))
    found = match_outlines(first, second, threshold=threshold)
    assert found.iou.sum() == pytest.approx(best)
    assert len(set(found.pairs[:, 0])) == len(set(found.pairs[:, 1])) == len(found.pairs)
    expected = [_iou(first[a], second[b]) for a, b in found.pairs]
    assert found.iou == pytest.approx(np.array(expected))


def test_counts_and_what_has_no_match() -> None:
    first = [box(0, 0, 10, 10), box(20, 0, 30, 10), box(50, 0, 60, 10)]
    second = [box(21, 0, 31, 10), box(0, 0, 10, 10), box(80, 0, 90, 10), box(54, 0, 64, 10)]
    found = match_outlines(first, second)
    assert found.pairs.tolist() == [[0, 1], [1, 0]]
    counts = found.counts
    assert [counts.matched, counts.spurious, counts.missed] == [2, 2, 1]
    assert counts.f1 == pytest.approx(2 * 2 / 7)
    assert counts.panoptic_quality == pytest.approx((1 + 9 / 11) / 3.5)
    assert found.unmatched(0).tolist() == [2]
    assert found.unmatched(1).tolist() == [2, 3]


def test_as_on_pixels() -> None:
    """Whole pixels, none of them in two outlines: outlines and numbered masks say the same."""
    first = [box(20 * i, 0, 20 * i + 8, 8) for i in range(6)]
    second = [box(21 * i, 0, 21 * i + 8, 8) for i in range(6)]
    masks = [np.zeros((8, 130), np.int64) for _ in range(2)]
    for mask, shapes in zip(masks, (first, second), strict=True):
        for number, shape in enumerate(shapes, start=1):
            left, top, right, bottom = map(int, shape.bounds)
            mask[top:bottom, left:right] = number
    pixels, outlines = count_objects(*masks), match_outlines(first, second).counts
    for part in ("matched", "spurious", "missed", "overlap"):
        assert getattr(outlines, part) == pytest.approx(getattr(pixels, part))


def test_nothing_against_something() -> None:
    found = match_outlines([], [box(0, 0, 1, 1)])
    assert [found.counts.matched, found.counts.spurious, found.counts.missed] == [0, 1, 0]
    assert np.isnan(match_outlines([], []).counts.f1)
    touching = match_outlines([box(0, 0, 1, 1)], [box(1, 0, 2, 1)], threshold=0.0)
    assert not len(touching.pairs)
