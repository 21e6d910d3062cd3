"""The quality of a registration as a label of the store."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from pathoai.registration.quality_label import LARGEST_RESIDUAL_UM, label_name, write_quality
from pathoai.registration.saved_registration import Registration
from pathoai.registration.tile_quality import RegistrationQuality, TileState, tile_grid
from pathoai.registration.transform import PlacedSlide, SlideTransform
from pathoai.store.slide_store import SlideStore
from tests.pathoai.registration.placed_slides import MOVING, affine


@pytest.fixture
def store(tiled_store: Path, tmp_path: Path) -> SlideStore:
    return SlideStore(Path(shutil.copytree(tiled_store, tmp_path / tiled_store.name)))


def registered(store: SlideStore) -> Registration:
    fixed = PlacedSlide.of_store(store)
    grid = tile_grid(fixed, 32.0)
    shape = grid.size_px.height, grid.size_px.width
    state = np.full(shape, TileState.NO_TISSUE, np.uint8)
    state[2:8, 3:12] = TileState.BELIEVABLE
    state[4, 5] = TileState.REFUSED
    similarity = np.where(state > 0, 0.8, np.nan).astype(np.float32)
    residual = np.where(state == TileState.REFUSED, 99.0, 0.4).astype(np.float32)
    quality = RegistrationQuality(32.0, grid, similarity, residual, state)
    return Registration(SlideTransform(fixed, MOVING, affine(5)), quality)


def test_it_shows_where_the_alignment_holds(store: SlideStore) -> None:
    registration = registered(store)
    label = write_quality(store, registration)
    assert label.name == label_name("moving") == "registration/moving"
    assert label.name in SlideStore(store.path).labels
    assert label.classes == {"believable": 1, "refused": 2}
    values, state = label.read_all(), registration.quality.state
    assert values.shape == state.shape
    assert np.array_equal(values == 255, state == TileState.NO_TISSUE)
    assert np.array_equal(values == 1, state == TileState.BELIEVABLE)
    assert np.array_equal(values == 2, state == TileState.REFUSED)
    assert label.probability_channels == ("similarity",)
    assert label.uncertainty_channels == ("residual",)
    similarity = np.asarray(label.probability()[0]) / 255
    assert np.allclose(similarity[state > 0], 0.8, atol=0.003)
    residual = np.asarray(label.planes["uncertainty"](0)[0]) / 255 * LARGEST_RESIDUAL_UM
    assert np.allclose(residual[state == TileState.BELIEVABLE], 0.4, atol=0.06)
    assert residual[4, 5] == LARGEST_RESIDUAL_UM
    store.verify()


def test_the_label_lies_where_the_tiles_lie(store: SlideStore) -> None:
    registration = registered(store)
    label = write_quality(store, registration)
    grid, fine = label.grid(), store.grid()
    height, width = fine.size_px.height, fine.size_px.width
    whole = registration.quality.on_grid(fine, slice(0, height), slice(0, width))
    y, x = np.mgrid[:height:7, :width:7]
    rows = ((y + 0.5) * fine.downsample_y / grid.downsample_y).astype(int)
    columns = ((x + 0.5) * fine.downsample_x / grid.downsample_x).astype(int)
    assert np.array_equal(label.read_all()[rows, columns] == 1, whole[::7, ::7])


def test_it_is_made_once_and_anew_when_the_registration_changed(store: SlideStore) -> None:
    registration = registered(store)
    write_quality(store, registration)
    file = next((store.path / "labels" / "registration.moving").rglob("c/0/0"))
    before = file.stat().st_mtime_ns
    write_quality(store, registration)
    assert file.stat().st_mtime_ns == before
    other = registration.quality.state.copy()
    other[other == TileState.REFUSED] = TileState.BELIEVABLE
    quality = dataclasses.replace(registration.quality, state=other)
    label = write_quality(store, dataclasses.replace(registration, quality=quality))
    assert (label.read_all() != 2).all()
