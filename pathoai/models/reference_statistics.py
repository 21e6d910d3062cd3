"""How far something new is from what a model was trained on: out-of-distribution distance.

Mahalanobis distance (Lee K et al. A simple unified framework for detecting out-of-distribution
samples. NeurIPS 2018) under a shrunk covariance (Ledoit O, Wolf M. J Multivar Anal 2004). Distances
of the training data themselves are taken with their own group, e.g. their slide, left out: only so
can new ones be compared with them. Percentiles are conformal (Vovk V et al. Algorithmic learning in
a random world. 2005): of things like the training data, at most 1 − q/100 come out above q,
whatever their distribution.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pathoai.errors import InvalidValueError

LEAST_VECTORS = 3
_MOST_DIMENSIONS = 64
_MOST_FOLDS = 20
_FLOOR = 1e-6
"""Of the mean variance: a feature that never varied must not make every distance infinite."""
_SIGNS_KEY = 20181203


@dataclass(frozen=True)
class ReferenceStatistics:
    """Mean, covariance and left-out distances of reference vectors.

    Args:
        dimensions: D of the vectors, before projection.
        mean: ``(P,)``; P is D, or 64 where D is more: longer vectors are projected by fixed random
            signs (Achlioptas D. J Comput Syst Sci 2003).
        covariance: ``(P, P)``, shrunk.
        distances: ``(N,)`` ascending, of each reference vector from the groups it is not in.

    Raises:
        InvalidValueError: Shapes that contradict each other, or no distances.
    """

    dimensions: int
    mean: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    distances: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse what no distance could be computed with."""
        size = min(self.dimensions, _MOST_DIMENSIONS)
        shapes = (len(self.mean), np.shape(self.covariance))
        if shapes != (size, (size, size)) or not self.distances:
            raise InvalidValueError(
                "reference statistics of other sizes",
                found=f"mean and covariance {shapes}, {len(self.distances)} distances",
                allowed=f"{size} dimensions, and at least one distance",
            )

    @classmethod
    def of(
        cls, vectors: ArrayLike, groups: ArrayLike | None = None, *, noise: float = 0.0
    ) -> ReferenceStatistics:
        """Statistics of reference vectors.

        Args:
            vectors: ``(N, D)``, e.g. of tiles, or one per slide.
            groups: ``(N,)`` which of them belong together, e.g. each tile's slide; each stands for
                itself where None.
            noise: Deviation that means nothing, in the vectors' unit: a few references that happen
                to be alike must not make everything else look far.

        Raises:
            InvalidValueError: Another shape, values that are not finite, or fewer than 3 vectors.
        """
        raw = _checked(vectors)
        if len(raw) < LEAST_VECTORS:
            raise InvalidValueError(
                "too few reference vectors", found=len(raw), allowed=f"{LEAST_VECTORS} or more"
            )
        found = _projected(raw)
        mean, covariance = _fit(found, noise)
        left_out = np.sort(_left_out_distances(found, _folds(groups, len(found)), noise))
        return cls(
            raw.shape[1],
            tuple(mean.tolist()),
            tuple(tuple(row) for row in covariance.tolist()),
            tuple(left_out.tolist()),
        )

    def distance(self, vectors: ArrayLike) -> NDArray[np.float64]:
        """Mahalanobis distance of vectors ``(N, D)`` from the reference, ``(N,)``.

        Raises:
            InvalidValueError: Another shape, or values that are not finite.
        """
        found = _checked(vectors)
        if found.shape[1] != self.dimensions:
            raise InvalidValueError(
                "vectors of another length", found=found.shape[1], allowed=self.dimensions
            )
        return _distance(_projected(found), np.array(self.mean), np.array(self.covariance))

    def percentile(self, distances: ArrayLike) -> NDArray[np.float64]:
        """How unusual distances are, ``(N,)``, 0 to below 100.

        100 − 100·(1 + number of reference distances at least as large) / (N + 1).

        Args:
            distances: Of :meth:`distance`.
        """
        known = np.array(self.distances)
        at_least = len(known) - np.searchsorted(known, np.asarray(distances, np.float64), "left")
        return np.asarray(100 * (1 - (1 + at_least) / (len(known) + 1)))

    @property
    def highest_percentile(self) -> float:
        """What is given to everything farther than all of the reference: few cannot say more."""
        return 100 * (1 - 1 / (len(self.distances) + 1))

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> ReferenceStatistics:
        """The statistics that `to_dict` wrote.

        Raises:
            InvalidValueError: Fields are missing, unknown or malformed.
        """
        try:
            content = dict(raw)
            rows = tuple(tuple(float(v) for v in row) for row in content.pop("covariance"))
            columns = {k: tuple(map(float, content.pop(k))) for k in ("mean", "distances")}
            return cls(int(content.pop("dimensions")), covariance=rows, **columns, **content)
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, InvalidValueError):
                raise
            raise InvalidValueError(
                "malformed reference statistics",
                found=str(error),
                allowed="dimensions, mean, covariance, distances",
            ) from error


