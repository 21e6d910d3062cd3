"""Squares sought by FFT and squares on a lattice: two ways to one number.

`block_matching` seeks few squares far away, each sampled through a map of its own; `local_match`
seeks every square of a window at a few shifts. Both are Pearson's correlation with the same floor.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage

from pathoai.registration.block_matching import correlation
from pathoai.registration.local_match import MARGIN_PX, SIDE_PX, STEP_PX, match_windows

_REACH = 4
_NOISE = 1e-3


def test_both_find_the_same_correlation_at_the_same_place() -> None:
    draws = np.random.default_rng(3).normal(size=(2, 80, 80))
    smooth = ndimage.gaussian_filter(draws, (0, 3, 3)).astype(np.float32)
    side = 2 * STEP_PX + 2 * MARGIN_PX + 2 * _REACH
    fixed = torch.from_numpy(smooth[0, :side, :side].copy())
    moving = torch.from_numpy(smooth[0, 2 : side + 2, 1 : side + 1] + 0.3 * smooth[1, :side, :side])
    lattice = match_windows(fixed, moving, _REACH)
    for row in range(2):
        for column in range(2):
            top, left = row * STEP_PX, column * STEP_PX
            square = fixed[top + _REACH :, left + _REACH :][:SIDE_PX, :SIDE_PX]
            window = moving[top:, left:][: SIDE_PX + 2 * _REACH, : SIDE_PX + 2 * _REACH]
            scores = correlation(square[None], window[None], faint=_NOISE)[0]
            np.testing.assert_allclose(
                scores.max().item(), lattice.similarity[row, column].item(), atol=2e-4
            )
            best = np.unravel_index(int(scores.argmax()), scores.shape)
            shift = np.array([best[1], best[0]]) - _REACH
            assert np.abs(lattice.shift_px[row, column].numpy() - shift).max() <= 0.5
