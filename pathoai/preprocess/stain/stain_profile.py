"""What the stains of one slide look like."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pathoai.errors import InvalidValueError

# Estimates on H&E lie 20° to 60° apart; closer together, noise decides which stain is which.
_LEAST_ANGLE_DEGREES = 5.0
_LEAST_AMOUNT = 0.05
_REMEDY = "use fixed vectors (method hematoxylin-eosin), or the profile of another slide"

Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class StainProfile:
    """The two stains of a slide and how much of each its darkest pixels hold.

    Args:
        matrix: Unit vectors of optical density in red, green and blue; hematoxylin, the one that
            takes more red, first.
        maximum: 99th percentile of the amount of each, optical density, natural logarithm.
        method: How the vectors were found.
        source_sha256: Identity of the store they are from; empty for none.

    Raises:
        InvalidValueError: Vectors that are not of unit length, in the wrong order or nearly
            parallel, or no amount of a stain: the slide then shows one stain only.
    """

    matrix: tuple[Vector, Vector]
    maximum: tuple[float, float]
    method: str
    source_sha256: str = ""

    def __post_init__(self) -> None:
        """Refuse vectors that cannot tell two stains apart."""
        rows = np.asarray(self.matrix, np.float64)
        lengths = np.linalg.norm(rows, axis=-1)
        if rows.shape != (2, 3) or not np.allclose(lengths, 1, rtol=0, atol=1e-3):
            raise InvalidValueError(
                "stain vectors", found=rows.tolist(), allowed="two of unit length, red green blue"
            )
        if rows[0, 0] < rows[1, 0]:
            raise InvalidValueError(
                "stain vectors in the wrong order",
                found=rows.tolist(),
                allowed="hematoxylin first: it takes more red than the other",
            )
        angle = float(np.degrees(np.arccos(np.clip(rows[0] @ rows[1], -1, 1))))
        if angle < _LEAST_ANGLE_DEGREES:
            raise InvalidValueError(
                "the slide shows one stain only",
                found=f"stain vectors {angle:.1f}° apart",
                allowed=f"{_LEAST_ANGLE_DEGREES:g}° or more",
                remedy=_REMEDY,
            )
        highest = np.asarray(self.maximum, np.float64)
        if highest.shape != (2,) or not (
            np.isfinite(highest).all() and (highest >= _LEAST_AMOUNT).all()
        ):
            raise InvalidValueError(
                "the slide shows one stain only",
                found=f"largest amounts {self.maximum}",
                allowed=f"two of {_LEAST_AMOUNT} or more",
                remedy=_REMEDY,
            )

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> StainProfile:
        """The profile that `to_dict` wrote.

        Raises:
            InvalidValueError: Fields are missing, unknown or malformed.
        """
        try:
            values = {**found}
            first, second = (read_vector(row) for row in values.pop("matrix"))
            one, two = (float(v) for v in values.pop("maximum"))
            texts = {key: read_text(value) for key, value in values.items()}
            return cls((first, second), (one, two), **texts)
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, InvalidValueError):
                raise
            raise InvalidValueError("a stain profile is malformed", found=str(error)) from error


def read_vector(row: Iterable[float]) -> Vector:
    """Three numbers; TypeError or ValueError for anything else."""
    red, green, blue = (float(value) for value in row)
    return red, green, blue


def read_text(value: object) -> str:
    """A text; TypeError for anything else."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
