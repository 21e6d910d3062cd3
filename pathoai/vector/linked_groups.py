"""Things that are linked by pairs, as groups."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np


def linked_groups(count: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """The connected components of a graph.

    Args:
        count: How many things there are, numbered from 0.
        pairs: Which of them are linked.

    Returns:
        The numbers of each group's members, ascending; groups in the order of their first member.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not count:
        return []
    edges = np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count))
    _, component = connected_components(graph, directed=False)
    groups: dict[int, list[int]] = defaultdict(list)
    for index, group in enumerate(component.tolist()):
        groups[group].append(index)
    return list(groups.values())
