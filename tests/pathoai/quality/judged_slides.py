"""Generated slides at 1 µm per pixel, spoiled and judged, with what is true of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.geometry import Mpp
from pathoai.ontology import LabelClass
from pathoai.quality.cells import CellGrid, Measurements
from pathoai.quality.quality_map import classify, measure_pixels
from pathoai.slide.memory_reader import MemoryReader
from pathoai.store.header import StoreHeader
from pathoai.testing.generated_slide import SlideRecipe, paint_region, plan_slide
from pathoai.vector.rasterise import rasterise

MPP = 1.0
SIDE = 2048
_RECIPE = SlideRecipe(width=SIDE, height=SIDE, mpp=MPP, seed=5, tissue_fraction=0.6)


@dataclass(frozen=True)
class SpoiledSlide:
    """A slide, and on its cells: where its tissue is, and where it was spoiled."""

    pixels: NDArray[np.uint8]
    tissue: NDArray[np.bool_]
    spoiled: NDArray[np.bool_]

    def classes(self) -> NDArray[np.uint8]:
        """The class of each cell, judged in one piece and on the true tissue."""
        return classify(measured(self.pixels), self.tissue, cell_grid())

    def sensitivity(self, found: NDArray[np.uint8], artefact: LabelClass) -> float:
        """Share of the spoiled tissue that is found; cells half spoiled do not count."""
        whole = self.tissue & ndimage.binary_erosion(self.spoiled)
        assert whole.sum() >= 20
        return float((found == artefact.index)[whole].mean())

    def false_alarms(self, found: NDArray[np.uint8]) -> float:
        """Share of the other tissue that is called anything but clean."""
        other = self.tissue & ~ndimage.binary_dilation(self.spoiled, iterations=3)
        return float((found > 0)[other].mean())


def cell_grid() -> CellGrid:
    """The cells of such a slide."""
    return CellGrid.of(StoreHeader("S", SIDE, SIDE, MPP, MPP, MPP))


def measured(pixels: NDArray[np.uint8], cells: CellGrid | None = None) -> Measurements:
    """All cells of a slide at 1 µm per pixel, or of the pixels that a grid reads, in one block."""
    batch = torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None]
    return Measurements.stacked(measure_pixels(batch, cells or cell_grid())[0].numpy())


def halved(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Means of 2 × 2 pixels."""
    height, width = (side // 2 for side in pixels.shape[:2])
    means = pixels.reshape(height, 2, width, 2, 3).mean(axis=(1, 3))
    return np.asarray(np.rint(means), dtype=np.uint8)


@lru_cache(maxsize=12)
def slide(artefact: str = "", seed: int = 5, organ: str = "breast") -> SpoiledSlide:
    """The slide of a seed, with one artefact of `pathoai.testing.artefacts`, or none."""
    recipe = replace(
        _RECIPE,
        seed=seed,
        organ="cervix" if organ == "cervix" else "breast",
        artefacts=(artefact,) if artefact else (),
    )
    truth = plan_slide(recipe)
    grid = cell_grid().grid
    spoiled = np.zeros((grid.size_px.height, grid.size_px.width), bool)
    for _, outline in truth.artefacts:
        spoiled |= rasterise([(outline, 1)], grid) == 1
    tissue = rasterise([(truth.tissue, 1)], grid) == 1
    return SpoiledSlide(paint_region(truth, 0, 0, SIDE, SIDE), tissue, spoiled)


def with_blood(clean: SpoiledSlide, centre: tuple[int, int]) -> SpoiledSlide:
    """A pool of red cells, 300 × 200 µm, in place of the tissue about a point (y, x)."""
    rng = np.random.default_rng(0)
    y, x = np.ogrid[:SIDE, :SIDE]
    pool = ((x - centre[1]) / 150) ** 2 + ((y - centre[0]) / 100) ** 2 < 1
    cells = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), 2.0)
    density = np.array([0.13, 0.62, 0.47]) * (1 + 0.8 * cells[..., None])
    red = 250 * 10 ** -np.clip(density, 0, None)
    pixels = np.where(pool[..., None], red, clean.pixels).astype(np.uint8)
    return SpoiledSlide(pixels, clean.tissue, _cells_of(pool))


def with_coverslip_edge(clean: SpoiledSlide, y: int) -> SpoiledSlide:
    """A dark line 6 µm wide across the whole slide, slightly tilted."""
    row, column = np.mgrid[:SIDE, :SIDE]
    line = np.abs(row - y - 0.03 * column) < 3
    shade = 1 - 0.7 * ndimage.gaussian_filter(line.astype(float), 1.0)[..., None]
    spoiled = _cells_of(line, least=0.1)
    return SpoiledSlide((clean.pixels * shade).astype(np.uint8), clean.tissue, spoiled)


def with_black_band(clean: SpoiledSlide, width: int) -> SpoiledSlide:
    """The black rim of the slide over its left side."""
    pixels = clean.pixels.copy()
    pixels[:, :width] = np.random.default_rng(0).integers(0, 20, (SIDE, width, 1))
    band = np.zeros((SIDE, SIDE), bool)
    band[:, :width] = True
    return SpoiledSlide(pixels, clean.tissue, _cells_of(band))


def _cells_of(mask: NDArray[np.bool_], least: float = 0.5) -> NDArray[np.bool_]:
    side = cell_grid().factor
    shares = mask.reshape(SIDE // side, side, SIDE // side, side).mean(axis=(1, 3))
    return np.asarray(shares >= least)


def reader_of(pixels: NDArray[np.uint8], mpp: float = MPP) -> MemoryReader:
    """The slide as readers give it."""
    return MemoryReader(pixels, mpp=Mpp.square(mpp), slide_id="JUDGED0123456789")
