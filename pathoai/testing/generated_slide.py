"""Generates H&E-like whole slides of any size with known truth, so that no patient is needed.

Frame: all coordinates are level-0 pixels with pixel edges at integers; the centre of the first
pixel lies at (0.5, 0.5).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pathoai.testing.artefacts import draw_artefacts
from pathoai.testing.nuclei import NucleusTable
from pathoai.testing.nucleus_placement import place_nuclei
from pathoai.testing.organs import ORGANS
from pathoai.testing.pyramid_tiff import PyramidDescription, write_pyramid
from pathoai.testing.slide_painter import SlidePainter
from pathoai.testing.slide_truth import SlideRecipe, SlideTruth, TruthRegion
from pathoai.testing.texture_noise import FloatGrid
from pathoai.testing.tissue_layout import TissueLayout, outline_field

__all__ = [
    "NucleusTable",
    "SlideRecipe",
    "SlideTruth",
    "TruthRegion",
    "generate_slide",
    "paint_region",
    "painter_of",
    "plan_slide",
]

_SMALLEST_REGION_UM2 = 40.0


def generate_slide(
    path: Path, recipe: SlideRecipe, *, progress: Callable[[int, int], None] | None = None
) -> SlideTruth:
    """Write a slide and say what is on it.

    Args:
        path: Where to write the TIFF (`.svs` for the Aperio dialect); replaced if it exists.
        recipe: What to make.
        progress: Called with the strips painted and their number.

    Returns:
        The truth; the same as `plan_slide` gives for the recipe.
    """
    truth = plan_slide(recipe)
    description = PyramidDescription(
        width=recipe.width,
        height=recipe.height,
        mpp=recipe.mpp,
        vendor=recipe.vendor,
        objective_power=recipe.magnification,
        code=recipe.code,
    )
    painter = painter_of(truth)
    write_pyramid(Path(path), description=description, paint=painter.paint, progress=progress)
    return truth


def plan_slide(recipe: SlideRecipe) -> SlideTruth:
    """Decide everything that is on a slide, without painting it.

    Args:
        recipe: What to make.

    Returns:
        The truth.
    """
    from shapely import MultiPolygon

    from pathoai.testing.tissue_layout import Grid

    organ = ORGANS[recipe.organ]
    lesions = organ.lesions if recipe.lesions is None else recipe.lesions
    streams = np.random.SeedSequence(recipe.seed).spawn(4)
    shapes, places, faults, grains = (np.random.default_rng(stream) for stream in streams)
    grid = Grid.of(width=recipe.width, height=recipe.height, mpp=recipe.mpp)
    layout = organ.layout(grid, shapes, fraction=recipe.tissue_fraction, lesions=lesions)
    if recipe.pigment:
        layout = replace(layout, pigment=_pigment_field(layout, grains))
    nuclei = place_nuclei(layout, places, populations=organ.populations(layout))
    smallest = grid.px(1.0) ** 2 * _SMALLEST_REGION_UM2
    tissue = MultiPolygon(outline_field(layout.tissue, grid=grid, smallest_px=smallest))
    artefacts = draw_artefacts(recipe.artefacts, faults, grid=grid, tissue=tissue)
    return SlideTruth(
        recipe=recipe,
        nuclei=nuclei,
        regions=_regions(layout, smallest_px=smallest),
        tissue=tissue,
        artefacts=tuple((artefact.kind, artefact.geometry) for artefact in artefacts),
        layout=layout,
        artefact_fields=artefacts,
    )


def _pigment_field(layout: TissueLayout, generator: np.random.Generator) -> FloatGrid:
    """Choose patches of the stroma, a few percent of it, in which brown granules lie."""
    grid, stroma = layout.grid, layout.regions["stroma"]
    noise = grid.noise(generator, sigma_um=14.0)
    level = np.quantile(noise[stroma > 0], 0.95) if (stroma > 0).any() else np.inf
    patches = (noise - np.float32(level)) * np.float32(grid.px(14.0))
    return np.asarray(np.minimum(patches, stroma - np.float32(grid.px(2.0))), dtype=np.float32)


def _regions(layout: TissueLayout, *, smallest_px: float) -> tuple[TruthRegion, ...]:
    """Outline the regions of all classes."""
    return tuple(
        TruthRegion(class_key, polygon)
        for class_key, field in layout.regions.items()
        for polygon in outline_field(field, grid=layout.grid, smallest_px=smallest_px)
    )


def painter_of(truth: SlideTruth) -> SlidePainter:
    """Prepare to paint rectangles of a slide; keep it when many are wanted."""
    return SlidePainter(
        truth.layout,
        nuclei=truth.nuclei,
        artefacts=truth.artefact_fields,
        seed=truth.recipe.seed,
    )


def paint_region(truth: SlideTruth, x: int, y: int, width: int, height: int) -> NDArray[np.uint8]:
    """Paint a rectangle of level 0 as it is before JPEG compression.

    Args:
        truth: What is on the slide.
        x: Left edge, level-0 px, at least 0.
        y: Top edge, level-0 px, at least 0.
        width: Width, px.
        height: Height, px.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    return painter_of(truth).paint(x, y, width, height)
