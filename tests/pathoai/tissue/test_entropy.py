"""Local entropy, against its definition."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from pathoai.tissue.entropy import local_entropy, without_dust


def _by_definition(grey: NDArray[np.float32], reach: int, step: float) -> NDArray[np.float64]:
    """Window by window: deviations from the window's mean, counted; borders are mirrored."""
    side = 2 * reach + 1
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(grey.astype(np.float64), reach, mode="symmetric"), (side, side)
    )
    level = np.clip(np.round((grey - windows.mean(axis=(2, 3))) / step), -6, 6)
    seen = np.lib.stride_tricks.sliding_window_view(
        np.pad(level, reach, mode="symmetric"), (side, side)
    )
    entropy = np.zeros(grey.shape)
    for y, x in np.ndindex(grey.shape):
        shares = np.array(list(Counter(seen[y, x].ravel().tolist()).values())) / side**2
        entropy[y, x] = -(shares * np.log2(shares)).sum()
    return entropy


@pytest.mark.parametrize(("reach", "step"), [(1, 2.0), (2, 6.0), (4, 3.0)])
def test_it_is_shannons(reach: int, step: float) -> None:
    grey = np.random.default_rng(reach).uniform(180, 250, (20, 23)).astype(np.float32)
    found = local_entropy(grey, reach, step)
    np.testing.assert_allclose(found, _by_definition(grey, reach, step), atol=1e-3)


@pytest.mark.parametrize(
    "inner",
    [
        (slice(0, 30), slice(0, 40)),
        (slice(11, 19), slice(13, 14)),
        (slice(0, 5), slice(35, 40)),
        (slice(28, 30), slice(0, 9)),
    ],
)
def test_a_part_of_it_is_that_part(inner: tuple[slice, slice]) -> None:
    grey = np.random.default_rng(0).uniform(180, 250, (30, 40)).astype(np.float32)
    found = local_entropy(grey, 4, 3.0, inner)
    np.testing.assert_array_equal(found, local_entropy(grey, 4, 3.0)[inner])


def test_a_window_may_hold_more_pixels_than_sixteen_bits_count() -> None:
    """257 × 257 pixels, all alike."""
    assert local_entropy(np.full((9, 9), 240, np.float32), 128, 6.0).max() < 1e-6


def test_lamps_and_shadows_have_none() -> None:
    shaded = np.add.outer(np.linspace(0, 40, 80), np.linspace(200, 150, 90)).astype(np.float32)
    assert local_entropy(shaded, 3, 6.0).max() < 0.01


def test_an_edge_has_about_one_bit() -> None:
    edge = np.full((40, 40), 240, np.float32)
    edge[:, 20:] = 200
    assert 0.9 < local_entropy(edge, 3, 30.0).max() < 1.2


def _fragments(colours: list[tuple[int, int, int]]) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """Squares of 20 px in a row, 10 px apart."""
    pixels = np.full((40, 30 * len(colours) + 10, 3), 242, np.uint8)
    mask = np.zeros(pixels.shape[:2], bool)
    for i, colour in enumerate(colours):
        part = (slice(10, 30), slice(10 + 30 * i, 30 + 30 * i))
        pixels[part], mask[part] = colour, True
    return mask, pixels


def test_grey_among_stained_fragments_is_dust() -> None:
    mask, pixels = _fragments([(200, 120, 170), (190, 190, 190), (210, 150, 180)])
    found = without_dust(mask, pixels, 0.5)
    assert not found[20, 50]
    assert found[20, 20]
    assert found[20, 80]


@pytest.mark.parametrize("count", [1, 3])
def test_where_all_is_pale_nothing_is_dust(count: int) -> None:
    mask, pixels = _fragments([(234, 231, 233)] * count)
    np.testing.assert_array_equal(without_dust(mask, pixels, 0.5), mask)
