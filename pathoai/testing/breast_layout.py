"""The structures of breast tissue: lobules, ducts in situ, invasive nests, stroma."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pathoai.testing.nucleus_placement import (
    NucleusKind,
    Points,
    Population,
    stromal_populations,
)
from pathoai.testing.texture_noise import FloatGrid
from pathoai.testing.tissue_layout import (
    OUTSIDE,
    Grid,
    TissueLayout,
    blob_field,
    bounded,
    fibre_flow,
    nest_field,
    tissue_field,
)

REGIONS = ("invasive_nst", "dcis", "normal_epithelium", "stroma")


@dataclass(eq=False)
class _Canvas:
    """The fields while they are being drawn."""

    grid: Grid
    free: FloatGrid
    lumen: FloatGrid
    shapes: dict[str, FloatGrid]


def breast_layout(
    grid: Grid, generator: np.random.Generator, *, fraction: float, lesions: tuple[str, ...]
) -> TissueLayout:
    """Lay out breast tissue.

    Args:
        grid: The nodes of the slide.
        generator: Source of every shape.
        fraction: Share of the slide that is tissue.
        lesions: Which of `invasive_nst` and `dcis` may occur.

    Returns:
        All fields of the slide.
    """
    tissue = tissue_field(grid, generator, fraction=fraction)
    inflammation = grid.noise(generator, sigma_um=35.0)
    empty = np.full(grid.shape, OUTSIDE, dtype=np.float32)
    free = tissue - np.float32(grid.px(15.0))
    canvas = _Canvas(grid, free, empty.copy(), {key: empty.copy() for key in REGIONS[:3]})
    if "invasive_nst" in lesions:
        _draw_invasive(canvas, generator, tissue=tissue)
    _draw_glands(canvas, generator, with_dcis="dcis" in lesions)
    lumen = bounded(canvas.lumen, grid=grid)
    tissue = bounded(tissue, grid=grid)
    capsule = tissue - np.float32(grid.px(5.0))
    regions: dict[str, FloatGrid] = {}
    for key, shape in canvas.shapes.items():
        # Where two structures meet, the earlier class keeps the ground.
        taken = [-lumen, *(-region for region in regions.values())]
        regions[key] = np.minimum.reduce([bounded(np.minimum(shape, capsule), grid=grid), *taken])
    epithelium = np.maximum.reduce(list(regions.values()))
    stroma = np.minimum.reduce([tissue, -lumen, -epithelium])
    return TissueLayout(
        grid=grid,
        tissue=tissue,
        lumen=lumen,
        epithelium=epithelium,
        regions={**regions, "stroma": stroma},
        surface=np.zeros(grid.shape, dtype=np.float32),
        inflammation=inflammation,
        flow=fibre_flow(grid, generator),
    )


def _draw_invasive(canvas: _Canvas, generator: np.random.Generator, *, tissue: FloatGrid) -> None:
    """Fill a third of the tissue with irregular nests and cords of tumour cells."""
    within = tissue - np.float32(canvas.grid.px(10.0))
    nests, zone = nest_field(canvas.grid, generator, share=0.45, within=within)
    canvas.shapes["invasive_nst"] = nests
    canvas.free = np.minimum(canvas.free, -zone)


def _draw_glands(canvas: _Canvas, generator: np.random.Generator, *, with_dcis: bool) -> None:
    """Throw ducts and lobules at random places until the free tissue is used up."""
    grid = canvas.grid
    area_um2 = float(np.mean(canvas.free > 0)) * grid.width * grid.height * grid.mpp**2
    wanted = int(np.ceil(area_um2 / 230.0**2))
    kinds = ("dcis", "lobule", "duct", "lobule") if with_dcis else ("lobule", "duct", "lobule")
    for number in range(wanted):
        kind = kinds[number % len(kinds)]
        low, high = {"dcis": (60, 120), "lobule": (55, 110), "duct": (28, 55)}[kind]
        radius = grid.px(float(generator.uniform(low, high)))
        # A small slide has no room for the wished size; a smaller gland is better than none.
        for shrink in (1.0, 0.75, 0.55, 0.42):
            centre = _free_place(canvas, generator, radius=radius * shrink)
            if centre is not None:
                _draw_gland(canvas, generator, kind=kind, centre=centre, radius=radius * shrink)
                break


def _free_place(
    canvas: _Canvas, generator: np.random.Generator, *, radius: float
) -> tuple[float, float] | None:
    """Find a free place for a disc, or None after a few darts."""
    rows = generator.integers(0, canvas.grid.shape[0], size=60)
    columns = generator.integers(0, canvas.grid.shape[1], size=60)
    fits = np.flatnonzero(canvas.free[rows, columns] > radius)
    if not fits.size:
        return None
    pitch = canvas.grid.pitch
    return float(columns[fits[0]] * pitch), float(rows[fits[0]] * pitch)


def _draw_gland(
    canvas: _Canvas,
    generator: np.random.Generator,
    *,
    kind: str,
    centre: tuple[float, float],
    radius: float,
) -> None:
    """Draw one structure and mark its surroundings as taken."""
    px = canvas.grid.px
    if kind == "dcis":
        _merge(canvas, "dcis", blob_field(canvas.grid, generator, centre=centre, radius=radius))
        _draw_cribriform(canvas, generator, centre=centre, radius=radius)
    elif kind == "duct":
        _draw_tubule(canvas, generator, centre=centre, radius=radius, wall=px(13.0))
    else:
        acinus = px(19.0)
        for number in range(max(1, int(0.55 * (radius / acinus) ** 2))):
            # The golden angle spreads the acini evenly over the lobule.
            reach = radius * 0.82 * np.sqrt((number + 0.5) / max(1, 0.55 * (radius / acinus) ** 2))
            turn = number * 2.399963 + generator.uniform(-0.3, 0.3)
            place = (centre[0] + reach * np.cos(turn), centre[1] + reach * np.sin(turn))
            size = acinus * float(generator.uniform(0.7, 1.1))
            _draw_tubule(canvas, generator, centre=place, radius=size, wall=px(11.0))
    rows, columns, dx, dy = canvas.grid.window(centre, radius=radius * 2.5)
    taken = np.hypot(dx, dy) - np.float32(radius + px(14.0))
    canvas.free[rows, columns] = np.minimum(canvas.free[rows, columns], taken)


def _draw_tubule(
    canvas: _Canvas,
    generator: np.random.Generator,
    *,
    centre: tuple[float, float],
    radius: float,
    wall: float,
) -> None:
    """Draw a normal duct or acinus: a wall of epithelium about a white lumen."""
    shape = blob_field(canvas.grid, generator, centre=centre, radius=radius, wobble=0.08)
    _merge(canvas, "normal_epithelium", shape)
    rows, columns, field = shape
    hole = field - np.float32(min(wall, radius * 0.72))
    canvas.lumen[rows, columns] = np.maximum(canvas.lumen[rows, columns], hole)


def _draw_cribriform(
    canvas: _Canvas, generator: np.random.Generator, *, centre: tuple[float, float], radius: float
) -> None:
    """Punch round holes into a duct in situ, or none when it is of the solid type."""
    holes = int(generator.integers(0, 7)) if generator.random() < 0.75 else 0
    turn = generator.uniform(0, 2 * np.pi)
    for number in range(holes):
        reach = radius * 0.5 * float(generator.uniform(0.75, 1.1))
        angle = turn + number * 2 * np.pi / holes
        place = (centre[0] + reach * np.cos(angle), centre[1] + reach * np.sin(angle))
        size = min(radius * 0.17, canvas.grid.px(float(generator.uniform(9, 16))))
        rows, columns, hole = blob_field(
            canvas.grid, generator, centre=place, radius=size, wobble=0.06
        )
        canvas.lumen[rows, columns] = np.maximum(canvas.lumen[rows, columns], hole)


def _merge(canvas: _Canvas, key: str, shape: tuple[slice, slice, FloatGrid]) -> None:
    """Unite a shape with the region of a class."""
    rows, columns, field = shape
    target = canvas.shapes[key]
    target[rows, columns] = np.maximum(target[rows, columns], field)


_NEOPLASTIC = NucleusKind(
    class_key="nucleus_neoplastic",
    spacing_um=12.0,
    jitter=0.15,
    radius_um=5.0,
    radius_spread=0.17,
    elongation=1.25,
    irregularity=0.04,
    chromatin=0.66,
    nucleoli=0.6,
)
_NORMAL = NucleusKind(
    class_key="nucleus_normal_epithelium",
    spacing_um=8.0,
    jitter=0.12,
    radius_um=3.3,
    radius_spread=0.09,
    elongation=1.3,
    irregularity=0.02,
    chromatin=0.85,
)


def breast_populations(layout: TissueLayout) -> list[Population]:
    """Say which nuclei live where in breast tissue.

    Args:
        layout: The fields made by `breast_layout`.

    Returns:
        Populations, most important first.
    """
    px = layout.grid.px
    tumour = np.maximum(layout.regions["invasive_nst"], layout.regions["dcis"])

    def neoplastic(x: Points, y: Points) -> Points:
        return np.where(layout.value(tumour, x, y) > px(3.5), 0.96, 0.0)

    def normal(x: Points, y: Points) -> Points:
        depth = layout.value(layout.regions["normal_epithelium"], x, y)
        return np.where(depth > px(2.4), 0.95, 0.0)

    return [
        Population(_NORMAL, normal),
        Population(_NEOPLASTIC, neoplastic),
        # A second draw fills the gaps that thinning has left.
        Population(_NEOPLASTIC, neoplastic),
        *stromal_populations(layout, lesion=tumour),
    ]
