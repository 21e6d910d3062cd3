"""Leaks are planted, and must be seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from pathoai.errors import LeakError
from pathoai.models.unet import UNet
from pathoai_training.data.leak import check_guard, check_no_leak
from pathoai_training.data.tiles_dataset import TileColumns
from pathoai_training.recipes.recipe import read_recipe
from pathoai_training.splits.split import SUBSETS, Split, SplitKind

SIZE = 16
AREA = Split(
    SplitKind.AREA, 0, ("A",) * 3, SUBSETS, blocks=((0, 0), (0, 1), (0, 2)), block_px=64, mpp=0.5
)


def columns(*tiles: tuple[int, int, int]) -> TileColumns:
    """Tiles of slide, x, y."""
    table = np.array(tiles, np.int64).reshape(-1, 3)
    return TileColumns(table[:, 0].astype(np.int32), table[:, 1:], SIZE)


def test_a_patient_planted_in_two_subsets_is_seen() -> None:
    split = Split(SplitKind.PATIENT, 0, ("A", "B", "C"), SUBSETS, groups=("P1", "P2", "P1"))
    tiles = {subset: columns((i, 0, 0)) for i, subset in enumerate(SUBSETS)}
    with pytest.raises(LeakError, match="a patient is in two subsets"):
        check_no_leak(split, tiles, ["A", "B", "C"])


def test_a_slide_planted_in_two_subsets_is_seen() -> None:
    split = Split(SplitKind.PATIENT, 0, ("A", "B", "C"), SUBSETS, groups=("P1", "P2", "P3"))
    tiles = {"train": columns((0, 0, 0)), "test": columns((2, 0, 0), (0, 64, 64))}
    with pytest.raises(LeakError, match="a patient is in two subsets"):
        check_no_leak(split, tiles, ["A", "B", "C"])
    check_no_leak(split, {"train": columns((0, 0, 0)), "test": columns((2, 0, 0))}, ["A", "B", "C"])


def test_one_shared_pixel_is_seen_and_a_shared_edge_is_not() -> None:
    for names in (("train", "test"), ("validation", "test"), ("train", "validation")):
        touching = dict(zip(names, (columns((0, 0, 0)), columns((0, SIZE, 0))), strict=True))
        check_no_leak(AREA, touching, ["A"])
        overlapping = touching | {names[1]: columns((0, SIZE - 1, SIZE - 1))}
        with pytest.raises(LeakError, match="lie too close"):
            check_no_leak(AREA, overlapping, ["A"])


def test_same_place_on_another_slide_is_no_leak() -> None:
    check_no_leak(AREA, {"train": columns((0, 0, 0)), "test": columns((1, 0, 0))}, ["A", "B"])


place = st.tuples(st.integers(0, 1), st.integers(-60, 60), st.integers(-60, 60))
places = st.lists(place, max_size=8)


@given(places, places, st.integers(0, 12))
def test_what_is_refused_is_what_touches(
    train: list[tuple[int, int, int]], test: list[tuple[int, int, int]], guard_px: int
) -> None:
    near = any(
        a[0] == b[0] and max(abs(a[1] - b[1]), abs(a[2] - b[2])) < SIZE + guard_px
        for a in train
        for b in test
    )
    tiles = {"train": columns(*train), "test": columns(*test)}
    if near:
        with pytest.raises(LeakError):
            check_no_leak(AREA, tiles, ["A", "B"], guard_px=guard_px)
    else:
        check_no_leak(AREA, tiles, ["A", "B"], guard_px=guard_px)


@pytest.mark.parametrize(("depth", "reach_px"), [(1, 10), (2, 24)])
def test_a_guard_that_the_network_looks_across_is_refused(depth: int, reach_px: int) -> None:
    network = UNet(classes=2, width=4, depth=depth).train()
    check_guard(network, 8 * 2**depth)
    with pytest.raises(LeakError, match=r"data.guard_px"):
        check_guard(network, reach_px // 2)
    assert network.training


def test_reach_is_found_to_the_pixel() -> None:
    network = nn.Sequential(nn.Conv2d(3, 2, 7, padding=3), nn.Conv2d(2, 2, 5, padding=2))
    check_guard(network, 5)
    with pytest.raises(LeakError, match="sees 5 px"):
        check_guard(network, 4)


def test_a_network_that_sees_nothing_is_no_network_that_keeps_its_guard() -> None:
    silent = nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), nn.Threshold(1e9, 0.0))
    with pytest.raises(LeakError, match="how far it sees cannot be found"):
        check_guard(silent, 64)


def test_the_shipped_recipe_keeps_its_guard() -> None:
    recipe = read_recipe("breast-tissue-segmentation")
    network = UNet(classes=2, **recipe.section("model")["arguments"])
    check_guard(network, recipe.section("data")["guard_px"])
