"""Numbered discs, drawn as maps and found again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import reconstruction, remove_small_holes
from skimage.segmentation import watershed

from pathoai.errors import InvalidValueError
from pathoai.inference.instances import InstancePolicy, apart, classes_of_instances, find_instances
from pathoai_training.data.instance_maps import instance_maps


def touching_discs(seed: int, side: int = 160, count: int = 14) -> NDArray[np.uint32]:
    """Discs of 5 to 10 px that touch but hardly overlap, so that each shows its middle."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    numbers = np.zeros((side, side), np.uint32)
    placed: list[tuple[float, float, float]] = []
    while len(placed) < count:
        cx, cy, radius = rng.uniform((0, 0, 5), (side, side, 10))
        if all(np.hypot(cx - a, cy - b) > 0.95 * (radius + r) for a, b, r in placed):
            placed.append((cx, cy, radius))
            disc = (x - cx) ** 2 + (y - cy) ** 2 < radius**2
            numbers[disc & (numbers == 0)] = len(placed)
    return numbers


@given(st.integers(0, 10_000))
def test_true_maps_give_back_the_objects(seed: int) -> None:
    numbers = touching_discs(seed)
    found = find_instances(
        (numbers > 0).astype(np.float32),
        instance_maps(numbers),
        mpp=0.5,
        policy=InstancePolicy(smallest_um2=0),
    )
    assert set(np.unique(found)) == set(range(found.max() + 1))
    areas = np.bincount(numbers.ravel())
    for number in np.flatnonzero(areas[1:] > 60) + 1:  # slivers at the edge have no middle
        inside = numbers == number
        best = np.bincount(found[inside]).argmax()
        iou = (inside & (found == best)).sum() / (inside | (found == best)).sum()
        assert iou > 0.7


def test_maps_follow_their_definition() -> None:
    numbers = np.zeros((30, 40), np.uint32)
    numbers[5:15, 5:15], numbers[5:15, 15:31] = 9, 4  # two that touch
    (distance,) = instance_maps(numbers)
    assert distance.dtype == np.float32
    for number in (9, 4):
        inside = numbers == number
        rim = inside & ~ndimage.binary_erosion(inside)
        depth = ndimage.distance_transform_edt(inside & ~rim) + 1
        expected = depth[inside] / depth[inside].max()
        np.testing.assert_allclose(distance[inside], expected, rtol=1e-6)
    assert not instance_maps(np.zeros((4, 4), np.uint32)).any()
    assert (distance[numbers == 0] == 0).all()


def test_what_has_no_middle_is_still_found() -> None:
    foreground = np.zeros((40, 40), np.float32)
    foreground[10:20, 10:20] = 1
    foreground[30:32, 30:32] = 1  # 1 µm²: noise
    found = find_instances(foreground, np.zeros((1, 40, 40), np.float32), mpp=0.5)
    assert np.unique(found).tolist() == [0, 1]
    assert (found[10:20, 10:20] == 1).all()
    assert not find_instances(
        np.zeros_like(foreground), np.zeros((1, 40, 40), np.float32), mpp=1
    ).any()


def test_an_object_has_the_class_of_its_mean() -> None:
    numbers = np.zeros((6, 8), np.uint32)
    numbers[:, :3], numbers[:, 5:] = 1, 2
    probabilities = np.zeros((3, 6, 8), np.float32)
    probabilities[1, :, :2], probabilities[2, :, 2:] = 0.9, 0.6
    channel, share = classes_of_instances(numbers, probabilities)
    assert channel.tolist() == [1, 2]
    assert share.tolist() == pytest.approx([1.8 / 2.4, 1.0])
    assert classes_of_instances(np.zeros_like(numbers), probabilities)[0].shape == (0,)


@given(st.integers(0, 10_000))
def test_a_line_keeps_neighbours_apart_and_nothing_else_is_lost(seed: int) -> None:
    numbers = touching_discs(seed)
    kept = apart(numbers)
    pieces, _ = ndimage.label(kept, np.ones((3, 3)))
    for piece in range(1, pieces.max() + 1):
        assert len(np.unique(numbers[pieces == piece])) == 1
    lonely = ndimage.minimum_filter(np.where(numbers > 0, numbers, numbers.max() + 1), 3)
    alone = (numbers > 0) & (lonely == numbers) & (ndimage.maximum_filter(numbers, 3) == numbers)
    assert kept[alone].all()


