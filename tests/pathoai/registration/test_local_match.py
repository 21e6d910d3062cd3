"""Squares sought in another window: where they are found, and what is said of what is not there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from pathoai.registration.local_match import MARGIN_PX, SIDE_PX, STEP_PX, LocalMatch, match_windows

REACH = 5
ROWS, COLUMNS = 3, 4
MARGIN = MARGIN_PX + REACH
SHAPE = ROWS * STEP_PX + 2 * MARGIN, COLUMNS * STEP_PX + 2 * MARGIN


def texture(seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(SHAPE[0] + 40, SHAPE[1] + 40))
    smooth = ndimage.gaussian_filter(noise, 2.0)
    return np.asarray(0.3 * smooth / smooth.std() + 0.5)


def window(plane: np.ndarray, x: float = 0.0, y: float = 0.0) -> torch.Tensor:
    """The middle of a plane, moved by (x, y)."""
    moved = ndimage.shift(plane, (y, x), order=3, mode="nearest")
    return torch.from_numpy(moved[20 : 20 + SHAPE[0], 20 : 20 + SHAPE[1]].astype(np.float32))


def matched(fixed: torch.Tensor, moving: torch.Tensor) -> LocalMatch:
    found = match_windows(fixed, moving, REACH)
    assert found.shift_px.shape == found.back_px.shape == (ROWS, COLUMNS, 2)
    assert found.similarity.shape == found.distinct.shape == (ROWS, COLUMNS)
    return found


@pytest.mark.parametrize("shift", [(0.0, 0.0), (3.0, -4.0), (-1.3, 2.6)])
def test_a_moved_texture_is_found_both_ways(shift: tuple[float, float]) -> None:
    found = matched(window(texture()), window(texture(), *shift))
    assert np.allclose(found.shift_px, shift, atol=0.12)
    assert np.allclose(found.back_px, -np.array(shift), atol=0.12)
    assert float(found.similarity.min()) > 0.9
    assert float(found.distinct.min()) > 0.01


def test_contrast_and_brightness_do_not_matter() -> None:
    fixed, moving = window(texture()), window(texture(), 2, 1)
    plain, other = matched(fixed, moving), matched(fixed, 0.6 * moving + 0.3)
    assert np.allclose(plain.shift_px, other.shift_px, atol=0.05)
    assert np.allclose(plain.similarity, other.similarity, atol=0.05)


def test_correlation_is_that_of_the_definition() -> None:
    fixed, moving = window(texture(1)), window(texture(2))
    found = matched(fixed, moving)
    best = np.full((ROWS, COLUMNS), -1.0)
    for row, column in np.ndindex(ROWS, COLUMNS):
        y, x = row * STEP_PX + REACH, column * STEP_PX + REACH
        square = fixed[y : y + SIDE_PX, x : x + SIDE_PX].numpy().ravel()
        for dy, dx in np.ndindex(2 * REACH + 1, 2 * REACH + 1):
            top, left = y + dy - REACH, x + dx - REACH
            other = moving[top : top + SIDE_PX, left : left + SIDE_PX].numpy().ravel()
            best[row, column] = max(best[row, column], np.corrcoef(square, other)[0, 1])
    assert np.allclose(found.similarity, best, atol=0.02)


def test_unlike_textures_disagree_with_each_other() -> None:
    found = matched(window(texture(1)), window(texture(2)))
    disagreement = torch.linalg.norm(found.shift_px + found.back_px, dim=-1)
    assert float((disagreement > 1.5).float().mean()) > 0.5
    assert float(found.similarity.median()) < 0.6


def test_glass_is_like_nothing() -> None:
    glass = torch.zeros(SHAPE)
    for pair in ((window(texture()), glass), (glass, window(texture())), (glass, glass)):
        assert float(matched(*pair).similarity.abs().max()) < 1e-3
