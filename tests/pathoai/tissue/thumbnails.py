"""Generated slides as tissue detection sees them, at 4 µm per pixel, and how slides go wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage, spatial

from pathoai.geometry import Grid, Size
from pathoai.testing.generated_slide import SlideRecipe, painter_of, plan_slide
from pathoai.testing.ihc_twin import TwinPainter, plan_ihc_twin
from pathoai.testing.slide_truth import SlideTruth
from pathoai.vector.rasterise import rasterise

MPP = 4.0
_WIDTH, _HEIGHT, _FACTOR = 2048, 1536, 4
_PAINT_PX = 512


@dataclass(frozen=True)
class Thumbnail:
    """A slide at 4 µm per pixel: `(384, 512, 3)` uint8, and where its tissue lies."""

    pixels: NDArray[np.uint8]
    tissue: NDArray[np.bool_]


def _thumbnail(
    truth: SlideTruth, paint: Callable[[int, int, int, int], NDArray[np.uint8]]
) -> Thumbnail:
    size = Size(_WIDTH // _FACTOR, _HEIGHT // _FACTOR)
    pixels = np.empty((size.height, size.width, 3), np.uint8)
    side = _PAINT_PX // _FACTOR
    for y in range(0, size.height, side):
        for x in range(0, size.width, side):
            block = paint(x * _FACTOR, y * _FACTOR, _PAINT_PX, _PAINT_PX)
            small = Image.fromarray(block).resize((side, side), Image.Resampling.BOX)
            pixels[y : y + side, x : x + side] = np.asarray(small)
    tissue = rasterise([(truth.tissue, 1)], Grid(size, _FACTOR, _FACTOR)) == 1
    return Thumbnail(pixels, tissue)


def hematoxylin_eosin(organ: str, seed: int, tissue_fraction: float) -> Thumbnail:
    """A generated slide in H&E."""
    truth = plan_slide(_recipe(organ, seed, tissue_fraction))
    return _thumbnail(truth, painter_of(truth).paint)


def _recipe(organ: str, seed: int, tissue_fraction: float) -> SlideRecipe:
    return SlideRecipe(
        width=_WIDTH,
        height=_HEIGHT,
        mpp=1.0,
        organ="cervix" if organ == "cervix" else "breast",
        seed=seed,
        tissue_fraction=tissue_fraction,
    )


def restained(organ: str, seed: int, tissue_fraction: float) -> Thumbnail:
    """The same section, washed and stained for Ki67: most of it is counterstain alone."""
    truth = plan_slide(_recipe(organ, seed, tissue_fraction))
    twin = plan_ihc_twin(
        truth, marker="MKI67", rotation_degrees=0, translation_um=(0, 0), warp_um=0
    )
    assert twin.transform.twin_px == (_WIDTH, _HEIGHT)
    return _thumbnail(truth, TwinPainter(twin).paint)


def faded(slide: Thumbnail, strength: float = 0.15) -> Thumbnail:
    """The slide with a part of its optical density, under the noise of a camera."""
    rng = np.random.default_rng(0)
    light = 250 * (slide.pixels / 255) ** strength + rng.normal(0, 1, slide.pixels.shape)
    return Thumbnail(light.clip(0, 255).astype(np.uint8), slide.tissue)


def fatty(slide: Thumbnail, share: float = 0.6) -> Thumbnail:
    """The slide with that share of its tissue turned to fat: 80 µm cells, thin membranes."""
    rng = np.random.default_rng(1)
    height, width = slide.tissue.shape
    pitch = 80 / MPP
    rows = np.arange(0, height, pitch * 0.87)
    centres = [
        (y + rng.normal(0, pitch * 0.06), x + rng.normal(0, pitch * 0.06))
        for i, y in enumerate(rows)
        for x in np.arange((i % 2) * pitch / 2, width, pitch)
    ]
    places = np.indices((height, width)).reshape(2, -1).T
    distance, _ = spatial.cKDTree(centres).query(places)
    lobes = ndimage.gaussian_filter(rng.normal(size=(height, width)), 25)
    fat = slide.tissue & (lobes > np.quantile(lobes[slide.tissue], 1 - share))
    cells = (distance.reshape(height, width) < 0.44 * pitch) & fat
    cover = ndimage.gaussian_filter(cells.astype(float), 0.5)[..., None]
    glass = np.array([243, 243, 245]) + rng.normal(0, 1, slide.pixels.shape)
    pixels = slide.pixels * (1 - cover) + glass * cover
    return Thumbnail(pixels.clip(0, 255).astype(np.uint8), slide.tissue)


def soiled(slide: Thumbnail) -> Thumbnail:
    """The slide with its black rim, edges of the coverslip, a seam, dust and a grey shadow."""
    rng = np.random.default_rng(2)
    pixels = slide.pixels.astype(float)
    height, width = slide.tissue.shape
    pixels[:, width // 2 :] *= 1.03
    pixels[:, 30:33] *= 0.72
    pixels[60:62] *= 0.6
    for _ in range(40):
        y, x, r = rng.integers(5, height - 5), rng.integers(40, width - 5), rng.integers(1, 3)
        pixels[y - r : y + r, x - r : x + r] *= rng.uniform(0.2, 0.6)
    y, x = np.ogrid[:height, :width]
    shadow = np.exp(-((y - height / 2) ** 2 + (x - width / 2) ** 2) / 2 / 12**2)
    pixels *= (1 - 0.1 * shadow)[..., None]
    pixels[:, :14] = 12 + rng.normal(0, 2, (height, 14, 3))
    pixels[-10:] = 10
    blurred = ndimage.gaussian_filter(pixels, (0.7, 0.7, 0)).clip(0, 255).astype(np.uint8)
    tissue = slide.tissue.copy()
    tissue[:, :14] = tissue[-10:] = False
    return Thumbnail(blurred, tissue)
