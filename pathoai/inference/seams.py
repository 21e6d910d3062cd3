"""Objects that several shards see: one each, whoever saw it.

Whole views are believed first, and of these the one whose shard holds the middle of the object's
window (its owner). What was mostly given to another is the same object again; what only meets one
gives up the pixels that both want. What no shard sees whole is larger than the margin: each
shard's piece on its own ground remains, and pieces that meet at a seam are one object where both
shards see them as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from pathoai.inference.blocks import Blocks
from pathoai.inference.patch import Patch
from pathoai.inference.views import View
from pathoai.vector.linked_groups import linked_groups


@dataclass(slots=True, eq=False)
class SeamObject:
    """An object near a seam, once it is settled.

    Args:
        patches: Its pixels: one patch, or one for each shard that saw a piece of it.
        number: Its number on the slide; 0 while it has none.
    """

    patches: tuple[Patch, ...]
    number: int = 0


def settled(
    views: Sequence[View], blocks: Blocks, *, unseen_from: float, smallest_px: float
) -> tuple[list[SeamObject], list[View]]:
    """Settle all views that nothing which comes later can touch.

    Args:
        views: Of all shards down to some row of shards; their order makes no difference.
        blocks: All shards.
        unseen_from: First row of pixels that shards see whose views are not there yet.
        smallest_px: Smaller remains are no objects.

    Returns:
        The objects, and the views that wait.
    """
    objects: list[SeamObject] = []
    waiting: list[View] = []
    for members in linked_groups(len(views), _overlaps(views)):
        group = [views[i] for i in members]
        if any(view.patch.window[0].stop > unseen_from for view in group):
            waiting += group
        else:
            objects += settle(group, blocks, smallest_px)
    return objects, waiting


def settle(group: Iterable[View], blocks: Blocks, smallest_px: float) -> list[SeamObject]:
    """The objects that overlapping views show, each pixel in one of them at most."""
    views = sorted(group, key=lambda view: view.rank)
    given: list[Patch] = []
    for view in views:
        if not view.cut:
            left = _left_of(view.patch, given)
            given += [part for part in left if part.area_px >= smallest_px]
    pieces = [
        (view, piece)
        for view in views
        if view.cut
        for piece in _left_of(view.patch.inside(blocks.ground(view.shard)), given)
    ]
    united = [tuple(pieces[i][1] for i in members) for members in _united(pieces)]
    large = [u for u in united if sum(piece.area_px for piece in u) >= smallest_px]
    return [SeamObject((patch,)) for patch in given] + [SeamObject(patches) for patches in large]


def _left_of(patch: Patch, given: Sequence[Patch]) -> list[Patch]:
    """The connected parts of what was not given away; none where that is half of it or more."""
    left = patch.without(given)
    if 2 * left.area_px <= patch.area_px:
        return []
    return list(left.parts())


def _overlaps(views: Sequence[View]) -> list[tuple[int, int]]:
    """Pairs of views of different shards with a pixel in common."""
    return [
        (i, j)
        for i, j in _near([view.patch for view in views])
        if views[i].shard != views[j].shard and views[i].patch.common_px(views[j].patch)
    ]


def _near(patches: Sequence[Patch]) -> list[tuple[int, int]]:
    """Pairs i < j of patches whose windows overlap or touch, in order."""
    windows = [patch.window for patch in patches]
    corners = np.array([(c.start, r.start, c.stop, r.stop) for r, c in windows], np.float64)
    boxes = shapely.box(*corners.reshape(-1, 4).T)
    one, other = shapely.STRtree(boxes).query(boxes)
    first = one < other
    order = np.lexsort((other[first], one[first]))
    return list(zip(one[first][order].tolist(), other[first][order].tolist(), strict=True))


def _united(pieces: Sequence[tuple[View, Patch]]) -> list[list[int]]:
    """Which pieces are one object: neighbours across a seam, where both shards see them as one."""
    pairs = [
        (i, j)
        for i, j in _near([piece for _, piece in pieces])
        if pieces[i][0].shard != pieces[j][0].shard and _are_one(pieces[i], pieces[j])
    ]
    return linked_groups(len(pieces), pairs)


def _are_one(one: tuple[View, Patch], other: tuple[View, Patch]) -> bool:
    """True where pixels are neighbours, and most of these pairs lie in either shard's view."""
    rows, columns = one[1].window
    wide = slice(rows.start - 1, rows.stop + 1), slice(columns.start - 1, columns.stop + 1)
    here, there = one[1].on(wide), other[1].on(wide)
    in_one, in_other = one[0].patch.on(wide), other[0].patch.on(wide)
    pairs = confirmed = 0
    for turn in range(4):
        mine, its, of_mine, of_its = (np.rot90(m, turn) for m in (here, there, in_one, in_other))
        touch = mine[1:] & its[:-1]
        pairs += int(np.count_nonzero(touch))
        confirmed += int(np.count_nonzero(touch & of_mine[:-1] & of_its[1:]))
    return 2 * confirmed > pairs
