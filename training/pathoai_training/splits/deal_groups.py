"""Deal groups of slides to parts of stated shares, alike in grades and sizes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import LeakError
from pathoai.study.cohort import CohortRow

Group = tuple[CohortRow, ...]


def deal_groups(
    groups: Sequence[Group],
    shares: Mapping[str, float],
    ranks: Mapping[str, int],
    *,
    seed: int,
) -> list[str]:
    """Give each group to one part, greedily: to the part that it brings nearest to its target.

    Large groups come first, those of one size in the order of a hash of seed and content. Counted
    are slides, slides of each rank, and groups of each worst rank; the distance is Pearson's
    chi-square to what the shares would give. A worst rank that enough groups have is in each part.

    Args:
        groups: Slides that belong together.
        shares: Part → share of the slides; they add up to 1.
        ranks: Slide id → rank of its grade, -1 where not known. All alike means: not stratified.
        seed: Of the order.

    Returns:
        Part of each group.

    Raises:
        LeakError: Fewer groups than parts.
    """
    parts = tuple(shares)
    if len(groups) < len(parts):
        raise LeakError(
            "too few groups of slides to keep apart",
            found=f"{len(groups)} groups in {sum(map(len, groups))} slides",
            allowed=f"{len(parts)} or more, for {', '.join(parts)}",
            remedy="add slides, ask for fewer folds, or link by fewer of patient, block and centre",
        )
    worst = [max(ranks[row.slide_id] for row in group) for group in groups]
    counts = _counts(groups, ranks, worst)
    targets = np.outer(list(shares.values()), counts.sum(0))
    filled = np.zeros_like(targets)
    left = Counter(worst)
    has: dict[int, set[int]] = {rank: set() for rank in left}
    dealt = [""] * len(groups)
    for place in sorted(range(len(groups)), key=lambda i: _order(groups[i], seed)):
        rank = worst[place]
        empty = [part for part in range(len(parts)) if part not in has[rank]]
        allowed = empty if left[rank] <= len(empty) else list(range(len(parts)))
        part = _nearest(counts[place], filled, targets, allowed)
        dealt[place] = parts[part]
        filled[part] += counts[place]
        has[rank].add(part)
        left[rank] -= 1
    return dealt


def _counts(
    groups: Sequence[Group], ranks: Mapping[str, int], worst: Sequence[int]
) -> NDArray[np.float64]:
    """What each group brings: slides, slides of each rank, and itself to its worst rank."""
    column = {rank: i for i, rank in enumerate(sorted(set(ranks.values())), start=1)}
    counts = np.zeros((len(groups), 1 + 2 * len(column)))
    for i, (group, rank) in enumerate(zip(groups, worst, strict=True)):
        counts[i, 0] = len(group)
        for row in group:
            counts[i, column[ranks[row.slide_id]]] += 1
        counts[i, len(column) + column[rank]] = 1
    return counts


def _order(group: Group, seed: int) -> tuple[int, str]:
    text = "\0".join([str(seed), *(row.slide_id for row in group)])
    return -len(group), hashlib.sha256(text.encode()).hexdigest()


def _nearest(
    brought: NDArray[np.float64],
    filled: NDArray[np.float64],
    targets: NDArray[np.float64],
    allowed: Sequence[int],
) -> int:
    """The part whose chi-square grows least; the emptier one where two are alike."""
    some = brought > 0
    change = brought * (2 * (filled - targets) + brought)
    growth = np.round((change[:, some] / targets[:, some]).sum(1), 9)
    return min(allowed, key=lambda part: (growth[part], filled[part, 0], part))
