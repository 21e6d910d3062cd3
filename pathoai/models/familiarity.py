"""How like the slides of the validation a slide is: a model is not to be believed elsewhere.

The distance is Mahalanobis' with a diagonal covariance, of the vector by which the network knows
the slide (Lee K et al. A simple unified framework for detecting out-of-distribution samples.
NeurIPS 2018). What counts as far is told by the validation slides, each measured against the
others: a conformal p-value (Laxhammar R, Falkman G. COPA 2010).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError

UNFAMILIAR = 0.05
"""Share of slides like those of the validation that are called unfamiliar nevertheless."""
_SHRINKAGE = 0.01
"""Of the mean variance, added to each: a unit that never fired would else decide alone."""

Vectors = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Familiarity:
    """What slides of the validation look like to a network.

    Args:
        mean: Of each entry of the vector.
        deviation: Likewise, above 0.
        distances: Of each validation slide from the others, ascending.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    distances: tuple[float, ...]

    @classmethod
    def of(cls, vectors: Vectors) -> Familiarity:
        """From the vectors ``(N, H)`` of the validation slides.

        Raises:
            InvalidValueError: Fewer than three slides.
        """
        rows = np.asarray(vectors, np.float64)
        count = len(rows)
        if rows.ndim != 2 or count < 3:
            raise InvalidValueError(
                "vectors of slides", found=f"shape {rows.shape}", allowed="(3 or more, H)"
            )
        mean = rows.mean(axis=0)
        centred = rows - mean
        others = -centred / (count - 1)  # mean of the others, seen from the mean of all
        variance = (np.square(centred).sum(0) - np.square(centred)) / (count - 1) - others**2
        floor = _SHRINKAGE * variance.mean(axis=1, keepdims=True)
        apart = _distance(centred - others, np.sqrt(np.maximum(variance, 0) + floor))
        spread = centred.var(axis=0)
        deviation = np.sqrt(spread + _SHRINKAGE * spread.mean())
        return cls(tuple(mean.tolist()), tuple(deviation.tolist()), tuple(np.sort(apart).tolist()))

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Familiarity:
        """As it is read from a bundle."""
        return cls(**{name: tuple(values) for name, values in raw.items()})

    def to_dict(self) -> dict[str, Any]:
        """As it is written to a bundle."""
        return asdict(self)

    def p_value(self, vectors: Vectors) -> NDArray[np.float64]:
        """Share of such slides that lie as far out or farther, ``(N,)`` float64, above 0 to 1.

        Args:
            vectors: ``(N, H)``.
        """
        far = _distance(np.asarray(vectors, np.float64) - self.mean, np.asarray(self.deviation))
        farther = len(self.distances) - np.searchsorted(self.distances, far, side="left")
        return np.asarray((farther + 1) / (len(self.distances) + 1))


def _distance(
    differences: NDArray[np.float64], deviation: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Root mean square of the differences in deviations; 0 where nothing varies."""
    safe = np.where(deviation > 0, deviation, 1.0)
    return np.asarray(np.sqrt(np.square(differences / safe).mean(axis=1)))
