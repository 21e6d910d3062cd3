"""What is shown of a slide around its tissue."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from pathoai.geometry import Grid, Size
from pathoai.heatmap.slide_picture import Surroundings
from pathoai.tissue.mask import TissueMask


def test_distances_in_bands_are_those_of_the_whole_mask() -> None:
    noise = ndimage.gaussian_filter(np.random.default_rng(0).random((700, 300)), 6)
    mask = noise > 0.53
    found = Surroundings.of(TissueMask(mask, Grid(Size(300, 700), 1, 1), 8.0, "any"), (16, 60))
    distance_um = 8 * ndimage.distance_transform_edt(~mask)
    expected = np.clip((60 - distance_um) / 44, 0, 1)
    expected[ndimage.binary_fill_holes(expected == 1)] = 1
    np.testing.assert_allclose(found.weight, expected, atol=1e-6)
    assert ((found.weight > 0) & (found.weight < 1)).any()


def test_a_hole_in_tissue_is_kept_and_a_mask_without_tissue_shows_nothing() -> None:
    mask = np.zeros((100, 100), np.bool_)
    grid = Grid(Size(100, 100), 1, 1)
    assert not Surroundings.of(TissueMask(mask, grid, 8.0, "any"), (16, 60)).weight.any()
    mask[20:80, 20:80] = True
    mask[35:65, 35:65] = False
    assert (
        Surroundings.of(TissueMask(mask, grid, 8.0, "any"), (16, 60)).weight[20:80, 20:80] == 1
    ).all()