def shrunk_covariance(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ledoit and Wolf's covariance of vectors ``(N, P)``, ``(P, P)``.

    The sample covariance is drawn towards a multiple of the identity, the more the fewer vectors.
    """
    count, size = vectors.shape
    centred = vectors - vectors.mean(axis=0)
    sample = centred.T @ centred / count
    scale = np.trace(sample) / size
    target = scale * np.eye(size)
    spread = ((sample - target) ** 2).sum()
    # Σ over vectors of ‖x xᵀ − S‖², expanded so that no (N, P, P) array is made.
    lengths = (centred**2).sum(axis=1)
    noise = min(((lengths**2).sum() / count - (sample**2).sum()) / count, spread)
    weight = noise / spread if spread > 0 else 1.0
    return np.asarray(weight * target + (1 - weight) * sample)


def _checked(vectors: ArrayLike) -> NDArray[np.float64]:
    found = np.asarray(vectors, np.float64)
    if found.ndim != 2 or not found.shape[1] or not np.isfinite(found).all():
        raise InvalidValueError(
            "reference vectors", found=f"shape {found.shape}", allowed="(N, D), finite"
        )
    return found


def _projected(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    size = vectors.shape[1]
    if size <= _MOST_DIMENSIONS:
        return vectors
    # Raw bits of Philox are the same in every version of numpy; its distributions may change.
    bits = np.random.Philox(key=_SIGNS_KEY).random_raw(size * _MOST_DIMENSIONS) & 1
    signs = 2.0 * bits.reshape(size, _MOST_DIMENSIONS) - 1
    return np.asarray(vectors @ signs / np.sqrt(_MOST_DIMENSIONS))


def _fit(
    vectors: NDArray[np.float64], noise: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    covariance = shrunk_covariance(vectors)
    floor = _FLOOR * max(float(np.trace(covariance)) / len(covariance), _FLOOR)
    return vectors.mean(axis=0), covariance + (floor + noise**2) * np.eye(len(covariance))


def _distance(
    vectors: NDArray[np.float64], mean: NDArray[np.float64], covariance: NDArray[np.float64]
) -> NDArray[np.float64]:
    centred = vectors - mean
    solved = np.linalg.solve(covariance, centred.T).T
    return np.asarray(np.sqrt(np.maximum(0.0, (centred * solved).sum(axis=1))))


def _folds(groups: ArrayLike | None, count: int) -> NDArray[np.int64]:
    """Which vectors are left out together; one group alone is taken apart, having no others."""
    _, group = np.unique(np.arange(count) if groups is None else groups, return_inverse=True)
    if len(group) != count:
        raise InvalidValueError("groups of vectors", found=len(group), allowed=count)
    if not group.any():
        group = np.arange(count)
    return np.asarray(group % _MOST_FOLDS)


def _left_out_distances(
    vectors: NDArray[np.float64], folds: NDArray[np.int64], noise: float
) -> NDArray[np.float64]:
    distances = np.zeros(len(vectors))
    for fold in np.unique(folds):
        out = folds == fold
        distances[out] = _distance(vectors[out], *_fit(vectors[~out], noise))
    return distances
