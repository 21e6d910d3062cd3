"""The structures of a cervical biopsy: squamous epithelium of several grades, nests, stroma."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
    bounded,
    fibre_flow,
    nest_field,
    region_scale_um,
    tissue_field,
)

REGIONS = ("benign", "lsil", "hsil", "invasive_scc", "stroma")
_GRADES = ("benign", "lsil", "hsil")
_THICKNESS_UM = 170.0
# Share of the thickness, from the basement membrane, that crowded dark nuclei fill.
_DYSPLASTIC_SHARE = {"lsil": 0.36, "hsil": 0.9}


def cervix_layout(
    grid: Grid, generator: np.random.Generator, *, fraction: float, lesions: tuple[str, ...]
) -> TissueLayout:
    """Lay out a cervical biopsy: an epithelium along the upper side of every fragment.

    Args:
        grid: The nodes of the slide.
        generator: Source of every shape.
        fraction: Share of the slide that is tissue.
        lesions: Which of `lsil`, `hsil` and `invasive_scc` may occur.

    Returns:
        All fields of the slide.
    """
    raw = tissue_field(grid, generator, fraction=fraction)
    squamous, surface = _squamous(grid, generator, tissue=raw)
    shapes = _grades(grid, generator, squamous=squamous, lesions=lesions)
    shapes["invasive_scc"] = np.full(grid.shape, OUTSIDE, dtype=np.float32)
    if "invasive_scc" in lesions:
        capsule = np.minimum(raw - np.float32(grid.px(10.0)), -squamous - np.float32(grid.px(8.0)))
        shapes["invasive_scc"], _ = nest_field(grid, generator, share=0.4, within=capsule)
    tissue = bounded(raw, grid=grid)
    regions = {key: bounded(np.minimum(shape, raw), grid=grid) for key, shape in shapes.items()}
    epithelium = np.maximum(bounded(np.minimum(squamous, raw), grid=grid), regions["invasive_scc"])
    return TissueLayout(
        grid=grid,
        tissue=tissue,
        lumen=np.full(grid.shape, np.float32(-8 * grid.pitch), dtype=np.float32),
        epithelium=epithelium,
        regions={**regions, "stroma": np.minimum(tissue, -epithelium)},
        surface=surface,
        inflammation=grid.noise(generator, sigma_um=35.0),
        flow=fibre_flow(grid, generator),
        has_surface=True,
    )


def _squamous(
    grid: Grid, generator: np.random.Generator, *, tissue: FloatGrid
) -> tuple[FloatGrid, FloatGrid]:
    """The field of the squamous epithelium, and 0 at its basement membrane to 1 at its surface."""
    from scipy import ndimage

    inside = np.pad(tissue > 0, 1)
    if not inside.any():
        return np.full(grid.shape, OUTSIDE), np.zeros(grid.shape, dtype=np.float32)
    nodes, nearest = ndimage.distance_transform_edt(inside, return_indices=True)
    row = np.arange(inside.shape[0])[:, None]
    upwards = (row - nearest[0]) / np.maximum(nodes, 1e-6)
    depth = np.asarray(ndimage.gaussian_filter(nodes, 1.0)[1:-1, 1:-1], dtype=np.float32)
    depth *= np.float32(grid.pitch)
    upper = np.asarray(ndimage.gaussian_filter(upwards, 1.5)[1:-1, 1:-1], dtype=np.float32)
    thickness = min(grid.px(_THICKNESS_UM), 0.5 * float(depth.max()))
    pegs = 0.10 * grid.noise(generator, sigma_um=22.0) + 0.14 * grid.noise(generator, sigma_um=60.0)
    limit = np.float32(thickness) * (1.0 + np.clip(pegs, -0.5, 0.5))
    field = np.minimum(limit - depth, (upper - np.float32(0.35)) * np.float32(2 * thickness))
    surface = np.where(field > -grid.pitch, np.clip(1.0 - depth / limit, 0.0, 1.0), 0.0)
    return np.minimum(field, tissue), np.asarray(surface, dtype=np.float32)


def _grades(
    grid: Grid,
    generator: np.random.Generator,
    *,
    squamous: FloatGrid,
    lesions: tuple[str, ...],
) -> dict[str, FloatGrid]:
    """Divide the epithelium into stretches of rising grade."""
    shapes = {key: np.full(grid.shape, OUTSIDE, dtype=np.float32) for key in _GRADES}
    ground = squamous > 0
    scale_um = region_scale_um(ground, grid=grid)
    noise = grid.noise(generator, sigma_um=scale_um)
    if not ground.any():
        return shapes
    present = [key for key in _GRADES if key == "benign" or key in lesions]
    levels = np.quantile(noise[ground], np.linspace(0.0, 1.0, len(present) + 1))
    levels[0], levels[-1] = -np.inf, np.inf
    slope = np.float32(grid.px(scale_um))
    for number, key in enumerate(present):
        above = (noise - np.float32(levels[number])) * slope
        below = (np.float32(levels[number + 1]) - noise) * slope
        shapes[key] = np.minimum.reduce([above, below, squamous])
    return shapes


_BASAL = NucleusKind(
    class_key="nucleus_normal_epithelium",
    spacing_um=7.0,
    jitter=0.1,
    radius_um=2.9,
    radius_spread=0.08,
    elongation=1.35,
    irregularity=0.02,
    chromatin=0.95,
)
_SQUAMOUS = NucleusKind(
    class_key="nucleus_normal_epithelium",
    spacing_um=14.0,
    jitter=0.14,
    radius_um=3.1,
    radius_spread=0.1,
    elongation=1.3,
    irregularity=0.02,
    chromatin=0.8,
)
_DYSPLASTIC = NucleusKind(
    class_key="nucleus_neoplastic",
    spacing_um=9.5,
    jitter=0.14,
    radius_um=4.1,
    radius_spread=0.18,
    elongation=1.35,
    irregularity=0.05,
    chromatin=0.95,
)
_INVASIVE = NucleusKind(
    class_key="nucleus_neoplastic",
    spacing_um=12.0,
    jitter=0.15,
    radius_um=5.0,
    radius_spread=0.2,
    elongation=1.3,
    irregularity=0.05,
    chromatin=0.8,
    nucleoli=0.4,
)


def cervix_populations(layout: TissueLayout) -> list[Population]:
    """Say which nuclei live where in a cervical biopsy.

    Args:
        layout: The fields made by `cervix_layout`.

    Returns:
        Populations, most important first.
    """
    px = layout.grid.px
    regions = layout.regions
    lesion = np.maximum.reduce([regions["lsil"], regions["hsil"], regions["invasive_scc"]])
    squamous = np.maximum.reduce([regions[key] for key in _GRADES])

    def crowded(x: Points, y: Points) -> NDArray[np.bool_]:
        height = layout.value(layout.surface, x, y)
        found = np.zeros(x.shape, dtype=bool)
        for key, share in _DYSPLASTIC_SHARE.items():
            found |= (layout.value(regions[key], x, y) > 0) & (height < share)
        return found & (layout.value(squamous, x, y) > px(2.5))

    def dysplastic(x: Points, y: Points) -> Points:
        return np.where(crowded(x, y), 0.95, 0.0)

    def basal(x: Points, y: Points) -> Points:
        low = layout.value(layout.surface, x, y) < 0.1
        inside = layout.value(regions["benign"], x, y) > px(2.2)
        return np.where(low & inside, 0.95, 0.0)

    def maturing(x: Points, y: Points) -> Points:
        height = layout.value(layout.surface, x, y).astype(np.float64)
        inside = (layout.value(squamous, x, y) > px(3.0)) & ~crowded(x, y)
        return np.where(inside, 0.95 - 0.4 * height, 0.0)

    def invasive(x: Points, y: Points) -> Points:
        return np.where(layout.value(regions["invasive_scc"], x, y) > px(3.1), 0.96, 0.0)

    return [
        Population(_BASAL, basal),
        Population(_DYSPLASTIC, dysplastic),
        Population(_INVASIVE, invasive),
        # A second draw fills the gaps that thinning has left.
        Population(_DYSPLASTIC, dysplastic),
        Population(_INVASIVE, invasive),
        Population(_SQUAMOUS, maturing),
        *stromal_populations(layout, lesion=lesion),
    ]
