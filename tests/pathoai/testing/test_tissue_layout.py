"""Fields, their outlines and their values agree."""

from __future__ import annotations

import numpy as np
import pytest

from pathoai.testing.organs import ORGANS
from pathoai.testing.tissue_layout import Grid, blob_field, fragment_cells, outline_field


def test_outline_of_a_disc_has_its_area_and_its_hole() -> None:
    grid = Grid.of(width=2000, height=1500, mpp=0.25)
    rows, columns = np.indices(grid.shape) * grid.pitch
    radius = np.hypot(columns - 900, rows - 700)
    ring = np.minimum(500 - radius, radius - 200).astype(np.float32)
    (polygon,) = outline_field(ring, grid=grid)
    assert len(polygon.interiors) == 1
    assert polygon.area == pytest.approx(np.pi * (500**2 - 200**2), rel=0.005)


def test_outline_is_cut_at_the_edge_of_the_slide() -> None:
    grid = Grid.of(width=777, height=500, mpp=0.25)
    (polygon,) = outline_field(np.ones(grid.shape, dtype=np.float32), grid=grid)
    assert polygon.bounds == (0.0, 0.0, 777.0, 500.0)


@pytest.mark.parametrize("width", [256, 1000, 90_000, 300_000])
def test_nodes_stay_few_on_a_huge_slide(width: int) -> None:
    grid = Grid.of(width=width, height=1000, mpp=0.25)
    rows, columns = grid.shape
    assert columns <= 3502
    assert (columns - 1) * grid.pitch >= width
    assert (rows - 1) * grid.pitch >= 1000


def test_cells_of_fragments_divide_the_slide() -> None:
    grid = Grid.of(width=5000, height=3000, mpp=0.25)
    for fragments in (1, 2, 3, 7):
        cells = fragment_cells(grid, fragments=fragments)
        assert len(cells) >= fragments
        assert sum(cell[2] * cell[3] for cell in cells) == pytest.approx(5000 * 3000)


def test_window_off_the_slide_is_empty() -> None:
    grid = Grid.of(width=600, height=600, mpp=0.25)
    generator = np.random.default_rng(0)
    for centre in ((-900.0, 300.0), (300.0, 2000.0)):
        assert blob_field(grid, generator, centre=centre, radius=50)[2].size == 0


@pytest.mark.parametrize("organ", sorted(ORGANS))
def test_regions_of_a_layout_exclude_each_other(organ: str) -> None:
    grid = Grid.of(width=3000, height=2600, mpp=0.25)
    plan = ORGANS[organ]
    layout = plan.layout(grid, np.random.default_rng(1), fraction=0.5, lesions=plan.lesions)
    assert tuple(layout.regions) == plan.regions
    inside = np.sum([field > 0 for field in layout.regions.values()], axis=0)
    assert (inside > 1).mean() < 0.001
    assert not inside[layout.tissue <= 0].any()
    assert not inside[layout.lumen > 0].any()
