"""Affine maps of the plane as ``(2, 3)`` arrays: point @ map[:, :2].T + map[:, 2]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

AffineMap = NDArray[np.float64]
"""``(2, 3)`` float64."""
IDENTITY: AffineMap = np.eye(2, 3)


def apply(affine: AffineMap, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map points ``(..., 2)``."""
    return np.asarray(points @ affine[:, :2].T + affine[:, 2])


def compose(outer: AffineMap, inner: AffineMap) -> AffineMap:
    """The map that does ``inner`` first, then ``outer``."""
    linear = outer[:, :2] @ inner[:, :2]
    return np.column_stack([linear, outer[:, :2] @ inner[:, 2] + outer[:, 2]])


def inverse(affine: AffineMap) -> AffineMap:
    """The map back.

    Raises:
        numpy.linalg.LinAlgError: The map is flat.
    """
    linear = np.linalg.inv(affine[:, :2])
    return np.column_stack([linear, -linear @ affine[:, 2]])


def turn(degrees: float, *, mirrored: bool = False, scale: float = 1.0) -> NDArray[np.float64]:
    """The linear part of a similarity, ``(2, 2)``.

    Args:
        degrees: Rotation, clockwise on screen (y downwards).
        mirrored: Left and right are swapped first.
        scale: Enlargement.
    """
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    rotation = np.array([[cosine, -sine], [sine, cosine]])
    return np.asarray(scale * rotation @ np.diag([-1.0 if mirrored else 1.0, 1.0]))


def about(
    linear: NDArray[np.float64], source: NDArray[np.float64], target: NDArray[np.float64]
) -> AffineMap:
    """The map of a linear part that carries one point ``(2,)`` to another."""
    return np.column_stack([linear, target - linear @ source])
