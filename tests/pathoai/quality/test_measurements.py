"""What is measured, against a reference in double precision, and whole against in blocks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.errors import StoreError
from pathoai.geometry import Size
from pathoai.quality.cells import CellGrid, Measurements, gaussian
from pathoai.quality.quality_map import classify, measure, measure_pixels
from pathoai.store.header import StoreHeader
from pathoai.store.slide_store import SlideStore
from tests.pathoai.quality.judged_slides import (
    SpoiledSlide,
    cell_grid,
    halved,
    measured,
    slide,
)

CELL_PX = 8


def _reference(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """All seven planes by NumPy and SciPy in float64, from the formulas; pixels at 1 µm."""
    sharp, density = (
        -np.log((picture.astype(np.float64).transpose(2, 0, 1) + 1) / 256)
        for picture in (pixels, halved(pixels))
    )

    def blurred(plane: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
        reach = int(np.ceil(3 * sigma))
        return np.asarray(ndimage.gaussian_filter(plane, sigma, mode="mirror", radius=reach))

    def cells(plane: NDArray[np.float64]) -> NDArray[np.float64]:
        height, width = (side // 16 for side in pixels.shape[:2])
        return np.asarray(plane.reshape(height, -1, width, plane.shape[1] // width).mean((1, 3)))

    grey = sharp.mean(axis=0)
    soft, softer = blurred(grey, 1.0), blurred(grey, 2.0)
    excess = density - np.stack([blurred(plane, 4.0) for plane in density])
    rim = (excess.min(axis=0) > 0.35) & (excess.min(axis=0) > 0.7 * excess.max(axis=0))
    black = (density.min(axis=0) > 1.4) & (density.min(axis=0) > 0.78 * density.max(axis=0))
    planes = (*density, (grey - soft) ** 2, (soft - softer) ** 2, rim.astype(float), black + 0.0)
    return np.stack([cells(plane) for plane in planes])


@pytest.fixture(scope="module", params=[("pen", 5), ("bubble", 6)], ids=["pen", "bubble"])
def spoiled(request: pytest.FixtureRequest) -> SpoiledSlide:
    """A slide with ink on it, and one with a bubble."""
    return slide(*request.param)


def test_single_precision_measures_what_double_does(spoiled: SpoiledSlide) -> None:
    found, expected = measured(spoiled.pixels), _reference(spoiled.pixels)
    np.testing.assert_allclose(found.density, expected[:3], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.fine, expected[3], rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(found.coarse, expected[4], rtol=1e-3, atol=1e-7)
    # Shares of pixels past a threshold: one that lies on it may fall to either side.
    for share, exact in ((found.rim, expected[5]), (found.black, expected[6])):
        assert (np.abs(share - exact) > 1e-6).mean() < 1e-3
        assert np.abs(share - exact).max() <= 1.01 / CELL_PX**2


def test_both_precisions_come_to_the_same_judgement(spoiled: SpoiledSlide) -> None:
    single = spoiled.classes()
    double = Measurements.stacked(_reference(spoiled.pixels).astype(np.float32))
    judged = classify(double, spoiled.tissue, cell_grid())
    assert (judged != single).mean() < 1e-3
    assert (judged[spoiled.tissue] > 0).any()


def test_a_blur_is_that_of_scipy() -> None:
    noise = np.random.default_rng(0).normal(size=(2, 3, 40, 50))
    found = gaussian(torch.from_numpy(noise), 2.5).numpy()
    expected = ndimage.gaussian_filter(noise, (0, 0, 2.5, 2.5), mode="mirror", radius=(0, 0, 8, 8))
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_blocks_leave_no_seam(store: SlideStore) -> None:
    """Block by block with what lies around, as all in one piece."""
    cells = CellGrid.of(store.header)
    size = cells.grid.size_px
    tissue = np.ones((size.height, size.width), bool)
    found = measure(store, cells, tissue, torch.device("cpu"))
    cell_px = cells.cell_px * cells.detail
    side = Size(size.width * cell_px, size.height * cell_px)
    pixels = store.read_region(cells.grid.region(0, 0, size.width, size.height), side)
    batch = torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None]
    planes = measure_pixels(batch, cells)[0].numpy()
    whole = Measurements.stacked(planes)
    inner = (
        slice(2, -2),
        slice(2, -2),
    )  # at the slide's border the one mirrors, the other is white
    np.testing.assert_allclose(found.density, whole.density, atol=1e-5)
    np.testing.assert_allclose(found.fine[inner], whole.fine[inner], rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(found.coarse[inner], whole.coarse[inner], rtol=1e-3, atol=1e-7)
    assert (np.abs(found.rim - whole.rim)[inner] > 1e-6).mean() < 1e-3


def test_only_blocks_with_tissue_are_read(store: SlideStore) -> None:
    cells = CellGrid.of(store.header)
    size = cells.grid.size_px
    tissue = np.zeros((size.height, size.width), bool)
    tissue[3, 5] = True
    steps: list[tuple[int, int]] = []
    device = torch.device("cpu")
    found = measure(store, cells, tissue, device, lambda *step: steps.append(step))
    assert steps == [(1, 1)]
    assert not found.density[:, 32:].any()
    assert not found.density[:, :, 32:].any()


@pytest.mark.parametrize("mpp", [0.2, 0.23, 0.25, 0.35, 0.5, 0.7, 1.0, 2.0])
def test_cells_are_about_16_um_and_measured_at_about_2(mpp: float) -> None:
    cells = CellGrid.of(StoreHeader("S", 40_000, 30_000, mpp, mpp, mpp))
    assert 11 < cells.cell_um < 23
    assert cells.working_mpp == pytest.approx(2.0, rel=0.1)
    assert cells.cell_px * cells.working_mpp == pytest.approx(cells.cell_um)
    assert cells.factor * mpp == pytest.approx(cells.cell_um)
    assert cells.shows_focus == (mpp <= 1)


def test_a_coarse_store_is_never_enlarged_and_a_very_coarse_one_refused() -> None:
    assert CellGrid.of(StoreHeader("S", 900, 900, 1.0, 1.0, 4.0)).working_mpp == 4.0
    with pytest.raises(StoreError, match=r"S: the store is too coarse.*Remedy"):
        CellGrid.of(StoreHeader("S", 900, 900, 1.0, 1.0, 5.0))
