"""A smooth field through shifts that were measured here and there, some of them wrongly.

Penalised B-splines (Eilers & Marx 1996) on two axes: weighted least squares with a price on
bending, solved by conjugate gradients. Shifts that their neighbourhood contradicts lose their
weight round by round (Geman & McClure 1985), so that a fold or a tear does not bend what lies
around it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pathoai.registration.displacement import Displacement, bspline_weights

_ROBUST_ROUNDS = 4
_MOST_STEPS = 200
_ENOUGH = 1e-4
# Bending is paid for; slope costs just enough that a field fades out where nothing is known.
_SLOPE_PRICE = 1e-3
_STIFFER = 4.0
_MOST_STIFFENINGS = 12
Plane = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ShiftLattice:
    """Shifts on a lattice over a slide.

    Args:
        shift_um: ``(R, C, 2)`` float64.
        weight: ``(R, C)`` float64, 0 where nothing was measured.
        first_um: Place of the first, along x and y alike.
        step_um: Distance of neighbours.
    """

    shift_um: Plane
    weight: Plane
    first_um: float
    step_um: float

    def places_um(self, axis: int) -> Plane:
        """Places along an axis of the arrays (0 for rows)."""
        return self.first_um + self.step_um * np.arange(self.shift_um.shape[axis], dtype=np.float64)


def fit_displacement(
    shifts: ShiftLattice, start: Displacement, *, stiffness: float, noise_um: float
) -> Displacement:
    """The field that best explains the shifts; stiffer where it would not be invertible.

    Args:
        shifts: What was measured.
        start: A field on the lattice of the result, to begin with.
        stiffness: Price of bending, for a weight of 1 on each control point.
        noise_um: Error of a good measurement: shifts that miss the field by much more are wrong.
    """
    for _ in range(_MOST_STIFFENINGS):
        control = _fit(shifts, start, stiffness, noise_um)
        try:
            return Displacement(control, start.spacing_um)
        except ValueError:
            stiffness *= _STIFFER
    return start


def _fit(shifts: ShiftLattice, start: Displacement, stiffness: float, noise_um: float) -> Plane:
    rows, columns = (
        _basis(shifts.places_um(axis), start.spacing_um, start.control_um.shape[axis])
        for axis in (0, 1)
    )
    # As many measurements as control points weigh as much as at one for each.
    share = (shifts.step_um / start.spacing_um) ** 2
    weight = shifts.weight * share
    control = start.control_um.copy()
    for _ in range(_ROBUST_ROUNDS):
        found = _expand(control, rows, columns)
        missed = np.linalg.norm(shifts.shift_um - found, axis=-1)
        seen = missed[weight > 0]
        scale = max(noise_um, 1.5 * float(np.median(seen)) if len(seen) else 0.0)
        trusted = weight / (1 + (missed / (2 * scale)) ** 2) ** 2
        system = _System(rows, columns, trusted, stiffness)
        for axis in (0, 1):
            right = rows.T @ (trusted * shifts.shift_um[..., axis]) @ columns
            control[..., axis] = _solve(system, np.asarray(right), control[..., axis])
    return control


def _basis(places_um: Plane, spacing_um: float, count: int) -> sparse.csr_array:
    """How much each control point has to say at each place, ``(N, count)``."""
    squares = count - 3
    place = np.clip(places_um / spacing_um, 0, squares)
    first = np.minimum(place.astype(np.intp), squares - 1)
    weights = bspline_weights(place - first)
    at = np.repeat(np.arange(len(place)), 4), (first[:, None] + np.arange(4)).ravel()
    return sparse.csr_array((weights.ravel(), at), shape=(len(place), count))


def _expand(control: Plane, rows: sparse.csr_array, columns: sparse.csr_array) -> Plane:
    """A field ``(R, C, 2)`` on the lattice of the measurements."""
    planes = [(columns @ (rows @ control[..., axis]).T).T for axis in (0, 1)]
    return np.stack(planes, axis=-1)


@dataclass(frozen=True, eq=False)
class _System:
    """The left side of the normal equations of one component."""

    rows: sparse.csr_array
    columns: sparse.csr_array
    weight: Plane
    stiffness: float

    def __call__(self, control: Plane) -> Plane:
        seen = (self.columns @ (self.rows @ control).T).T
        told = self.rows.T @ (self.columns.T @ (self.weight * seen).T).T
        return np.asarray(told + self.stiffness * _bending(control))

    @property
    def diagonal(self) -> Plane:
        """Its diagonal, ``(R + 3, C + 3)``."""
        squares = [basis.multiply(basis) for basis in (self.rows, self.columns)]
        data = squares[0].T @ (squares[1].T @ self.weight.T).T
        return np.asarray(data + self.stiffness * 20)


def _bending(control: Plane) -> Plane:
    """Gradient of the energy of a thin plate and of a little of a membrane's, ``(R, C)``."""
    out = np.zeros_like(control)
    for axis in (0, 1):
        out += _across(control, axis, 2)
        out += _SLOPE_PRICE * _across(control, axis, 1)
    twist = np.diff(np.diff(control, axis=0), axis=1)
    for axis in (1, 0):
        twist = _adjoint(twist, axis)
    return out + 2 * twist


def _across(plane: Plane, axis: int, order: int) -> Plane:
    """Differences of an order along an axis, and their adjoint."""
    out = np.diff(plane, n=order, axis=axis)
    for _ in range(order):
        out = _adjoint(out, axis)
    return out


def _adjoint(plane: Plane, axis: int) -> Plane:
    """The adjoint of `numpy.diff`."""
    rows, columns = plane.shape
    out = np.zeros((rows + 1, columns) if axis == 0 else (rows, columns + 1))
    # Not numpy.pad: this is the innermost of all loops, and that takes ten times as long.
    along, found = (plane, out) if axis == 0 else (plane.T, out.T)
    found[:-1] -= along
    found[1:] += along
    return out


def _solve(system: _System, right: Plane, start: Plane) -> Plane:
    """Conjugate gradients with the diagonal as preconditioner."""
    found = start.copy()
    rest = right - system(found)
    scale = system.diagonal
    step = ahead = rest / scale
    power = float((rest * ahead).sum())
    enough = _ENOUGH**2 * max(float((right * right / scale).sum()), 1e-12)
    for _ in range(_MOST_STEPS):
        if power <= enough:
            break
        image = system(step)
        length = power / float((step * image).sum())
        found += length * step
        rest -= length * image
        ahead = rest / scale
        before, power = power, float((rest * ahead).sum())
        step = ahead + power / before * step
    return found
