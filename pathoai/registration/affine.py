"""From a start to the best affine map: squares sought coarse to fine, and a fit by consensus.

At each scale, squares of tissue are sought near where the map says they are. Which of them tell
the truth is found by consensus (RANSAC; Fischler & Bolles 1981): torn, folded and missing parts
answer at random, and random answers do not agree with each other.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.registration.affine_map import IDENTITY, AffineMap, compose
from pathoai.registration.agreement import Agreement, Evidence
from pathoai.registration.block_matching import REACH_PX, Matches, match_blocks
from pathoai.registration.structure import StructureImage

TISSUE_ACROSS_PX = 128
"""At the coarsest scale the tissue spans about as many pixels."""
TOLERANCE_PX = 3.0
"""A square agrees with the map if it lies so near to where the map says, in pixels compared …"""
TOLERANCE_UM = 12.0
"""… or in µm, whichever is more: a section bends by so much, and no affine map can follow."""
FINEST_UM = 4.0
"""Finer pixels do not make an affine map better: they see what only a deformation can follow."""
FINEST_ACROSS_PX = 2 * TISSUE_ACROSS_PX
"""But on a small section coarser ones have too few squares to tell it from another."""
_TRIALS = 400
_FITS = 8
# How far one scale may turn, stretch or shear what the coarser one found.
_LARGEST_CHANGE = 0.15
# Few squares say little of turn and stretch: as if so many of them had said that there is none.
_PRIOR_SQUARES = 0.5
_LEAST_SQUARES = 3
# Neighbouring sections are alike down to some scale; below it, squares answer at random.
_LEAST_SHARE = 0.4
_LEAST_SPREAD_UM2 = 1e-6
_BEYOND = 1.5  # of the tolerance
Points = NDArray[np.float64]


def refine_affine(
    fixed: StructureImage,
    moving: StructureImage,
    start: AffineMap,
    *,
    device: torch.device,
    finest_mpp: float | None = None,
    tell_last: bool = False,
) -> tuple[AffineMap, Evidence]:
    """Refine a start, coarse to fine.

    Args:
        fixed: The slide whose frame the map starts from.
        moving: The slide it leads to.
        start: Affine map, µm of the fixed slide to µm of the moving one.
        device: Where squares are compared.
        finest_mpp: Stop there, µm per pixel of the fixed slide, or at the coarser of the two
            images' scales; by default at 4 µm, or finer where the tissue spans 256 pixels.
        tell_last: Tell also of the scale at which too few squares agreed to refine the map by them:
            that is much more than chance on neighbouring sections, and nothing on others.

    Returns:
        The map, and how squares agreed with it at each scale.
    """
    scale = float(np.sqrt(abs(np.linalg.det(start[:, :2]))))
    wanted = finest_mpp or min(FINEST_UM, fixed.extent_um / FINEST_ACROSS_PX)
    finest = max(fixed.mpp, moving.mpp / scale, wanted)
    affine = start
    levels: list[Agreement] = []
    for mpp in scales(fixed.extent_um, finest):
        finer, agreement = refine_at(fixed, moving, affine, mpp=mpp, device=device)
        if levels and agreement.squares and agreement.share < _LEAST_SHARE:
            levels += [agreement] * tell_last
            break
        affine = finer
        levels.append(agreement)
    return affine, Evidence(tuple(levels))


def scales(extent_um: float, finest: float) -> list[float]:
    """Scales at which tissue of an extent is compared, coarse to fine, halving."""
    coarsest = max(finest, extent_um / TISSUE_ACROSS_PX)
    steps = max(0, round(np.log2(coarsest / finest)))
    return [finest * 2**step for step in range(steps, -1, -1)]


def refine_at(
    fixed: StructureImage,
    moving: StructureImage,
    affine: AffineMap,
    *,
    mpp: float,
    device: torch.device,
) -> tuple[AffineMap, Agreement]:
    """Refine a map at one scale.

    Args:
        fixed: As in `refine_affine`.
        moving: Likewise.
        affine: The map so far.
        mpp: The scale, µm per pixel of the fixed slide.
        device: Where squares are compared.

    Returns:
        The better map, and how squares agree with it.
    """
    matches = match_blocks(fixed, moving, affine, mpp=mpp, device=device)
    change = _consensus(matches)
    miss = _misses(matches.centres_um, matches.shifts_um, change)
    tolerance = _tolerance_um(mpp)
    agreeing = (miss <= tolerance)[matches.inner]
    return compose(affine, change), Agreement(
        mpp=mpp,
        squares=len(agreeing),
        agreeing=int(agreeing.sum()),
        tolerance_um=tolerance,
        chance=float(np.pi * (tolerance / mpp) ** 2 / (2 * REACH_PX + 1) ** 2),
        similarity=float(np.median(matches.similarity[matches.inner][agreeing]))
        if agreeing.any()
        else 0.0,
    )


def _tolerance_um(mpp: float) -> float:
    """How near a square must lie to where the map says, at a scale."""
    return max(TOLERANCE_PX * mpp, TOLERANCE_UM)


def _weights(matches: Matches) -> NDArray[np.float64]:
    """How much a square is believed by itself, ``(N,)``: alike, and alike nowhere else."""
    return np.clip(matches.similarity, 0.01, 1) * np.clip(matches.distinctness, 0.005, 0.3)


def _consensus(matches: Matches) -> AffineMap:
    """The small affine map of the fixed slide's frame that most squares agree with."""
    if len(matches) < _LEAST_SQUARES:
        return IDENTITY
    points, shifts, weights = matches.centres_um, matches.shifts_um, _weights(matches)
    tolerance = _tolerance_um(matches.mpp)
    guesses = _guesses(points, shifts, weights)
    found = np.clip(1 - _misses(points, shifts, guesses) / tolerance, 0, 1) @ weights
    change: AffineMap = guesses[int(found.argmax())]
    for _ in range(_FITS):
        # Tukey's biweight: what lies beyond has no say.
        beyond = _misses(points, shifts, change) / (_BEYOND * tolerance)
        near = weights * np.clip(1 - beyond**2, 0, 1) ** 2
        if np.count_nonzero(near) < _LEAST_SQUARES:
            break
        change = _fit(points, shifts, near)
    return change


