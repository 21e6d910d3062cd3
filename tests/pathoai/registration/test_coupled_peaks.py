"""Peaks that neighbours agree on: a likelier wrong one loses, a lone right one stays."""

from __future__ import annotations

import numpy as np
import torch

from pathoai.registration.correlation_peak import peaks
from pathoai.registration.coupled_peaks import coupled_peaks
from pathoai.registration.local_match import MARGIN_PX, STEP_PX, match_windows

REACH = 6
SIDE = 2 * REACH + 1


def volume(rows: int, columns: int, *hills: tuple[float, np.ndarray]) -> torch.Tensor:
    """Round hills of correlation, each of a height and about its shift ``(rows, columns, 2)``."""
    axis = np.arange(-REACH, REACH + 1)
    total = np.zeros((SIDE, SIDE, rows, columns))
    for height, shift in hills:
        x = axis[None, :, None, None] - shift[..., 0]
        y = axis[:, None, None, None] - shift[..., 1]
        total = np.maximum(total, height - 0.06 * (x**2 + y**2))
    return torch.from_numpy(total.astype(np.float32))


def everywhere(x: float, y: float, shape: tuple[int, int] = (7, 9)) -> np.ndarray:
    return np.broadcast_to(np.array([x, y]), (*shape, 2)).copy()


def test_what_is_alike_only_in_one_place_is_found_there() -> None:
    found = coupled_peaks(volume(7, 9, (0.8, everywhere(3.0, -2.0))), REACH)
    assert np.allclose(found[0], [3.0, -2.0], atol=1e-3)
    assert np.allclose(found[1], 0.8, atol=1e-3)
    assert float(found[2].min()) > 0.05


def test_a_slightly_higher_peak_elsewhere_loses_against_the_neighbours() -> None:
    true, wrong = everywhere(2.0, 1.0), everywhere(-4.0, -4.0)
    wrong[np.arange(7 * 9).reshape(7, 9) % 4 != 0] = 20.0  # only some squares have a second one
    both = volume(7, 9, (0.6, true), (0.68, wrong))
    alone, _, _ = peaks(both, REACH)
    assert (np.abs(alone.numpy() - true).max(axis=-1) > 1).sum() == 16
    shift, similarity, _ = coupled_peaks(both, REACH)
    assert np.allclose(shift, true, atol=0.4)
    assert np.allclose(similarity, 0.6, atol=0.03)


def test_a_clear_peak_is_kept_against_the_neighbours() -> None:
    lone = everywhere(0.0, 0.0)
    lone[3, 4] = [5.0, 0.0]
    shift, similarity, _ = coupled_peaks(volume(7, 9, (0.9, lone)), REACH)
    assert abs(float(shift[3, 4, 0]) - 5.0) < 1.0
    assert float(similarity[3, 4]) > 0.8


def test_where_nothing_is_known_nothing_is_made_up() -> None:
    flat = torch.zeros(SIDE, SIDE, 3, 3)
    shift, similarity, distinct = coupled_peaks(flat, REACH)
    for plane in (shift, similarity, distinct):
        assert bool(torch.isfinite(plane).all())
    assert float(similarity.max()) <= 0


def test_one_square_is_its_own_neighbour() -> None:
    shift, _, _ = coupled_peaks(volume(1, 1, (0.8, everywhere(-1.0, 4.0, (1, 1)))), REACH)
    assert np.allclose(shift, [[[-1.0, 4.0]]], atol=0.01)


def test_windows_that_are_hardly_alike_are_matched_better_together() -> None:
    random = np.random.default_rng(3)
    margin = MARGIN_PX + REACH
    shape = 8 * STEP_PX + 2 * margin, 8 * STEP_PX + 2 * margin
    plane = torch.nn.functional.avg_pool2d(
        torch.from_numpy(random.normal(size=(1, 220, 220))), 5, 1
    )
    texture = (plane[0] / plane.std()).float()
    fixed = texture[20 : 20 + shape[0], 20 : 20 + shape[1]]
    noise = torch.nn.functional.avg_pool2d(
        torch.from_numpy(random.normal(size=(1, shape[0] + 4, shape[1] + 4))), 5, 1
    )
    moving = texture[18 : 18 + shape[0], 17 : 17 + shape[1]] + 4 * (noise / noise.std())[0].float()
    wrong = [
        int((match.shift_px - torch.tensor([3.0, 2.0])).abs().amax(dim=-1).gt(1.5).sum())
        for match in (
            match_windows(fixed, moving, REACH),
            match_windows(fixed, moving, REACH, coupled=True),
        )
    ]
    assert wrong[0] >= 5
    assert wrong[1] <= wrong[0] // 3
