"""The plan of a batch names each chunk once, and its parts make every pixel exactly once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathoai.geometry import Size
from pathoai.store.chunk_coding import ChunkCoding
from pathoai.store.chunk_plan import ChunkPlan
from pathoai.store.header import LevelLayout


@given(
    origins=st.lists(st.tuples(st.integers(-40, 90), st.integers(-40, 90)), max_size=6),
    size=st.builds(Size, st.integers(1, 40), st.integers(1, 40)),
    level=st.builds(Size, st.integers(1, 70), st.integers(1, 70)),
    chunk_px=st.sampled_from([1, 7, 16]),
)
def test_the_parts_of_the_chunks_make_the_tiles(
    origins: list[tuple[int, int]], size: Size, level: Size, chunk_px: int
) -> None:
    """By brute force: number all pixels of a padded level, and look every one of them up."""
    layout = LevelLayout(1, level, chunk_px, 4 * chunk_px, ChunkCoding())
    at = np.array(origins, np.int64).reshape(-1, 2)
    plan = ChunkPlan.of(layout, at, size)
    padded = -(-max(level.width, level.height) // chunk_px) * chunk_px
    numbers = 1 + np.arange(padded**2).reshape(padded, padded)
    tiles = np.zeros((len(at), size.height, size.width), np.int64)
    for index, (row, column) in enumerate(plan.chunks.tolist()):
        chunk = numbers[row * chunk_px :, column * chunk_px :][:chunk_px, :chunk_px]
        for tile, to_y, to_x, y, x, height, width in plan.parts_of(index).tolist():
            target = tiles[tile, to_y : to_y + height, to_x : to_x + width]
            assert target.shape == (height, width)
            assert not target.any(), "parts overlap"
            target[:] = chunk[y : y + height, x : x + width]
    for tile, (left, top) in zip(tiles, origins, strict=True):
        y, x = np.mgrid[top : top + size.height, left : left + size.width]
        inside = (y >= 0) & (x >= 0) & (y < level.height) & (x < level.width)
        expected = np.where(inside, numbers[np.where(inside, y, 0), np.where(inside, x, 0)], 0)
        np.testing.assert_array_equal(tile, expected)
    assert len(set(map(tuple, plan.chunks.tolist()))) == len(plan)
    shards = [tuple(shard) for shard in (plan.chunks // 4).tolist()]
    assert len(set(shards)) == sum(a != b for a, b in zip(shards, [None, *shards], strict=False))


def test_no_tile_needs_no_chunk() -> None:
    layout = LevelLayout(1, Size(100, 100), 16, 64, ChunkCoding())
    for at in (np.empty((0, 2), np.int64), np.array([[100, 0], [-32, 5]])):
        plan = ChunkPlan.of(layout, at, Size(32, 32))
        assert (len(plan), len(plan.parts), plan.first.tolist()) == (0, 0, [0])


@pytest.mark.parametrize("size", [1, 300])
def test_one_tile_of_one_chunk(size: int) -> None:
    layout = LevelLayout(1, Size(1000, 1000), 300, 600, ChunkCoding())
    plan = ChunkPlan.of(layout, np.array([[300, 600]]), Size(size, size))
    assert plan.chunks.tolist() == [[2, 1]]
    assert plan.parts.tolist() == [[0, 0, 0, 0, 0, size, size]]
