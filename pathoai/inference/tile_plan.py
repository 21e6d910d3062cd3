"""Which tiles are computed, in what order, and how long what they gave is kept.

Shards are visited in vertical stripes, row by row within a stripe. A tile is computed for the first
shard of the stripe that needs it, and kept until the last has it; tiles on the border of two
stripes are computed for both. So each tile is computed once, or at most twice, and what is kept
depends on the width of a stripe, never on the size of the slide. A plan knows no pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.inference.blocks import Blocks
from pathoai.store.shards import SHARD_PX, Shard

Block = tuple[slice, slice]
"""Rows and columns of a raster, or of a lattice."""


@dataclass(frozen=True)
class TileLattice:
    """Square tiles at regular places of a raster.

    Args:
        first_px: Left and top edge of the first tile; may be negative.
        stride_px: From one tile to the next.
        size_px: Side of a tile, no less than the stride.
        wanted: ``(rows, columns)`` bool: the tiles that are there.

    Raises:
        InvalidValueError: Tiles that leave gaps.
    """

    first_px: int
    stride_px: int
    size_px: int
    wanted: NDArray[np.bool_]

    def __post_init__(self) -> None:
        """Refuse gaps."""
        if not 1 <= self.stride_px <= self.size_px:
            raise InvalidValueError(
                "stride of tiles", found=self.stride_px, allowed=f"1 to {self.size_px}"
            )

    def origins_px(self, tiles: NDArray[np.int64]) -> NDArray[np.int64]:
        """Left and top ``(N, 2)`` of tiles given as row and column ``(N, 2)``."""
        return np.asarray(self.first_px + tiles[:, ::-1] * self.stride_px)

    def touching(self, block: Block) -> Block:
        """Rows and columns of the tiles that share a pixel with a block of the raster."""
        rows, columns = (
            slice(
                max(0, (part.start - self.size_px - self.first_px) // self.stride_px + 1),
                max(0, min(count, -((self.first_px - part.stop) // self.stride_px))),
            )
            for part, count in zip(block, self.wanted.shape, strict=True)
        )
        return rows, columns


@dataclass(frozen=True, slots=True)
class ShardStep:
    """One shard, and the tiles that it is blended from.

    Args:
        shard: Row and column.
        around: Rows and columns of pixels that are blended: the shard and its margin.
        inner: Where in these the shard lies.
        tiles: ``(T, 2)`` int64: row and column in the lattice, in the order of summation.
        computed: ``(T,)`` bool: those that are computed now; the others are kept from before.
        kept: ``(T,)`` bool: those that later shards need too; the others can be dropped.
    """

    shard: Shard
    around: Block
    inner: Block
    tiles: NDArray[np.int64]
    computed: NDArray[np.bool_]
    kept: NDArray[np.bool_]


@dataclass(frozen=True)
class TilePlan:
    """How a raster is predicted, shard by shard.

    Args:
        lattice: The tiles.
        shape: Height and width of the raster.
        margin_px: What is blended around a shard, as far as the raster goes.
        most_kept: Tiles that may be kept at any time; a stripe is at least one shard wide, though.
        shard_px: Side of a shard.
    """

    lattice: TileLattice
    shape: tuple[int, int]
    margin_px: int
    most_kept: int
    shard_px: int = SHARD_PX

    @property
    def stripe_shards(self) -> int:
        """Shards across a stripe: as many as ``most_kept`` allows, and at least one."""
        across = -(-self.shape[1] // self.shard_px)
        fitting = (n for n in range(across, 1, -1) if self.kept_bound(n) <= self.most_kept)
        return next(fitting, 1)

    def kept_bound(self, shards: int) -> int:
        """What is never exceeded by the tiles kept at any time, in stripes so many shards wide.

        Needed later are tiles on the lower border of the shards done so far, left and right of the
        present one on different rows of shards, and tiles on the present one's right border.
        """
        reach = self.lattice.size_px + 2 * self.margin_px
        on_a_border = -(-reach // self.lattice.stride_px)
        along_a_shard = -(-(self.shard_px + reach) // self.lattice.stride_px)
        along_a_stripe = -(-(shards * self.shard_px + reach) // self.lattice.stride_px)
        return on_a_border * (along_a_stripe + on_a_border + along_a_shard)

    def steps(self, shards: Iterable[Shard]) -> Iterator[ShardStep]:
        """What is done for some of the shards, e.g. those that an earlier run has left.

        The tiles of a shard, and the order in which they are added, do not depend on the others.
        """
        width = self.stripe_shards

        def stripe_of(shard: Shard) -> int:
            return shard[1] // width

        for _, stripe in groupby(sorted(shards, key=lambda s: (stripe_of(s), s)), stripe_of):
            yield from self._stripe(list(stripe))

    def _stripe(self, shards: list[Shard]) -> Iterator[ShardStep]:
        wanted = self.lattice.wanted
        parts = [self._needed(shard) for shard in shards]
        last = np.full(wanted.shape, -1, np.int32)
        for number, part in enumerate(parts):
            last[part] = number
        begun = np.zeros(wanted.shape, bool)
        for number, (shard, part) in enumerate(zip(shards, parts, strict=True)):
            there = wanted[part]
            yield ShardStep(
                shard,
                self._blocks.seen(shard),
                self._blocks.within(shard),
                np.argwhere(there) + np.array([part[0].start, part[1].start]),
                ~begun[part][there],
                last[part][there] > number,
            )
            begun[part] = True

    def _needed(self, shard: Shard) -> Block:
        """The tiles of a shard and its margin; none where the shard itself has none."""
        own = self.lattice.touching(self._blocks.ground(shard))
        if not self.lattice.wanted[own].any():
            return slice(0, 0), slice(0, 0)
        return self.lattice.touching(self._blocks.seen(shard))

    @cached_property
    def _blocks(self) -> Blocks:
        return Blocks(self.shape, self.margin_px, self.shard_px)
