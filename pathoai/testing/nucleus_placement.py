"""Where nuclei lie: jittered lattices per kind of tissue, thinned until none overlap.

Sizes and densities are round figures of general histology (a lymphocyte of 7 um, a tumour
nucleus of 8 to 13 um), not measurements of any patient.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathoai.testing.nuclei import NucleusShapes, NucleusTable, tabulate
from pathoai.testing.texture_noise import FloatGrid
from pathoai.testing.tissue_layout import TissueLayout

NUCLEUS_KEYS = (
    "nucleus_neoplastic",
    "nucleus_normal_epithelium",
    "nucleus_lymphocyte",
    "nucleus_stromal",
)
Points = NDArray[np.float64]


@dataclass(frozen=True)
class NucleusKind:
    """How the nuclei of one population look and stand.

    Attributes:
        class_key: Class key of the truth.
        spacing_um: Distance between neighbours of the lattice.
        jitter: Displacement from the lattice as a share of the spacing.
        radius_um: Mean radius.
        radius_spread: Relative deviation of the radius.
        elongation: Mean ratio of the axes.
        irregularity: Amplitude of the waves of the outline.
        chromatin: Mean optical density of hematoxylin.
        nucleoli: Share of nuclei with a visible nucleolus.
        reach: Half side of the cell's window over the spacing.
    """

    class_key: str
    spacing_um: float
    jitter: float
    radius_um: float
    radius_spread: float
    elongation: float
    irregularity: float
    chromatin: float
    nucleoli: float = 0.0
    reach: float = 0.95


@dataclass(frozen=True, eq=False)
class Population:
    """A kind of nuclei, and the tissue that it lives in.

    Attributes:
        kind: Looks and spacing.
        chance: Probability (n,) of a nucleus at points x, y (n,) in level-0 px.
        direction: Long direction (n,) in radians at points; random where None.
    """

    kind: NucleusKind
    chance: Callable[[Points, Points], NDArray[np.float64]]
    direction: Callable[[Points, Points], NDArray[np.float64]] | None = None


_LYMPHOCYTE = NucleusKind(
    class_key="nucleus_lymphocyte",
    spacing_um=8.2,
    jitter=0.2,
    radius_um=3.2,
    radius_spread=0.08,
    elongation=1.08,
    irregularity=0.02,
    chromatin=1.15,
    reach=0.7,
)
_STROMAL = NucleusKind(
    class_key="nucleus_stromal",
    spacing_um=19.0,
    jitter=0.3,
    radius_um=3.1,
    radius_spread=0.18,
    elongation=3.2,
    irregularity=0.04,
    chromatin=0.95,
    reach=0.3,
)


def stromal_populations(layout: TissueLayout, *, lesion: FloatGrid) -> list[Population]:
    """Say where lymphocytes and spindle cells lie in the stroma of any organ.

    Args:
        layout: The fields of the slide.
        lesion: Field of the lesions, about which lymphocytes gather.

    Returns:
        Populations, most important first.
    """
    px = layout.grid.px
    stroma = layout.regions["stroma"]

    def lymphocyte(x: Points, y: Points) -> Points:
        depth = layout.value(stroma, x, y)
        crowd = layout.value(layout.inflammation, x, y).astype(np.float64)
        in_lesion = layout.value(lesion, x, y)
        near_lesion = np.exp(-np.abs(in_lesion) / px(30.0))
        chance = 0.012 + 0.05 * near_lesion + np.clip((crowd - 1.15) * 1.3, 0.0, 0.8)
        return np.where(depth > px(3.5), chance, np.where(in_lesion > px(3.0), 0.02, 0.0))

    def stromal(x: Points, y: Points) -> Points:
        return np.where(layout.value(stroma, x, y) > px(3.0), 0.6, 0.0)

    return [
        Population(_LYMPHOCYTE, lymphocyte),
        Population(_STROMAL, stromal, layout.flow.direction),
    ]


def place_nuclei(
    layout: TissueLayout, generator: np.random.Generator, *, populations: list[Population]
) -> NucleusTable:
    """Place all nuclei of a slide.

    Args:
        layout: The fields of the slide.
        generator: Source of places and shapes.
        populations: The kinds, most important first: of two that overlap the earlier stays.

    Returns:
        The table of nuclei.
    """
    grid = layout.grid
    parts: list[NucleusShapes] = []
    classes: list[NDArray[np.uint8]] = []
    for population in populations:
        centre = _candidates(layout, generator, population=population)
        shapes = _draw_shapes(population, generator, centre=centre, mpp=grid.mpp)
        parts.append(shapes)
        index = NUCLEUS_KEYS.index(population.kind.class_key)
        classes.append(np.full(centre.shape[0], index, dtype=np.uint8))
    shapes = NucleusShapes.joined(parts)
    kept = np.flatnonzero(_without_overlap(shapes))
    return tabulate(
        shapes.take(kept),
        class_index=np.concatenate(classes)[kept],
        class_keys=NUCLEUS_KEYS,
        size_px=(grid.width, grid.height),
    )


def _candidates(
    layout: TissueLayout, generator: np.random.Generator, *, population: Population
) -> NDArray[np.float64]:
    """Draw places (n, 2) on a jittered hexagonal lattice and keep them by chance."""
    grid = layout.grid
    step = grid.px(population.kind.spacing_um)
    rise = step * np.sqrt(3) / 2
    columns = np.arange(0.0, grid.width + step, step)
    kept: list[NDArray[np.float64]] = []
    # Bands of lattice rows bound the memory on a huge slide.
    lines = int(grid.height / rise) + 2
    band = max(1, 2_000_000 // columns.size)
    for first in range(0, lines, band):
        number = np.arange(first, min(lines, first + band))
        x = columns[None, :] + np.where(number % 2, step / 2, 0.0)[:, None]
        y = np.broadcast_to((number * rise)[:, None], x.shape)
        spread = population.kind.jitter * step
        x = (x + generator.normal(0, spread, x.shape)).ravel()
        y = (y + generator.normal(0, spread, y.shape)).ravel()
        draw = generator.random(x.size)
        inside = (x > 0) & (x < grid.width) & (y > 0) & (y < grid.height)
        x, y, draw = x[inside], y[inside], draw[inside]
        chosen = draw < population.chance(x, y)
        kept.append(np.stack([x[chosen], y[chosen]], axis=1))
    return np.concatenate(kept)


def _draw_shapes(
    population: Population,
    generator: np.random.Generator,
    *,
    centre: NDArray[np.float64],
    mpp: float,
) -> NucleusShapes:
    """Draw outlines, chromatin and nucleoli for nuclei at given places (n, 2)."""
    kind = population.kind
    count = centre.shape[0]
    size = np.clip(generator.normal(1.0, kind.radius_spread, count), 0.6, 1.6)
    radius = kind.radius_um * size / mpp
    stretch = np.clip(generator.normal(kind.elongation, 0.12 * kind.elongation, count), 1.0, 5.0)
    angle = np.asarray(generator.uniform(0, np.pi, count))
    if population.direction is not None:
        angle = population.direction(centre[:, 0], centre[:, 1]) + generator.normal(0, 0.2, count)
    amplitude = kind.irregularity * np.array([0.8, 0.8, 0.7, 0.7, 0.45, 0.45])
    waves = np.clip(generator.normal(0, 1, (count, 6)), -1.8, 1.8) * amplitude
    # Larger nuclei have opener chromatin.
    chromatin = kind.chromatin * generator.normal(1.0, 0.13, count) / size**0.5
    nucleolus = generator.normal(0, 0.25, (count, 2)) * radius[:, None]
    nucleolus[generator.random(count) >= kind.nucleoli] = np.inf
    axes = np.stack([radius * np.sqrt(stretch), radius / np.sqrt(stretch)], axis=1)
    reach = np.maximum(kind.reach * kind.spacing_um / mpp, axes[:, 0] * 1.25 + 3.0)
    return NucleusShapes(
        centre=centre,
        axes=axes.astype(np.float32),
        turn=np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32),
        waves=waves.astype(np.float32),
        reach=reach.astype(np.float32),
        chromatin=np.maximum(chromatin, 0.25 * kind.chromatin).astype(np.float32),
        texture=generator.integers(0, 1024, (count, 2)).astype(np.int32),
        nucleolus=nucleolus.astype(np.float32),
    )


def _without_overlap(shapes: NucleusShapes) -> NDArray[np.bool_]:
    """Choose nuclei (n,) so that of two that overlap the earlier stays; some touch."""
    from scipy.spatial import cKDTree

    count = shapes.centre.shape[0]
    kept = np.ones(count, dtype=bool)
    if count < 2:
        return kept
    widest = 2.0 * float(np.quantile(shapes.axes[:, 0], 0.999)) * 1.15
    pairs = cKDTree(shapes.centre).query_pairs(widest, output_type="ndarray").astype(np.intp)
    pairs = np.sort(pairs, axis=1)
    earlier, later = pairs[:, 0], pairs[:, 1]
    offset = shapes.centre[later] - shapes.centre[earlier]
    direction = np.arctan2(offset[:, 1], offset[:, 0])
    needed = shapes.radius(earlier, direction) + shapes.radius(later, direction + np.pi)
    # Slender nuclei can meet beside the line between their centres.
    needed = np.maximum(needed, 0.72 * (shapes.axes[earlier, 0] + shapes.axes[later, 1]))
    needed = np.maximum(needed, 0.72 * (shapes.axes[earlier, 1] + shapes.axes[later, 0]))
    clash = np.hypot(offset[:, 0], offset[:, 1]) < 0.99 * needed
    earlier, later = earlier[clash], later[clash]
    undecided = np.ones(count, dtype=bool)
    while earlier.size:
        # A nucleus without an earlier rival stays, and everything that it overlaps goes.
        blocked = np.zeros(count, dtype=bool)
        blocked[later] = True
        winners = undecided & ~blocked
        losers = later[winners[earlier]]
        kept[losers] = False
        undecided[winners] = False
        undecided[losers] = False
        open_pair = undecided[earlier] & undecided[later]
        earlier, later = earlier[open_pair], later[open_pair]
    return kept
