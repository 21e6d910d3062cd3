"""A smooth field of displacements that can always be undone.

A free-form deformation (Rueckert et al. 1999): each component is a cubic B-spline over a regular
lattice of control points. Such a field lies within the convex hull of its control points, and its
slope within that of their differences, so a bound on those holds everywhere, not only where one
looked. Where the bound is below 1, x + u(x) never folds, and x = y - u(x) converges to its inverse
(Banach's fixed point).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError

STEEPEST = 0.9
"""Largest slope that is accepted: beyond it an inverse takes more than a hundred rounds."""

_ORDER = 3
_TOLERANCE_UM = 1e-4
_MOST_ROUNDS = 400
_POINTS_AT_ONCE = 1 << 18


@dataclass(frozen=True, eq=False)
class Displacement:
    """Displacements over a slide, constant beyond the edges of its lattice.

    Args:
        control_um: ``(R + 3, C + 3, 2)`` float64, µm, control points of R × C squares.
        spacing_um: Side of a square; the first one's corner lies at the slide's origin.

    Raises:
        InvalidValueError: Malformed, or so steep that it might not be undone.
    """

    control_um: NDArray[np.float64]
    spacing_um: float

    def __post_init__(self) -> None:
        """Refuse what cannot be inverted."""
        shape = self.control_um.shape
        if len(shape) != 3 or shape[2] != 2 or min(shape[:2]) <= _ORDER or not self.spacing_um > 0:
            raise InvalidValueError(
                "malformed field of displacements",
                found=f"control points {shape}, spacing {self.spacing_um} µm",
                allowed="(R + 3, C + 3, 2) and a positive spacing",
            )
        if not np.isfinite(self.control_um).all() or self.steepness > STEEPEST:
            raise InvalidValueError(
                "a field of displacements that cannot be undone everywhere",
                found=f"a slope of {self.steepness:.3g}",
                allowed=f"at most {STEEPEST:g}",
                remedy="smooth it, or use a coarser lattice",
            )

    @classmethod
    def none(cls, size_um: tuple[float, float], spacing_um: float) -> Displacement:
        """The field that moves nothing, over a width and height."""
        columns, rows = (max(1, int(np.ceil(side / spacing_um - 1e-9))) for side in size_um)
        return cls(np.zeros((rows + _ORDER, columns + _ORDER, 2)), spacing_um)

    def resembling(self, other: Displacement) -> Displacement:
        """Another field on this one's lattice: its own values are the control points.

        Such a field is a little smoother than the other one, and no steeper.
        """
        rows, columns = (
            (np.arange(count, dtype=np.float64) - 1) * self.spacing_um
            for count in self.control_um.shape[:2]
        )
        return Displacement(other.on_raster(columns, rows), self.spacing_um)

    @property
    def steepness(self) -> float:
        """A bound on how much faster than position the displacement changes, anywhere."""
        return steepness(self.control_um, self.spacing_um)

    @property
    def largest_um(self) -> float:
        """A bound on the length of the displacements."""
        return float(np.linalg.norm(self.control_um, axis=-1).max())

    def at(self, points_um: NDArray[np.float64]) -> NDArray[np.float64]:
        """Displacements ``(..., 2)`` µm at points ``(..., 2)`` µm."""
        points = np.asarray(points_um, np.float64).reshape(-1, 2)
        out = np.empty_like(points)
        for first in range(0, len(points), _POINTS_AT_ONCE):
            part = slice(first, first + _POINTS_AT_ONCE)
            out[part] = self._at(points[part])
        return out.reshape(np.shape(points_um))

    def _at(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        rows, across_rows = self._weights(points[:, 1], 0)
        columns, across_columns = self._weights(points[:, 0], 1)
        flat = self.control_um.reshape(-1, 2)
        width = self.control_um.shape[1]
        out = np.zeros_like(points)
        for i in range(_ORDER + 1):
            for j in range(_ORDER + 1):
                weight = across_rows[:, i] * across_columns[:, j]
                out += weight[:, None] * flat[(rows + i) * width + columns + j]
        return out

    def on_raster(
        self, x_um: NDArray[np.float64], y_um: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Displacements at all crossings of columns and rows: as :meth:`at`, much faster.

        Args:
            x_um: ``(W,)`` places of the columns.
            y_um: ``(H,)`` places of the rows.

        Returns:
            ``(H, W, 2)`` float64.
        """
        first_row, down = self._dense_weights(y_um, 0)
        first_column, across = self._dense_weights(x_um, 1)
        control = self.control_um[
            first_row : first_row + down.shape[1], first_column : first_column + across.shape[1]
        ]
        planes = [down @ control[..., axis] @ across.T for axis in (0, 1)]
        return np.stack(planes, axis=-1)

    def _weights(
        self, places_um: NDArray[np.float64], axis: int
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """First of the four control points ``(N,)`` that a place depends on, and weights."""
        squares = self.control_um.shape[axis] - _ORDER
        place = np.clip(places_um / self.spacing_um, 0.0, squares)
        first = np.minimum(place.astype(np.intp), squares - 1)
        return first, bspline_weights(place - first)

    def _dense_weights(
        self, places_um: NDArray[np.float64], axis: int
    ) -> tuple[int, NDArray[np.float64]]:
        """The same as a matrix over the control points that any of the places depends on."""
        first, weights = self._weights(np.asarray(places_um, np.float64), axis)
        start = int(first.min())
        dense = np.zeros((len(first), int(first.max()) - start + _ORDER + 1))
        for offset in range(_ORDER + 1):
            dense[np.arange(len(first)), first - start + offset] = weights[:, offset]
        return start, dense

    def undone(self, moved_um: NDArray[np.float64]) -> NDArray[np.float64]:
        """The points x for which x + u(x) are the points given, to 1e-4 µm.

        Args:
            moved_um: ``(..., 2)`` µm.
        """
        moved = np.asarray(moved_um, np.float64)
        flat = moved.reshape(-1, 2)
        found = flat - self.at(flat)
        going = np.arange(len(flat))
        # An error of e after a step of s is at most s × slope / (1 - slope).
        slope = self.steepness
        enough = _TOLERANCE_UM * (1 - slope) / max(slope, 1e-3)
        for _ in range(_MOST_ROUNDS):
            better = flat[going] - self.at(found[going])
            step = np.linalg.norm(better - found[going], axis=1)
            found[going] = better
            going = going[step > enough]
            if not len(going):
                break
        return np.asarray(found.reshape(moved.shape))


def bspline_weights(fraction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights ``(N, 4)`` of the cubic B-spline at places ``(N,)`` within a square, 0 to 1."""
    t = fraction
    rest = 1 - t
    return np.stack(
        [
            rest**3 / 6,
            (3 * t**3 - 6 * t**2 + 4) / 6,
            (3 * rest**3 - 6 * rest**2 + 4) / 6,
            t**3 / 6,
        ],
        axis=-1,
    )


def steepness(control_um: NDArray[np.float64], spacing_um: float) -> float:
    """A bound on the slope of a field of B-splines: that of the steps between control points.

    Args:
        control_um: ``(R + 3, C + 3, 2)``.
        spacing_um: Their distance.
    """
    steps = [
        np.linalg.norm(np.diff(control_um, axis=axis), axis=-1).max(initial=0.0) for axis in (0, 1)
    ]
    return float(np.hypot(*steps) / spacing_um)