def test_tissue_that_a_ring_encloses_is_no_object() -> None:
    foreground = np.zeros((80, 80), np.float32)
    foreground[:10] = foreground[-10:] = foreground[:, :10] = foreground[:, -10:] = 1
    foreground[2, 2] = 0  # a hole of one pixel is chromatin
    found = find_instances(foreground, np.zeros((1, 80, 80), np.float32), mpp=0.5)
    assert found[2, 2] > 0
    assert not found[12:68, 12:68].any()


def test_a_large_nucleus_is_rough_and_still_one() -> None:
    y, x = np.mgrid[:80, :80]
    foreground = (np.hypot(x - 40, y - 40) < 24).astype(np.float32)
    maps = np.maximum(0, 1 - np.hypot(x - 40, y - 40) / 24).astype(np.float32)[None]
    for side in (-10, 10):  # clumps of chromatin that the network took for two middles
        maps[0] += 0.45 * np.exp(-(np.hypot(x - 40 - side, y - 40) ** 2) / 8).astype(np.float32)
    assert find_instances(foreground, maps, mpp=0.5).max() == 1
    blind = InstancePolicy(depth_per_um=0)
    assert find_instances(foreground, maps, mpp=0.5, policy=blind).max() > 1


def test_a_doubt_is_no_object() -> None:
    foreground = np.zeros((40, 40), np.float32)
    foreground[5:15, 5:15], foreground[25:35, 25:35] = 0.9, 0.6
    maps = np.zeros((1, 40, 40), np.float32)
    found = find_instances(foreground, maps, mpp=0.5)
    assert (found[5:15, 5:15] == 1).all()
    assert found.max() == 1
    every = InstancePolicy(least_mean=0)
    assert find_instances(foreground, maps, mpp=0.5, policy=every).max() == 2


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("saddle", 0),
        ("foreground", 1),
        ("least_mean", -0.1),
        ("depth_per_um", float("nan")),
        ("smallest_um2", -1),
    ],
)
def test_a_policy_that_nothing_or_everything_passes_is_refused(key: str, value: float) -> None:
    with pytest.raises(InvalidValueError, match=key):
        InstancePolicy(**{key: value})


def _plainly(
    foreground: NDArray[np.float32], maps: NDArray[np.float32], mpp: float
) -> NDArray[np.integer]:
    """The definition, whole image at once: summits by reconstruction, then the watershed."""
    policy = InstancePolicy()
    hole = int(policy.largest_hole_um2 / mpp**2)
    mask = remove_small_holes(foreground > policy.foreground, max_size=hole)
    depth_um = (ndimage.distance_transform_edt(mask) * mpp).astype(np.float32)
    height = maps[0] + np.float32(policy.depth_per_um) * depth_um
    height = ndimage.gaussian_filter(height, policy.smoothing_um / mpp)
    left = height - reconstruction(height - policy.saddle, height)
    seeds, count = ndimage.label((left >= 0.999 * policy.saddle) & mask, np.ones((3, 3)))
    pieces, _ = ndimage.label(mask)
    seeds = np.where(mask & ~np.isin(pieces, np.unique(pieces[seeds > 0])), pieces + count, seeds)
    grown = watershed(-height, seeds, mask=mask)
    area = np.bincount(grown.ravel())
    total = np.bincount(grown.ravel(), weights=foreground.ravel())
    keep = (area >= policy.smallest_um2 / mpp**2) & (total >= policy.least_mean * area)
    keep[0] = False
    return np.asarray(np.where(keep, np.cumsum(keep), 0)[grown])


@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.parametrize("seed", range(3))
def test_objects_are_those_of_the_plain_algorithm_to_the_pixel(seed: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    numbers = touching_discs(seed, side=400, count=120)
    foreground = ndimage.gaussian_filter((numbers > 0).astype(np.float32), 1)
    foreground += rng.normal(0, noise, foreground.shape).astype(np.float32)
    maps = instance_maps(numbers)
    maps += rng.normal(0, noise, maps.shape).astype(np.float32)
    found = find_instances(foreground.clip(0, 1), maps, mpp=0.5)
    assert found.max() > 80
    np.testing.assert_array_equal(found, _plainly(foreground.clip(0, 1), maps, 0.5))
