"""Profiles of slides, from their stores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError, NoTissueError
from pathoai.geometry import Grid, Size
from pathoai.preprocess.stain.estimation import (
    METHODS,
    STAIN_METHODS,
    estimate_profile,
    estimate_stains,
    profile_of_pixels,
    stains_of_pixels,
)
from pathoai.preprocess.stain.reference import reference_profile
from pathoai.preprocess.stain.reinhard import ColourProfile
from pathoai.preprocess.stain.stain_matrix import HEMATOXYLIN_DAB, unit_vectors
from pathoai.preprocess.stain.stain_profile import StainProfile
from pathoai.preprocess.stain.tissue_sample import sample_store, sample_tissue
from pathoai.slide.open_slide import open_slide
from pathoai.store.slide_store import SlideStore
from pathoai.testing import staining
from pathoai.tissue.mask import TissueMask


@pytest.fixture(scope="module")
def store(tiled_store: Path) -> SlideStore:
    return SlideStore(tiled_store)


@pytest.fixture(scope="module")
def real_pixels(real_data: Path) -> NDArray[np.uint8]:
    with open_slide(real_data / "wsi" / "cmu-1-small-region.svs") as reader:
        pixels = reader.read_region(0, 0, 0, reader.info.size)
    return np.asarray(pixels.reshape(-1, 3)[::17])


def _pixels(amounts: NDArray[np.float64], vectors: NDArray[np.float64]) -> NDArray[np.uint8]:
    light = 256 * np.exp(-amounts @ vectors) - 1
    return np.asarray(np.rint(np.clip(light, 0, 255)), np.uint8)


@pytest.mark.parametrize("method", STAIN_METHODS)
def test_a_slide_has_a_profile_by_every_method(store: SlideStore, method: str) -> None:
    profile = estimate_stains(store, method)
    assert (profile.method, profile.source_sha256) == (method, store.identity)
    assert estimate_profile(store, method) == profile


def test_the_statistics_of_reinhard_are_a_profile_too(store: SlideStore) -> None:
    profile = estimate_profile(store, "reinhard")
    assert isinstance(profile, ColourProfile)
    assert profile.source_sha256 == store.identity


@pytest.mark.parametrize("method", ["macenko", "vahadane"])
def test_the_hematoxylin_of_a_generated_slide_is_found(store: SlideStore, method: str) -> None:
    """Nuclei show hematoxylin alone; eosin is nowhere alone, so no method can see its vector."""
    true = np.array(staining.HEMATOXYLIN)
    true = true + staining.ACROSS_PER_HEMATOXYLIN * staining.across_vector()
    true = true / np.linalg.norm(true)
    hematoxylin, eosin = np.array(estimate_stains(store, method).matrix)
    assert np.degrees(np.arccos(hematoxylin @ true)) < 6
    assert hematoxylin[0] > 1.5 * eosin[0]


@pytest.mark.parametrize("method", ["macenko", "vahadane", "hematoxylin-eosin", "reinhard"])
def test_the_reference_is_the_profile_of_the_generated_slide(
    store: SlideStore, method: str
) -> None:
    found, reference = estimate_profile(store, method), reference_profile(method)
    if isinstance(found, StainProfile) and isinstance(reference, StainProfile):
        assert np.allclose(found.matrix, reference.matrix, atol=0.03)
        assert np.allclose(found.maximum, reference.maximum, rtol=0.1)
    else:
        assert isinstance(found, ColourProfile)
        assert isinstance(reference, ColourProfile)
        assert np.allclose(found.mean, reference.mean, atol=0.02)
        assert np.allclose(found.deviation, reference.deviation, rtol=0.1)


def test_the_seed_decides_the_sample_and_the_estimate_hardly_depends_on_it(
    store: SlideStore,
) -> None:
    first = sample_store(store, seed=1)
    assert np.array_equal(first, sample_store(store, seed=1))
    assert not np.array_equal(first, sample_store(store, seed=2))
    one, two = (estimate_stains(store, seed=seed) for seed in (1, 2))
    assert np.allclose(one.matrix, two.matrix, atol=0.01)
    assert np.allclose(one.maximum, two.maximum, rtol=0.05)


def test_a_sample_holds_tissue_and_nothing_else() -> None:
    grid = Grid(Size(700, 500), 2.0, 2.0)
    coarse = grid.coarser(4)
    mask = np.zeros((coarse.size_px.height, coarse.size_px.width), bool)
    mask[10:50, 70:120] = True
    whole = np.full((500, 700, 3), 255, np.uint8)
    whole[40:200, 280:480] = np.arange(200, dtype=np.uint8)[None, :, None]
    found = sample_tissue(
        lambda x, y, size: whole[y : y + size.height, x : x + size.width],
        grid,
        TissueMask(mask, coarse, 4.0, "drawn"),
    )
    assert len(found) == 160 * 200
    assert np.array_equal(np.bincount(found[:, 0], minlength=256)[:200], np.full(200, 160))


@pytest.mark.parametrize("method", METHODS)
def test_too_little_tissue_is_an_error_and_never_a_guess(method: str) -> None:
    glass = np.full((50_000, 3), 250, np.uint8)
    glass[:1_500] = [120, 60, 150]
    with pytest.raises(NoTissueError, match=r"AB12: too little.*1500 stained.*Remedy"):
        profile_of_pixels(glass, method, where="AB12")
    with pytest.raises(NoTissueError, match="0 stained pixels of 0"):
        profile_of_pixels(np.empty((0, 3), np.uint8), method)


@pytest.mark.parametrize("method", ["macenko", "vahadane"])
def test_a_slide_of_one_stain_is_refused(method: str) -> None:
    amounts = np.random.default_rng(0).gamma(4, 0.3, (5_000, 1))
    one_stain = _pixels(amounts, unit_vectors(HEMATOXYLIN_DAB)[:1])
    with pytest.raises(InvalidValueError, match=r"one stain only.*Remedy"):
        stains_of_pixels(one_stain, method)
    with pytest.raises(InvalidValueError, match="one stain only"):
        stains_of_pixels(np.full((5_000, 3), [120, 60, 150], np.uint8), method)


def test_the_darkest_percent_is_measured_for_fixed_vectors() -> None:
    amounts = np.random.default_rng(0).uniform(0, (1.5, 1.0), (20_000, 2))
    pixels = _pixels(amounts, unit_vectors(HEMATOXYLIN_DAB))
    profile = stains_of_pixels(pixels, "hematoxylin-dab")
    assert np.allclose(profile.matrix, unit_vectors(HEMATOXYLIN_DAB))
    assert np.allclose(profile.maximum, [1.485, 0.99], atol=0.02)


@pytest.mark.parametrize("method", ["macenko", "vahadane"])
def test_a_real_slide_has_a_blue_and_a_pink_stain(
    real_pixels: NDArray[np.uint8], method: str
) -> None:
    hematoxylin, eosin = np.array(stains_of_pixels(real_pixels, method).matrix)
    assert hematoxylin[0] > 0.5
    assert int(np.argmax(eosin)) == 1
    assert 15 < np.degrees(np.arccos(hematoxylin @ eosin)) < 75


def test_an_unknown_method_is_refused(store: SlideStore) -> None:
    with pytest.raises(InvalidValueError, match="macenko, vahadane"):
        estimate_stains(store, "reinhard")
    with pytest.raises(InvalidValueError, match="reinhard"):
        estimate_profile(store, "spams")
