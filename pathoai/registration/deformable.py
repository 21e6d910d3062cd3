"""The smooth field that is left after the affine map, coarse to fine."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch

from pathoai.errors import InvalidValueError
from pathoai.progress import Advance, silent
from pathoai.registration.displacement import Displacement
from pathoai.registration.fit_displacement import ShiftLattice, fit_displacement
from pathoai.registration.match_slides import SlideMatches, match_slides
from pathoai.registration.slide_windows import WindowPair
from pathoai.registration.transform import SlideTransform
from pathoai.store.slide_store import SlideStore

_LARGEST_DISAGREEMENT_PX = 1.5
_NOISE_PX = 0.5


@dataclass(frozen=True, slots=True)
class DeformableSettings:
    """How the field is found.

    Args:
        coarsest_mpp: Scale to begin with, µm per pixel.
        finest_mpp: Scale to end with, or that of the coarser slide.
        reach_px: How far squares are sought at each scale, in its pixels.
        stiffness: Price of bending against one good measurement per control point.
        squares_per_spacing: Distance of control points, in distances of neighbouring squares.
        chance: Correlation that tells nothing: the best of all shifts of unlike squares has it.
        coupled: Let neighbouring squares have a say in which of several peaks is meant.
    """

    coarsest_mpp: float = 16.0
    finest_mpp: float = 1.0
    reach_px: int = 5
    stiffness: float = 0.05
    squares_per_spacing: float = 2.0
    chance: float = 0.3
    coupled: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not 0.25 <= self.finest_mpp <= self.coarsest_mpp <= 64:
            raise InvalidValueError(
                "scales of a registration",
                found=f"{self.coarsest_mpp:g} down to {self.finest_mpp:g} µm per pixel",
                allowed="64 µm down to 0.25 µm",
            )
        if not 2 <= self.reach_px <= 32 or not 1e-4 <= self.stiffness <= 1e4:
            raise InvalidValueError(
                "reach or stiffness of a registration",
                found=f"{self.reach_px} px, {self.stiffness:g}",
                allowed="2 to 32 px, 1e-4 to 1e4",
            )
        if not 0.25 <= self.squares_per_spacing <= 16 or not 0 <= self.chance < 1:
            raise InvalidValueError(
                "distance of control points, or chance, of a registration",
                found=f"{self.squares_per_spacing:g} squares, {self.chance:g}",
                allowed="0.25 to 16 squares, 0 or more but less than 1",
            )

    def scales(self, mpp: float) -> list[float]:
        """Scales from coarse to fine for slides of which the coarser has this mpp."""
        scale = max(self.finest_mpp, mpp)
        scales: list[float] = []
        while scale <= self.coarsest_mpp * 1.01 or not scales:
            scales.append(scale)
            scale *= 2
        return scales[::-1]


def refine_deformable(
    fixed: SlideStore,
    moving: SlideStore,
    transform: SlideTransform,
    *,
    settings: DeformableSettings,
    device: torch.device,
    advance: Advance = silent,
) -> SlideTransform:
    """Bend a transform until small squares of both slides lie on each other.

    Args:
        fixed: The H&E slide.
        moving: The restained slide.
        transform: A good affine map, with or without a field.
        settings: Scales and smoothness.
        device: Where squares are compared.
        advance: Told of scales done and scales in all.

    Returns:
        The transform with a field; its affine map is left as it is.
    """
    scales = settings.scales(max(fixed.mpp, moving.mpp / transform.scale))
    for done, mpp in enumerate(scales, start=1):
        windows = WindowPair(fixed, moving, mpp)
        matches = match_slides(
            windows,
            transform,
            reach_px=settings.reach_px,
            coupled=settings.coupled,
            device=device,
        )
        field = refit(transform, matches, settings)
        transform = dataclasses.replace(transform, displacement=field)
        advance(done, len(scales))
    return transform


def refit(
    transform: SlideTransform, matches: SlideMatches, settings: DeformableSettings
) -> Displacement:
    """The field that a transform should have had, by what was matched through it."""
    spacing = matches.step_um * settings.squares_per_spacing
    start = Displacement.none(transform.fixed.size_um, spacing)
    shifts = np.nan_to_num(matches.shift_um.astype(np.float64))
    if (before := transform.displacement) is not None:
        start = start.resembling(before)
        rows, columns = (
            (np.arange(count) + 0.5) * matches.step_um for count in matches.tissue.shape
        )
        # What lies at p + shift was carried there by the field at that place.
        places = np.stack(np.meshgrid(columns, rows), axis=-1) + shifts
        shifts = shifts + before.at(places)
    weight = confidence(matches, settings.chance)
    lattice = ShiftLattice(shifts, weight, matches.step_um / 2, matches.step_um)
    return fit_displacement(
        lattice, start, stiffness=settings.stiffness, noise_um=_NOISE_PX * matches.mpp
    )


def confidence(
    matches: SlideMatches, chance: float
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Weight of each match, ``(R, C)`` float64, 0 to 1."""
    agree = matches.disagreement_um <= _LARGEST_DISAGREEMENT_PX * matches.mpp
    used = matches.tissue & agree & ~matches.at_limit
    beyond_chance = np.clip((np.nan_to_num(matches.similarity) - chance) / (1 - chance), 0, 1)
    return np.asarray(np.where(used, beyond_chance, 0.0), np.float64)