def _guesses(points: Points, shifts: Points, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """No change, and the maps of three squares each, drawn as they are believed, ``(T, 2, 3)``."""
    generator = np.random.default_rng(len(points))
    rows = generator.choice(len(points), (_TRIALS, 3), p=weights / weights.sum())
    guesses = _fit(points[rows], shifts[rows], np.ones((_TRIALS, 3)))
    change = np.abs(guesses[..., :2] - np.eye(2)).max(axis=(1, 2))
    return np.concatenate([IDENTITY[None], guesses[change <= _LARGEST_CHANGE]])


def _misses(points: Points, shifts: Points, change: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far squares ``(N, 2)`` lie from where maps ``(…, 2, 3)`` say, ``(…, N)`` µm."""
    said = points @ np.swapaxes(change[..., :2], -1, -2) + change[..., None, :, 2]
    return np.asarray(np.linalg.norm(points + shifts - said, axis=-1))


def _fit(points: Points, shifts: Points, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Affine maps by weighted least squares, drawn towards a mere move where squares are few.

    Args:
        points: ``(…, N, 2)``, µm.
        shifts: ``(…, N, 2)``, µm.
        weights: ``(…, N)``, not all of them 0.

    Returns:
        ``(…, 2, 3)``.
    """
    share = (weights / weights.sum(axis=-1, keepdims=True))[..., None]
    middle, move = (share * points).sum(axis=-2), (share * shifts).sum(axis=-2)
    arms, turns = points - middle[..., None, :], shifts - move[..., None, :]
    across = np.swapaxes(share * arms, -1, -2)
    spread = across @ arms
    squares = weights.sum(axis=-1) ** 2 / np.square(weights).sum(axis=-1)
    prior = _PRIOR_SQUARES / squares * np.trace(spread, axis1=-2, axis2=-1) / 2 + _LEAST_SPREAD_UM2
    linear = np.linalg.solve(spread + prior[..., None, None] * np.eye(2), across @ turns)
    linear = np.swapaxes(linear, -1, -2)
    offset = move[..., None] - linear @ middle[..., None]
    return np.concatenate([np.eye(2) + linear, offset], axis=-1)
