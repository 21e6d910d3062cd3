"""The affine map is found from a rough start, and torn parts do not move it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pathoai.registration.affine import refine_affine, scales
from pathoai.registration.affine_map import AffineMap, about, apply, compose, turn
from tests.pathoai.registration.twin_pictures import TwinPictures, structure


def _true(twins: TwinPictures, found: np.ndarray) -> AffineMap:
    """The best affine map between the places."""
    known = np.column_stack([twins.places, np.ones(len(twins.places))])
    return np.linalg.lstsq(known, found, rcond=None)[0].T


def _off(true: AffineMap, degrees: float, shift_um: tuple[float, float]) -> AffineMap:
    middle = np.full(2, 600.0)
    return compose(true, about(turn(degrees), middle, middle + shift_um))


@pytest.mark.parametrize(
    ("degrees", "shift_um"), [(0.0, (0.0, 0.0)), (2.5, (25.0, -30.0)), (-2.5, (-10.0, 40.0))]
)
def test_a_rough_start_becomes_as_good_as_the_best_affine_map(
    breast: TwinPictures, cpu: torch.device, degrees: float, shift_um: tuple[float, float]
) -> None:
    ihc, found = breast.turned(110.0, mirrored=True)
    true = _true(breast, found)
    start = _off(true, degrees, shift_um)
    affine, evidence = refine_affine(structure(breast.he), structure(ihc), start, device=cpu)
    assert breast.error_um(affine, found) < breast.error_um(true, found) + 0.5
    assert evidence.best.share > 0.8


def test_a_torn_away_half_and_a_shifted_piece_do_not_move_it(
    breast: TwinPictures, cpu: torch.device
) -> None:
    torn = breast.ihc.copy()
    height, width = torn.shape[:2]
    torn[: height // 3] = 250
    piece = torn[-height // 3 :, : width // 3].copy()
    torn[-height // 3 :, : width // 3] = np.roll(piece, 45, axis=1)
    true = _true(breast, breast.found)
    start = _off(true, 1.5, (20.0, 10.0))
    affine, _ = refine_affine(structure(breast.he), structure(torn), start, device=cpu)
    # The places' own median would follow the third that is gone.
    still = apply(affine, breast.places) - apply(true, breast.places)
    assert np.median(np.linalg.norm(still, axis=-1)) < 4


def test_the_same_twice(breast: TwinPictures, cpu: torch.device) -> None:
    start = _off(_true(breast, breast.found), 1.0, (9.0, 9.0))
    images = structure(breast.he), structure(breast.ihc)
    one, two = (refine_affine(*images, start, device=cpu)[0] for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_scales_halve_down_to_the_finest() -> None:
    assert scales(4096.0, 4.0) == [16.0, 8.0, 4.0]
    assert scales(100.0, 4.0) == [4.0]
