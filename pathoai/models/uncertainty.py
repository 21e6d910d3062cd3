"""How unsure several members are of a class: together, each alone, and between each other.

Members are networks of an ensemble (Lakshminarayanan B et al. NeurIPS 2017), or one network on
turned copies of the image. Mutual information is what they disagree about: more data would lower it
(*epistemic*); the rest of the entropy is what all of them find unclear (Houlsby N et al. Bayesian
active learning for classification. 2011).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.metrics.class_probabilities import check_probabilities
from pathoai.metrics.expected_cost import CostMatrix

_Floats = NDArray[np.floating[Any]]


def entropy(probabilities: _Floats, axis: int = -1) -> NDArray[np.float64]:
    """Shannon entropy, −Σ p ln p, in nats: 0 for certainty, ln K where all classes are alike.

    Args:
        probabilities: 0 to 1, summing to 1 along ``axis``; not checked, since images are large.
        axis: Of the classes; it is gone from the result.
    """
    found = np.asarray(probabilities, np.float64)
    logarithm = np.log(found, out=np.zeros_like(found), where=found > 0)
    return np.asarray(np.maximum(0.0, -(found * logarithm).sum(axis=axis)))


def relative_entropy(probabilities: _Floats, axis: int = -1) -> NDArray[np.float64]:
    """Entropy divided by its largest value, ln K: 0 to 1, whatever the number of classes.

    Args and result are those of `entropy`.
    """
    classes = np.shape(probabilities)[axis]
    return np.asarray(np.minimum(1.0, entropy(probabilities, axis) / np.log(classes)))


def mean_probability(members: _Floats) -> NDArray[np.float64]:
    """What the members say together, ``(N, K)`` float64.

    Args:
        members: ``(M, N, K)`` probabilities.

    Raises:
        InvalidValueError: Another shape, or rows that are no probabilities.
    """
    return np.asarray(_checked(members).mean(axis=0))


def predictive_entropy(members: _Floats) -> NDArray[np.float64]:
    """Entropy of the mean probability, ``(N,)`` nats: all there is of uncertainty.

    Args and errors are those of `mean_probability`.
    """
    return entropy(mean_probability(members))


def mutual_information(members: _Floats) -> NDArray[np.float64]:
    """Entropy of the mean less the mean of entropies, ``(N,)`` nats: what members disagree about.

    Args and errors are those of `mean_probability`.
    """
    found = _checked(members)
    between = entropy(found.mean(axis=0)) - entropy(found).mean(axis=0)
    return np.asarray(np.maximum(0.0, between))


def decision_cost(members: _Floats, costs: CostMatrix) -> NDArray[np.float64]:
    """What the cheapest decision is still expected to cost, ``(N,)``: 0 where it cannot be wrong.

    Args:
        members: ``(M, N, K)`` probabilities of the matrix's classes.
        costs: What each decision costs under each truth.

    Raises:
        InvalidValueError: As for `mean_probability`, or other classes than the matrix has.
    """
    return np.asarray(costs.expected(mean_probability(members)).min(axis=1))


def margin(members: _Floats) -> NDArray[np.float64]:
    """Mean probability of the first class less that of the second, ``(N,)``: small where close.

    Args and errors are those of `mean_probability`.
    """
    ranked = np.sort(mean_probability(members), axis=1)
    return np.asarray(ranked[:, -1] - ranked[:, -2])


def _checked(members: _Floats) -> NDArray[np.float64]:
    if np.ndim(members) != 3 or not len(members):
        raise InvalidValueError(
            "probabilities of members", found=f"shape {np.shape(members)}", allowed="(M, N, K)"
        )
    return np.stack([check_probabilities(member) for member in members])
