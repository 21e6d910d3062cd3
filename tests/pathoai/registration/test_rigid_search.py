"""From any start: turned, mirrored, moved, at another scale, or only in part on the other slide."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pathoai.registration.affine import refine_affine
from pathoai.registration.affine_map import AffineMap
from pathoai.registration.agreement import Evidence
from pathoai.registration.believable import is_believable
from pathoai.registration.rigid_search import find_start
from tests.pathoai.registration.twin_pictures import Picture, TwinPictures, structure

_MOST_UM = 5.0  # the deformable field goes on from there


def _aligned(he: Picture, ihc: Picture, device: torch.device) -> tuple[AffineMap, Evidence]:
    fixed, moving = structure(he), structure(ihc)
    start, _ = find_start(fixed, moving, device=device)
    return refine_affine(fixed, moving, start, device=device)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [5.0, 93.0, 275.0])
def test_any_turn_mirrored_or_not(
    breast: TwinPictures, cpu: torch.device, degrees: float, mirrored: bool
) -> None:
    ihc, found = breast.turned(degrees, mirrored=mirrored)
    affine, evidence = _aligned(breast.he, ihc, cpu)
    assert breast.error_um(affine, found) < _MOST_UM
    assert is_believable(evidence)
    assert (np.linalg.det(affine[:, :2]) < 0) == mirrored


@pytest.mark.parametrize("degrees", [220.0])
def test_a_nuclear_marker_on_another_organ(
    cervix: TwinPictures, cpu: torch.device, degrees: float
) -> None:
    ihc, found = cervix.turned(degrees, mirrored=True)
    affine, evidence = _aligned(cervix.he, ihc, cpu)
    assert cervix.error_um(affine, found) < _MOST_UM
    assert is_believable(evidence)


@pytest.mark.parametrize("scale", [0.25, 1.7])
def test_a_scale_that_nobody_stated(breast: TwinPictures, cpu: torch.device, scale: float) -> None:
    ihc, found = breast.turned(70.0, scale=scale)
    affine, evidence = _aligned(breast.he, ihc, cpu)
    assert breast.error_um(affine, found) < _MOST_UM * max(1.0, scale)
    assert is_believable(evidence)


def test_half_of_the_section_on_the_other_slide(breast: TwinPictures, cpu: torch.device) -> None:
    ihc, found = breast.turned(200.0)
    ihc[:, : ihc.shape[1] // 2] = 250
    affine, evidence = _aligned(breast.he, ihc, cpu)
    assert breast.error_um(affine, found) < 2 * _MOST_UM
    assert is_believable(evidence)


def test_a_slide_much_wider_with_the_section_in_a_corner(
    breast: TwinPictures, cpu: torch.device
) -> None:
    ihc, found = breast.turned(33.0)
    height, width = ihc.shape[:2]
    wide = np.full((2 * height, 3 * width, 3), 255, np.uint8)
    wide[height:, 2 * width :] = ihc
    affine, _ = _aligned(breast.he, wide, cpu)
    assert breast.error_um(affine, found + np.array([2 * width, height])) < _MOST_UM
