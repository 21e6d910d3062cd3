"""In which order kinds follow each other so that their shares hold wherever the reader stops."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TypeVar

_Kind = TypeVar("_Kind")


def mixed_kinds(count: int, shares: Mapping[_Kind, Fraction]) -> list[_Kind]:
    """A sequence in every beginning of which each kind is there as often as its share asks.

    Of a beginning of n places, a kind of share s has s·n, give or take 3/4 of a place where there
    are three kinds, and always less than one (Tijdeman R. The chairman assignment problem. Discrete
    Mathematics 1980).

    Args:
        count: How many places.
        shares: Of each kind, 0 or more; they sum to 1. Of kinds that are due alike, the first
            comes.
    """
    kinds = [kind for kind, share in shares.items() if share > 0]
    if len(kinds) < 2:
        return kinds * count
    least = Fraction(1, 2 * (len(kinds) - 1))
    given = dict.fromkeys(kinds, 0)
    order: list[_Kind] = []
    for place in range(1, count + 1):
        due = {kind: shares[kind] * place - given[kind] for kind in kinds}
        ready = [kind for kind in kinds if due[kind] >= least]
        # Who would be owed too much soonest; the fractions are exact, so nothing is decided by
        # rounding.
        chosen = min(ready, key=lambda kind: (1 - least - due[kind]) / shares[kind])
        given[chosen] += 1
        order.append(chosen)
    return order
