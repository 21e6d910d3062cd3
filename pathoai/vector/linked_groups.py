"""Things that are linked by pairs, as groups."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def group_of_each(
    count: int, one: NDArray[np.integer], other: NDArray[np.integer]
) -> NDArray[np.int32]:
    """The connected component of each thing in a graph.

    Args:
        count: How many things there are, numbered from 0.
        one: Of each pair that is linked, one.
        other: And the other.

    Returns:
        ``(count,)``: the number of each one's group, counted from 0.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not count:
        return np.empty(0, np.int32)
    graph = coo_array((np.ones(len(one), np.bool_), (one, other)), shape=(count, count))
    _, group = connected_components(graph, directed=False)
    return np.asarray(group, np.int32)


def linked_groups(count: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """The connected components of a graph.

    Args:
        count: How many things there are, numbered from 0.
        pairs: Which of them are linked.

    Returns:
        The numbers of each group's members, ascending; groups in the order of their first member.
    """
    edges = np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
    groups: dict[int, list[int]] = defaultdict(list)
    for index, group in enumerate(group_of_each(count, edges[:, 0], edges[:, 1]).tolist()):
        groups[group].append(index)
    return list(groups.values())
