from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray

from napari_pathoai.picture.density import CELL_UM, density_picture
from pathoai.geometry import Mpp, Size
from pathoai.store.objects import ObjectTable, write_objects

SLIDE, MPP = Size(8000, 6000), Mpp(0.25, 0.252)
RED, BLUE = (200, 0, 0), (0, 0, 200)


def written(path: Path, places: NDArray[np.float64], classes: NDArray[np.uint8]) -> Path:
    count = len(places)
    ones = np.ones(count, np.float32)
    outlines = shapely.buffer(shapely.points(places), 16)
    table = ObjectTable(np.asarray(outlines, object), classes, ones, ones, {"origin": "model"})
    write_objects(path, table)
    return path


def test_an_even_density_is_told_as_it_is(tmp_path: Path) -> None:
    """One object in 20 × 20 µm is 2,500 per mm²."""
    x, y = np.meshgrid(np.arange(40, 8000, 80), np.arange(40, 6000, CELL_UM / MPP.y))
    places = np.stack([x.ravel(), y.ravel()], axis=1).astype(float)
    path = written(tmp_path / "a.parquet", places, np.full(len(places), 1, np.uint8))
    picture = density_picture(path, SLIDE, MPP, {1: RED})
    assert picture.pixels.shape == (76, 100, 4)
    assert picture.full_per_mm2 == pytest.approx(2500, rel=0.02)
    inner = picture.pixels[20:-20, 20:-20]
    assert (inner[..., :3] == RED).all()
    assert (inner[..., 3] >= 248).all()


def test_a_cluster_is_seen_where_it_is_in_the_colour_of_its_class(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    red = rng.normal((2000, 1500), 60, (300, 2))
    blue = rng.normal((6000, 4500), 60, (100, 2))
    classes = np.repeat(np.array([1, 2], np.uint8), [300, 100])
    path = written(tmp_path / "a.parquet", np.concatenate([red, blue]), classes)
    pixels = density_picture(path, SLIDE, MPP, {1: RED, 2: BLUE}).pixels.astype(int)
    peak = np.unravel_index(pixels[..., 3].argmax(), pixels.shape[:2])
    assert np.abs(np.array(peak) - (1500 * MPP.y / CELL_UM, 2000 * MPP.x / CELL_UM)).max() <= 2
    assert tuple(pixels[int(4500 * MPP.y / CELL_UM), int(6000 * MPP.x / CELL_UM), :3]) == BLUE
    assert (pixels[:, 50, 3] == 0).all(), "nothing lies in between"


def test_a_class_that_is_not_asked_for_is_not_counted(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", np.array([[2000.0, 1500]]), np.array([2], np.uint8))
    picture = density_picture(path, SLIDE, MPP, {1: RED})
    assert picture.full_per_mm2 == 0
    assert not picture.pixels.any()


def test_objects_at_the_very_edge_are_counted(tmp_path: Path) -> None:
    places = np.array([[8000.0, 6000], [0, 0]])
    path = written(tmp_path / "a.parquet", places, np.ones(2, np.uint8))
    pixels = density_picture(path, SLIDE, MPP, {1: RED}).pixels
    assert pixels[-1, -1, 3] > 0
    assert pixels[0, 0, 3] > 0
