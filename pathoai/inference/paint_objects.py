"""From what shards see to one raster of numbered objects, row by row of shards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pathoai.inference.blocks import Blocks
from pathoai.inference.seams import SeamObject, settled
from pathoai.inference.views import View, is_quiet, views_near_border
from pathoai.store.shards import Shard

ReadNumbers = Callable[[Shard], NDArray[np.uint32]]
"""What a shard sees, numbered: ``(H, W)`` uint32 of ``number_block``."""


def paint_objects(
    read: ReadNumbers, blocks: Blocks, smallest_px: float
) -> Iterator[tuple[Shard, NDArray[np.uint32]]]:
    """Number the objects of a whole raster, each once, wherever shards end.

    Numbers run in the order in which one meets the objects, shard by shard and row by row. At most
    two rows of shards are under way: of these, what lies near borders is held, and nothing else
    (objects that are higher than a shard are held until their end).

    Args:
        read: What a shard sees; read twice.
        blocks: The shards.
        smallest_px: Smaller remains of what two shards see differently are no objects.

    Yields:
        Each shard, row by row, and its numbers ``(h, w)`` uint32, 0 outside objects.
    """
    painter, waiting, painted = _Painter(read, blocks), list[View](), 0
    for row in range(blocks.rows):
        for column in range(blocks.columns):
            waiting += views_near_border(read((row, column)), (row, column), blocks)
        last = row + 1 == blocks.rows
        unseen_from = np.inf if last else blocks.seen((row + 1, 0))[0].start
        objects, waiting = settled(
            waiting, blocks, unseen_from=unseen_from, smallest_px=smallest_px
        )
        painter.add(objects)
        highest = min((view.patch.y for view in waiting), default=blocks.shape[0])
        # The next row of shards sees into this one.
        complete = blocks.rows if last else min(row, highest // blocks.shard_px)
        for ready in range(painted, complete):
            for column in range(blocks.columns):
                yield (ready, column), painter.paint((ready, column))
        painted = max(painted, complete)


@dataclass
class _Painter:
    """Paints shards, and counts the objects that it meets."""

    read: ReadNumbers
    blocks: Blocks
    count: int = 0
    near_seams: dict[Shard, list[SeamObject]] = field(default_factory=lambda: defaultdict(list))

    def add(self, objects: list[SeamObject]) -> None:
        """Settle what lies near seams, before the shards under it are painted."""
        for one in objects:
            under = {s for patch in one.patches for s in self.blocks.shards_under(patch.window)}
            for shard in under:
                self.near_seams[shard].append(one)

    def paint(self, shard: Shard) -> NDArray[np.uint32]:
        """The numbers of a shard."""
        numbers = self.read(shard)
        quiet = is_quiet(numbers, shard, self.blocks)
        own = numbers[self.blocks.within(shard)]
        raster = np.where(quiet[own], own, 0).astype(np.int64)
        near, first = self.near_seams.pop(shard, []), len(quiet)
        rows, columns = self.blocks.ground(shard)
        for value, one in enumerate(near, start=first):
            for patch in one.patches:
                patch.paste(raster, value, y=rows.start, x=columns.start)
        final = np.zeros(first + len(near), np.uint32)
        final[first:] = [one.number for one in near]
        met = _in_order_of_place(raster)
        new = met[final[met] == 0]
        final[new] = self.count + 1 + np.arange(len(new))
        self.count += len(new)
        for value, one in enumerate(near, start=first):
            one.number = int(final[value])
        return final[raster]


def _in_order_of_place(raster: NDArray[np.int64]) -> NDArray[np.int64]:
    """The values but 0, in the order in which one meets them, row by row."""
    values = raster[raster > 0]
    found, first = np.unique(values, return_index=True)
    return np.asarray(found[np.argsort(first)])
