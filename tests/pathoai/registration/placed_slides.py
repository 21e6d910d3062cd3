"""Frames and transforms for tests of registration."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Mpp, Size
from pathoai.registration.displacement import Displacement, steepness
from pathoai.registration.transform import PlacedSlide, SlideTransform

FIXED = PlacedSlide("fixed", Mpp(0.5, 0.5), Size(2000, 1600), "f" * 64)
MOVING = PlacedSlide("moving", Mpp(0.25, 0.255), Size(5000, 4000), "a" * 64)


def affine(
    degrees: float = 0.0,
    scale: float = 1.0,
    mirrored: bool = False,
    shift: tuple[float, float] = (0.0, 0.0),
) -> NDArray[np.float64]:
    """A similarity, ``(2, 3)``, µm to µm."""
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    linear = scale * np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([linear @ np.diag([-1.0 if mirrored else 1.0, 1.0]), shift])


def field(seed: int, slope: float, spacing_um: float = 100.0) -> Displacement:
    """Random control points of a given steepness over `FIXED`."""
    empty = Displacement.none(FIXED.size_um, spacing_um)
    control = np.random.default_rng(seed).normal(size=empty.control_um.shape)
    control *= slope / steepness(control, spacing_um)
    return Displacement(control, spacing_um)


def bent(seed: int = 0, slope: float = 0.5) -> SlideTransform:
    """A mirrored, turned, bent transform."""
    return SlideTransform(FIXED, MOVING, affine(30, 1.1, True, (900, 40)), field(seed, slope))
