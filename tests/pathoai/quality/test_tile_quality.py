"""Shares of artefacts in tiles, against counting."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pathoai.geometry import Grid, Mpp, Size
from pathoai.ontology import NOT_ASSESSED
from pathoai.quality.artefacts import ARTEFACTS, BLUR, PEN
from pathoai.quality.quality_map import QualityMap
from pathoai.quality.tile_quality import tile_quality
from pathoai.tiling.grid import TileGrid
from pathoai.tiling.spec import TileSpec

FACTOR = 32


def _quality(class_map: NDArray[np.uint8]) -> QualityMap:
    size = Size(class_map.shape[1], class_map.shape[0])
    return QualityMap(class_map, Grid(size, FACTOR, FACTOR), 16.0)


def _tiles(origins: NDArray[np.int64], size_px: int, mpp: float = 0.5) -> TileGrid:
    spec = TileSpec(size_px=size_px, mpp=mpp)
    grid = Grid.covering(Size(1280, 960), Mpp.square(0.5), mpp)
    return TileGrid(spec, grid, origins, np.ones(len(origins), np.float32))


@pytest.mark.parametrize("mpp", [0.5, 1.0])
def test_shares_are_those_of_counting_pixels(mpp: float) -> None:
    rng = np.random.default_rng(0)
    values = np.array([0, *(a.index for a in ARTEFACTS), NOT_ASSESSED], np.uint8)
    class_map = rng.choice(values, (30, 40))
    size_px, down = 100, round(mpp / 0.5)
    # Tiles that start on whole pixels of the slide; the last reach past its edge.
    origins = np.stack([rng.integers(0, 1250 // down, 25), rng.integers(0, 930 // down, 25)], 1)
    found = tile_quality(_quality(class_map), _tiles(origins.astype(np.int64), size_px, mpp))
    fine = class_map.repeat(FACTOR, axis=0).repeat(FACTOR, axis=1)
    side = size_px * down
    fine = np.pad(fine, ((0, side), (0, side)), constant_values=NOT_ASSESSED)
    for i, (x, y) in enumerate(origins * down):
        tile = fine[y : y + side, x : x + side]
        assert found["assessed"][i] == pytest.approx((tile != NOT_ASSESSED).mean(), abs=1e-5)
        for artefact in ARTEFACTS:
            expected = (tile == artefact.index).mean()
            assert found[artefact.key][i] == pytest.approx(expected, abs=1e-5)


def test_columns_are_as_long_as_the_tiles_and_clean_is_exactly_none() -> None:
    class_map = np.zeros((30, 40), np.uint8)
    class_map[:, 20:] = BLUR.index
    origins = np.array([[0, 0], [128, 64], [1024, 0]], np.int64)
    found = tile_quality(_quality(class_map), _tiles(origins, 128))
    assert set(found) == {"assessed", *(artefact.key for artefact in ARTEFACTS)}
    assert all(v.dtype == np.float32 and v.shape == (3,) for v in found.values())
    np.testing.assert_array_equal(found["blur"], [0, 0, 1])
    np.testing.assert_array_equal(found[PEN.key], [0, 0, 0])
    np.testing.assert_array_equal(found["assessed"], [1, 1, 1])
