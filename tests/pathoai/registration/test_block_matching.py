"""Squares are found where they are, by the definition of correlation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from pathoai.registration.affine_map import about, compose, turn
from pathoai.registration.block_matching import correlation, match_blocks, sample
from pathoai.registration.structure import StructureImage
from tests.pathoai.registration.twin_pictures import placed


def _noise(seed: int = 0, side: int = 300) -> StructureImage:
    """Smooth noise all over a slide."""
    values = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(side, side)), 2)
    values = (values / values.std()).astype(np.float32)
    return StructureImage(values, np.ones(values.shape, bool), 2.0, placed("noise", values, 2.0))


def test_correlation_is_pearsons_at_every_place() -> None:
    generator = np.random.default_rng(1)
    templates = generator.normal(size=(3, 8, 8))
    windows = generator.normal(size=(3, 14, 14)) + 5
    found = correlation(torch.from_numpy(templates), torch.from_numpy(windows), faint=0.0).numpy()
    assert found.shape == (3, 7, 7)
    for which in range(3):
        for row in range(7):
            for column in range(7):
                part = windows[which, row : row + 8, column : column + 8]
                expected = np.corrcoef(templates[which].ravel(), part.ravel())[0, 1]
                assert found[which, row, column] == pytest.approx(expected, abs=1e-6)


def test_sampling_at_pixel_centres_gives_the_pixels() -> None:
    image = _noise(side=60)
    centre = np.array([[20 * 2.0, 25 * 2.0]])
    found = sample(image, np.eye(2, 3), centre, 2.0, 10, torch.device("cpu"))
    np.testing.assert_allclose(found[0].numpy(), image.values[20:30, 15:25], atol=1e-5)


def test_outside_the_slide_there_is_nothing() -> None:
    image = _noise(side=60)
    found = sample(image, np.eye(2, 3), np.array([[-500.0, 0.0]]), 2.0, 8, torch.device("cpu"))
    assert not found.any()


@pytest.mark.parametrize("shift", [(0.0, 0.0), (7.0, -13.0), (-5.3, 20.6)])
def test_squares_are_found_to_a_fraction_of_a_pixel(
    shift: tuple[float, float], cpu: torch.device
) -> None:
    image = _noise()
    start = about(turn(0), np.array(shift), np.zeros(2))  # off by the shift
    matches = match_blocks(image, image, start, mpp=2.0, device=cpu)
    assert len(matches) > 50
    # Squares near the edge may lie beyond it on the other slide.
    right = np.linalg.norm(matches.shifts_um - shift, axis=-1) < 0.4
    assert right.mean() > 0.9
    assert np.median(matches.similarity[right]) > 0.9  # half a pixel blurs


def test_a_turned_and_mirrored_slide_at_another_scale(cpu: torch.device) -> None:
    fixed = _noise()
    true = about(turn(40, mirrored=True, scale=0.5), np.full(2, 300.0), np.full(2, 300.0))
    moving = sample(
        fixed,
        np.linalg.inv(np.vstack([true, [0, 0, 1]]))[:2],
        np.full((1, 2), 300.0),
        1.0,
        600,
        cpu,
    )[0].numpy()
    other = StructureImage(moving, np.ones(moving.shape, bool), 1.0, placed("turned", moving, 1.0))
    start = compose(true, about(turn(0.5), np.full(2, 300.0), np.array([306.0, 295.0])))
    matches = match_blocks(fixed, other, start, mpp=2.0, device=cpu)
    expected = np.array([-6.0, 5.0])
    assert np.median(np.linalg.norm(matches.shifts_um - expected, axis=-1)) < 2.5


def test_no_tissue_in_common_gives_no_squares(cpu: torch.device) -> None:
    image = _noise()
    away = about(turn(0), np.zeros(2), np.full(2, 5000.0))
    assert len(match_blocks(image, image, away, mpp=2.0, device=cpu)) == 0
