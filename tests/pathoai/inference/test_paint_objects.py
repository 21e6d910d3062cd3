"""Objects across shards: as many, and the same pixels, as where the image is looked at at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label

from pathoai.errors import InvalidValueError
from pathoai.inference.blocks import Blocks
from pathoai.inference.seams import settle
from pathoai.inference.views import views_near_border
from tests.pathoai.inference.generated_outputs import (
    discs,
    outputs_of,
    painted,
    painted_by,
    same_objects,
    whole,
)

_SHARD_PX, _MARGIN_PX = 96, 48


def _met_in_order(raster: NDArray[np.uint32], shard_px: int) -> list[int]:
    """Numbers in the order in which one meets them, shard by shard and row by row."""
    met: list[int] = []
    for y in range(0, raster.shape[0], shard_px):
        for x in range(0, raster.shape[1], shard_px):
            met += raster[y : y + shard_px, x : x + shard_px].ravel().tolist()
    return [number for number in dict.fromkeys(met) if number]


def _random_discs(seed: int, side: int, count: int, *, apart: float) -> NDArray[np.uint32]:
    rng = np.random.default_rng(seed)
    placed: list[tuple[float, float, float]] = []
    for cy, cx, radius in rng.uniform((0, 0, 5), (side, side, 12), (count, 3)):
        if all(np.hypot(cy - y, cx - x) > apart * (radius + r) for y, x, r in placed):
            placed.append((cy, cx, radius))
    found = np.array(placed)
    return discs(side, found[:, :2], found[:, 2])


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.sampled_from([0.93, 1.1]), st.sampled_from([64, 96, 150]))
def test_shards_make_no_difference(seed: int, apart: float, shard_px: int) -> None:
    numbers = _random_discs(seed, 230, 90, apart=apart)
    rng = np.random.default_rng(seed)
    outputs = outputs_of(numbers, rng.integers(1, 3, numbers.max()))
    expected = whole(outputs)
    raster = painted(outputs, shard_px, min(_MARGIN_PX, shard_px // 2))
    assert same_objects(raster, expected)
    count = int(expected.max())
    assert _met_in_order(raster, shard_px) == list(range(1, count + 1))


@settings(max_examples=25)
@given(st.lists(st.tuples(*[st.floats(-16, 16)] * 2, st.floats(5, 12)), min_size=1, max_size=4))
def test_discs_around_a_corner_of_four_are_all_there(places: list[tuple[float, ...]]) -> None:
    """N in, N out: what overlaps is left out before, since it is not N."""
    kept: list[tuple[float, ...]] = []
    for y, x, r in places:
        if all(np.hypot(y - b, x - a) > r + s + 1.5 for b, a, s in kept):
            kept.append((y, x, r))
    found = np.add(kept, (_SHARD_PX, _SHARD_PX, 0))
    numbers = discs(2 * _SHARD_PX, found[:, :2], found[:, 2])
    raster = painted(outputs_of(numbers, np.ones(len(kept), int)), _SHARD_PX, _MARGIN_PX)
    assert same_objects(raster, numbers)


def test_nuclei_exactly_on_seams_and_corners_touching_or_not() -> None:
    at = np.array(
        [(y, x) for y in (60, 96, 150, 192, 240) for x in (40, 96, 120, 192, 250)]
        + [(96.0, 112.0), (176.0, 192.0), (40, 88), (40, 104)],  # neighbours that touch
        float,
    )
    numbers = discs(288, at, np.full(len(at), 8.2))
    outputs = outputs_of(numbers, np.ones(len(at), int))
    raster = painted(outputs, _SHARD_PX, _MARGIN_PX)
    assert raster.max() == len(at)
    assert same_objects(raster, whole(outputs))
    assert np.array_equal(raster > 0, numbers > 0)


@pytest.mark.parametrize("length", [90, 140, 300, 380])
def test_what_is_larger_than_the_margin_is_one_object(length: int) -> None:
    """Its pieces are united over as many shards as it takes."""
    outputs = np.zeros((4, 400, 400), np.float32)
    outputs[0] = 1
    half = length // 2
    for rows, columns in (
        (slice(190, 214), slice(200 - half, 200 + half)),
        (slice(200 - half, 200 + half), slice(20, 44)),
    ):
        outputs[:, rows, columns] = np.array([0, 1, 0, 0.5], np.float32)[:, None, None]
    expected = whole(outputs)
    assert expected.max() == len(np.unique(ndimage.label(expected)[0])) - 1
    assert same_objects(painted(outputs, _SHARD_PX, _MARGIN_PX), expected)
    assert same_objects(painted(outputs, _SHARD_PX, 16), expected)


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.sampled_from([0.45, 0.58, 0.62, 0.8]), st.integers(1, 8))
def test_regions_of_any_shape_and_size_are_put_together(
    seed: int, density: float, margin_px: int
) -> None:
    """Snakes, rings and nets over many shards: nothing is lost, doubled, torn or merged."""
    mask = np.random.default_rng(seed).random((61, 75)) < density
    raster = painted_by(
        lambda seen: label(mask[seen], connectivity=1).astype(np.uint32),
        Blocks((61, 75), margin_px, 16),
        smallest=1,
    )
    assert same_objects(raster, label(mask, connectivity=1))


def test_views_that_differ_are_settled_by_who_owns_what() -> None:
    """Left of the seam two nuclei are one, right of it they are two, of which it owns one."""
    blocks = Blocks((40, 80), 20, 40)
    left, right = np.zeros((40, 60), np.uint32), np.zeros((40, 60), np.uint32)
    left[10:20, 30:46] = 1  # on the slide: columns 30 to 46
    right[10:20, 10:20], right[10:20, 20:26] = 1, 2  # 30 to 40, and 40 to 46
    views = [*views_near_border(left, (0, 0), blocks), *views_near_border(right, (0, 1), blocks)]
    assert [(v.shard, v.number, v.owned, v.cut) for v in views] == [
        ((0, 0), 1, True, False),
        ((0, 1), 2, True, False),
    ]
    for order in (views, views[::-1]):
        (whole_one,) = settle(order, blocks, smallest_px=1)
        (patch,) = whole_one.patches
        assert (patch.window, patch.area_px) == ((slice(10, 20), slice(30, 46)), 160)


def test_a_line_between_neighbours_that_is_drawn_differently_loses_no_nucleus() -> None:
    blocks = Blocks((40, 80), 20, 40)
    left, right = np.zeros((40, 60), np.uint32), np.zeros((40, 60), np.uint32)
    left[10:20, 30:39], left[10:20, 39:48] = 1, 2
    right[10:20, 10:21], right[10:20, 21:28] = 1, 2
    views = [*views_near_border(left, (0, 0), blocks), *views_near_border(right, (0, 1), blocks)]
    found = [one.patches[0] for one in settle(views, blocks, smallest_px=1)]
    assert sorted((p.x, p.x + p.mask.shape[1], p.area_px) for p in found) == [
        (30, 39, 90),
        (41, 48, 70),
    ]


def test_an_image_without_objects_and_one_within_a_shard() -> None:
    empty = np.zeros((4, 130, 70), np.float32)
    assert not painted(empty, 64, 16).any()
    numbers = discs(60, np.array([(30.0, 30.0)]), np.array([9.0]))
    assert same_objects(painted(outputs_of(numbers, np.ones(1, int)), 64, 16), numbers)


def test_where_no_tile_was_there_is_no_object() -> None:
    outputs = np.zeros((4, 40, 60), np.float32)  # three classes and a map, nothing seen …
    outputs[0, :, :30] = 1  # … but the left half: background, and two nuclei at its end
    for rows in (slice(5, 17), slice(22, 34)):
        outputs[:, rows, 18:30] = np.array([0, 1, 0, 0.8], np.float32)[:, None, None]
    numbers = whole(outputs)
    assert not numbers[:, 30:].any()
    assert np.bincount(numbers.ravel()).tolist()[1:] == [144, 144]


def test_parts_that_touch_at_a_corner_are_objects_of_their_own() -> None:
    """So that the outline of each object is one polygon."""
    outputs = np.zeros((4, 40, 40), np.float32)
    outputs[0] = 1
    for corner in (8, 18):
        window = np.s_[:, corner : corner + 10, corner : corner + 10]
        outputs[window] = np.array([0, 1, 0, 0.8], np.float32)[:, None, None]
    numbers = whole(outputs)
    assert np.bincount(numbers.ravel()).tolist()[1:] == [100, 100]


def test_a_margin_that_reaches_past_the_next_shard_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"margin.*found 9 px.*0 to 8 px"):
        Blocks((40, 40), 9, 16)
