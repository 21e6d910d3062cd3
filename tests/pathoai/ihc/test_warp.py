"""Pixels of one slide on the raster of another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.geometry import Grid, Size
from pathoai.ihc.warp import CELL_PX, MovingCells, warped
from pathoai.registration.transform import PlacedSlide, SlideTransform
from pathoai.store.slide_store import SlideStore

CPU = torch.device("cpu")


def _transform(store: SlideStore, affine: NDArray[np.float64]) -> SlideTransform:
    placed = PlacedSlide.of_store(store)
    return SlideTransform(placed, placed, affine)


def _window(
    store: SlideStore, affine: NDArray[np.float64], rows: slice, columns: slice, coarser: float = 1
) -> NDArray[np.float32]:
    grid = store.grid().coarser(coarser) if coarser > 1 else store.grid()
    cells = MovingCells.of_window(_transform(store, affine), grid, rows, columns)
    wanted = np.ones((rows.stop - rows.start, columns.stop - columns.start), bool)
    found = warped(store, cells, store.mpp * coarser, wanted, CPU)
    return found.numpy().transpose(1, 2, 0) * 255


@pytest.mark.parametrize("shift_px", [(0, 0), (37, -20), (-700, 3)])
def test_a_move_by_whole_pixels_gives_those_pixels(
    tiled_store: Path, shift_px: tuple[int, int]
) -> None:
    store = SlideStore(tiled_store)
    affine = np.array([[1.0, 0, shift_px[0] * 0.5], [0, 1, shift_px[1] * 0.5]])
    found = _window(store, affine, slice(100, 743), slice(301, 900))
    there = store.read(0, 301 + shift_px[0], 100 + shift_px[1], Size(599, 643))
    np.testing.assert_allclose(found, there, atol=0.05)


def test_a_turn_reads_linearly_between_pixels(tiled_store: Path) -> None:
    store = SlideStore(tiled_store)
    angle = np.radians(33.0)
    linear = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear[:, 0] *= -1  # mirrored, too
    centre = np.array([375.0, 300.0])
    affine = np.column_stack([linear, centre - linear @ centre])
    rows, columns = slice(400, 1010), slice(500, 1030)
    found = _window(store, affine, rows, columns)
    x, y = np.meshgrid(np.arange(500, 1030) + 0.5, np.arange(400, 1010) + 0.5)
    places = np.stack([x, y], -1) * 0.5 @ linear.T + affine[:, 2]
    whole = store.read(0, 0, 0, Size(1500, 1200)).astype(np.float32)
    for channel in range(3):
        expected = ndimage.map_coordinates(
            whole[..., channel],
            [places[..., 1] / 0.5 - 0.5, places[..., 0] / 0.5 - 0.5],
            order=1,
            mode="constant",
            cval=255,
        )
        np.testing.assert_allclose(found[..., channel], expected, atol=0.2)


def test_a_coarser_raster_averages_what_lies_in_a_pixel(tiled_store: Path) -> None:
    store = SlideStore(tiled_store)
    found = _window(store, np.eye(2, 3), slice(80, 180), slice(96, 240), coarser=3)
    fine = store.read(0, 288, 240, Size(432, 300)).astype(np.float32)
    expected = fine.reshape(100, 3, 144, 3, 3).mean(axis=(1, 3))
    # Two-fold levels: the level of factor 2 is read, and a pixel is the mean of its points.
    assert np.abs(found - expected).mean() < 6


def test_beyond_the_slide_is_white_however_far(tiled_store: Path) -> None:
    store = SlideStore(tiled_store)
    affine = np.array([[1.0, 0, 1e7], [0, 1, -1e7]])
    assert (_window(store, affine, slice(0, 64), slice(0, 64)) == 255).all()


def test_what_is_not_wanted_is_not_read(tiled_store: Path) -> None:
    store = SlideStore(tiled_store)
    rows, columns = slice(0, 1200), slice(0, 1500)
    cells = MovingCells.of_window(_transform(store, np.eye(2, 3)), store.grid(), rows, columns)
    wanted = np.zeros((1200, 1500), bool)
    wanted[600, 600] = True
    found = warped(store, cells, 0.5, wanted, CPU).numpy()
    assert (found[:, :512] == 1).all()
    assert (found[:, 512:1024, 512:1024] < 1).any()


def test_planes_are_looked_up_cell_by_cell(tiled_store: Path) -> None:
    store = SlideStore(tiled_store)
    affine = np.array([[1.0, 0, 4.0], [0, 1, 0]])
    cells = MovingCells.of_window(
        _transform(store, affine), store.grid(), slice(0, 40), slice(0, 100)
    )
    plane = np.arange(150 * 188, dtype=np.int64).reshape(150, 188)
    grid = Grid(Size(188, 150), CELL_PX, CELL_PX)
    found = cells.plane(plane, grid, outside=-1)
    assert found.shape == (40, 100)
    # 4 µm are one cell of 8 pixels.
    np.testing.assert_array_equal(found[::8, ::8], plane[:5, 1:14])
    far = MovingCells.of_window(
        _transform(store, np.array([[1.0, 0, -1e4], [0, 1, 0]])),
        store.grid(),
        slice(0, 40),
        slice(0, 100),
    )
    assert (far.plane(plane, grid, outside=-1) == -1).all()
