"""What tiles weighed, as a label: its values, its edges, and the regions that heavy tiles form."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from pathoai.geometry import Grid, Mpp, Size
from pathoai.inference.attention_map import (
    WeighedTiles,
    attention_about,
    write_attention_map,
)
from pathoai.inference.top_regions import top_regions
from pathoai.ontology import NOT_ASSESSED
from pathoai.store.slide_store import SlideStore

MPP = Mpp(0.5, 0.5)


def tiles_on_a_lattice(columns: int, rows: int, step: float, side: float) -> WeighedTiles:
    """All of weight 1."""
    x, y = np.meshgrid(np.arange(columns) * step, np.arange(rows) * step)
    corners = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float64)
    return WeighedTiles(corners, (side, side), np.ones(len(corners)))


def test_a_place_of_one_tile_has_its_weight_and_others_none() -> None:
    tiles = WeighedTiles(np.array([[100.0, 60], [228, 60]]), (128, 128), np.array([0.75, 0.25]))
    grid = Grid(Size(40, 20), 16, 16)
    weight, seen = tiles.blended(grid, slice(0, 20), slice(0, 40))
    for row in range(20):
        for column in range(40):
            x, y = (column + 0.5) * 16, (row + 0.5) * 16
            inside = 60 <= y < 188 and 100 <= x < 356
            assert seen[row, column] == inside
            expected = (0.75 if x < 228 else 0.25) if inside else 0
            assert weight[row, column] == pytest.approx(expected)


@given(
    step=st.floats(0.3, 1.0),
    shift=st.floats(0, 500),
    pixel=st.floats(8, 30),
    cut=st.integers(1, 30),
)
def test_blocks_are_parts_of_the_whole_and_even_weights_stay_even(
    step: float, shift: float, pixel: float, cut: int
) -> None:
    tiles = tiles_on_a_lattice(5, 4, 100 * step, 100)
    tiles = WeighedTiles(tiles.left_top + shift, tiles.side, tiles.weights)
    grid = Grid(Size(80, 70), pixel, pixel)
    whole, seen = tiles.blended(grid, slice(0, 70), slice(0, 80))
    assert whole[seen] == pytest.approx(1)
    ramp = WeighedTiles(tiles.left_top, tiles.side, np.linspace(0.1, 1, 20))
    whole, seen = ramp.blended(grid, slice(0, 70), slice(0, 80))
    if seen.any():
        assert ramp.weights.min() - 1e-9 <= whole[seen].min()
        assert whole[seen].max() <= ramp.weights.max() + 1e-9
    parts = [ramp.blended(grid, slice(0, 70), c)[0] for c in (slice(0, cut), slice(cut, 80))]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole)


def test_overlapping_tiles_fade_into_each_other() -> None:
    tiles = WeighedTiles(np.array([[0.0, 0], [50, 0]]), (100, 100), np.array([0.0, 1.0]))
    line = tiles.blended(Grid(Size(150, 100), 1, 1), slice(50, 51), slice(0, 150))[0][0]
    assert (line[:50] == 0).all()
    assert line[100:] == pytest.approx(1)
    assert (np.diff(line[50:100]) > 0).all()


def test_the_label_says_its_scale_and_resumes_to_the_same_bytes(
    four_shard_store: Path, tmp_path: Path
) -> None:
    store = SlideStore(Path(shutil.copytree(four_shard_store, tmp_path / four_shard_store.name)))
    tiles = tiles_on_a_lattice(8, 8, 224, 256)
    tiles = WeighedTiles(tiles.left_top, tiles.side, np.arange(1, 65) / np.arange(1, 65).sum())
    about = attention_about({"origin": "model"}, tiles.largest)
    label = write_attention_map(store, "prediction/grading", about, tiles)
    assert label.about["attention"]["largest_weight"] == float(f"{64 / 2080:.6g}")
    assert label.probability_channels == ("attention",)
    assert label.mpp == 16  # an eighth of a tile of 128 µm
    shown, classes = np.asarray(label.probability()[0]), label.read_all()
    assert shown.max() == 255
    assert set(np.unique(classes)) == {0, NOT_ASSESSED}
    assert (shown[classes == NOT_ASSESSED] == 0).all()
    weight, seen = tiles.blended(label.grid(), *(slice(0, n) for n in shown.shape))
    np.testing.assert_array_equal(classes == 0, seen)
    assert np.abs(shown - 255 * weight / weight.max()).max() <= 0.51
    before = dict(label.shards)
    again = write_attention_map(store, "prediction/grading", about, tiles)
    assert again.shards == before
    store.verify()


def test_heavy_tiles_that_touch_are_one_region() -> None:
    """Three in an L, one that touches it by a corner only, and one that is light."""
    corners = np.array([[0, 0], [100, 0], [0, 100], [200, 100], [400, 400]], np.float64)
    weights = np.array([0.3, 0.2, 0.2, 0.25, 0.05])
    first, second = top_regions(WeighedTiles(corners, (100, 100), weights), MPP)
    assert (first.weight, first.tiles) == (0.7, 3)
    assert first.area_mm2 == 3 * 50**2 / 1e6
    assert (first.x, first.y, first.width, first.height) == (50, 50, 200, 200)
    assert (second.weight, second.tiles, second.x, second.y) == (0.25, 1, 250, 150)


@given(st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1), st.booleans())
def test_regions_are_the_connected_sets_of_tiles(
    places: set[tuple[int, int]], overlap: bool
) -> None:
    """Beside a search from tile to tile; scales that are no whole numbers leave no gaps."""
    side = 224 * 0.5 / 0.2463
    step = side / 2 if overlap else side
    found = np.array(sorted(places), np.float64)
    tiles = WeighedTiles(found * step, (side, side), np.full(len(found), 1 / len(found)))
    reach = 1 if overlap else 0

    def touch(one: tuple[int, int], other: tuple[int, int]) -> bool:
        dx, dy = abs(one[0] - other[0]), abs(one[1] - other[1])
        if overlap:  # two steps are a side
            return max(dx, dy) <= 2 and min(dx, dy) <= reach
        return dx + dy == 1

    left, sets = set(places), []
    while left:
        group = {left.pop()}
        while near := {p for p in left if any(touch(p, q) for q in group)}:
            group |= near
            left -= near
        sets.append(len(group))
    regions = top_regions(tiles, MPP)
    assert [r.tiles for r in regions] == sorted(sets, reverse=True)[:10]
    if len(sets) <= 10:
        boxes = shapely.box(*tiles.left_top.T, *(tiles.left_top + side).T)
        mm2 = shapely.area(shapely.union_all(boxes)) * 0.25 / 1e6
        assert sum(r.area_mm2 for r in regions) == pytest.approx(mm2, rel=1e-4, abs=1e-5)
        assert sum(r.weight for r in regions) == pytest.approx(1, abs=1e-5)
