"""What points that a person marked on both slides say of an alignment.

TRE is how far a carried point lies from where it was marked, rTRE that distance over the diagonal
of the image it was carried to (ANHIR: Borovec et al., IEEE TMI 2020).
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError, MissingFileError
from pathoai.registration.transform import PointMap

_COLUMNS = ("x", "y")
_NUMBER_COLUMNS = ("", "id", "landmark", "name", "index")


@dataclass(frozen=True, slots=True)
class LandmarkError:
    """How far landmarks of the moving slide, carried to the fixed one, miss theirs.

    Args:
        count: How many landmarks there are.
        median_um: Median of the target registration error, µm of the fixed slide.
        p90_um: Its 90th percentile.
        largest_um: The worst.
        diagonal_um: Diagonal of the fixed slide's canvas.
    """

    count: int
    median_um: float
    p90_um: float
    largest_um: float
    diagonal_um: float

    def __post_init__(self) -> None:
        """Refuse what cannot have been measured."""
        numbers = (self.median_um, self.p90_um, self.largest_um)
        ordered = 0 <= self.median_um <= self.p90_um <= self.largest_um < math.inf
        if self.count < 1 or not ordered or not 0 < self.diagonal_um < math.inf:
            raise InvalidValueError(
                "malformed errors of landmarks",
                found=f"{self.count} landmarks, {numbers} µm, diagonal {self.diagonal_um} µm",
            )

    @property
    def median_rtre(self) -> float:
        """Median error as a share of the diagonal."""
        return self.median_um / self.diagonal_um

    @property
    def p90_rtre(self) -> float:
        """90th percentile of the error as a share of the diagonal."""
        return self.p90_um / self.diagonal_um


def landmark_error(
    transform: PointMap, fixed_px: NDArray[np.float64], moving_px: NDArray[np.float64]
) -> LandmarkError:
    """Compare landmarks with where the transform carries their partners.

    Args:
        transform: Between both slides.
        fixed_px: ``(N, 2)`` landmarks on the fixed slide, level-0 pixels.
        moving_px: ``(N, 2)`` the same on the moving one.

    Raises:
        InvalidValueError: There are none, or not as many on both.
    """
    if fixed_px.shape != moving_px.shape or fixed_px.ndim != 2 or not len(fixed_px):
        raise InvalidValueError(
            "landmarks come in pairs",
            found=f"{len(fixed_px)} on {transform.fixed.slide_id}, "
            f"{len(moving_px)} on {transform.moving.slide_id}",
        )
    carried = transform.to_fixed(transform.moving.to_um(moving_px))
    missed = np.linalg.norm(carried - transform.fixed.to_um(fixed_px), axis=1)
    median, p90 = (float(np.percentile(missed, q)) for q in (50, 90))
    return LandmarkError(len(missed), median, p90, float(missed.max()), transform.fixed.diagonal_um)


def read_landmarks(
    fixed_csv: Path, moving_csv: Path
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read landmarks of two slides.

    Each file has the columns X and Y in level-0 pixels, and may have one before them with the
    landmark's name; landmarks are paired by it, and by their order where there is none.

    Args:
        fixed_csv: Landmarks of the fixed slide.
        moving_csv: Landmarks of the moving one.

    Returns:
        Two arrays ``(N, 2)``.

    Raises:
        MissingFileError: A file is not there.
        InvalidValueError: A file is malformed, or a landmark is on one slide only.
    """
    fixed, moving = _read(fixed_csv), _read(moving_csv)
    if set(fixed) != set(moving):
        alone = sorted(set(fixed) ^ set(moving))
        raise InvalidValueError(
            "a landmark is on one of the slides only",
            where=f"{fixed_csv.name}, {moving_csv.name}",
            found=", ".join(alone[:5]) + (", …" if len(alone) > 5 else ""),
            remedy="mark it on the other slide, or delete its line",
        )
    names = list(fixed)
    return np.array([fixed[n] for n in names]), np.array([moving[n] for n in names])


def _read(path: Path) -> dict[str, tuple[float, float]]:
    """Points by name, or by number where there are no names."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *rows = [row for row in csv.reader(file) if row]
    except FileNotFoundError as error:
        raise MissingFileError("there is no such file", where=path.name) from error
    except (ValueError, csv.Error) as error:
        raise _malformed(path, str(error)) from error
    heads = [head.strip().lower() for head in header]
    named = heads[0] in _NUMBER_COLUMNS
    if heads[int(named) :] != list(_COLUMNS):
        raise _malformed(path, ", ".join(header))
    points: dict[str, tuple[float, float]] = {}
    for number, row in enumerate(rows, start=1):
        name = row[0].strip() if named else str(number)
        if name in points:
            raise _malformed(path, f"landmark {name} twice")
        points[name] = _point(path, row[int(named) :])
    if not points:
        raise _malformed(path, "no landmark")
    return points


def _point(path: Path, cells: list[str]) -> tuple[float, float]:
    try:
        x, y = (float(cell) for cell in cells)
    except ValueError as error:
        raise _malformed(path, ", ".join(cells)) from error
    if not (math.isfinite(x) and math.isfinite(y)):
        raise _malformed(path, ", ".join(cells))
    return x, y


def _malformed(path: Path, found: str) -> InvalidValueError:
    return InvalidValueError(
        "not a table of landmarks",
        where=path.name,
        found=found or "nothing",
        allowed="columns X and Y in level-0 pixels, after a column with names or none",
    )
