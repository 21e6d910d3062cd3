"""Shards with a margin: what is looked at together, and which part of it nobody else looks at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pathoai.errors import InvalidValueError
from pathoai.store.shards import SHARD_PX, Shard, shard_slices, shards_of

Window = tuple[slice, slice]
"""Rows and columns of pixels of a raster."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """The shards of a raster, each with its margin.

    Args:
        shape: Height and width of the raster.
        margin_px: What is looked at around a shard, as far as the raster goes.
        shard_px: Side of a shard.
    """

    shape: tuple[int, int]
    margin_px: int
    shard_px: int = SHARD_PX

    def __post_init__(self) -> None:
        """Refuse margins that reach past the next shard's middle: only neighbours may meet."""
        if not 0 <= 2 * self.margin_px <= self.shard_px:
            raise InvalidValueError(
                "margin around a shard",
                found=f"{self.margin_px} px",
                allowed=f"0 to {self.shard_px // 2} px",
            )

    @property
    def rows(self) -> int:
        """Rows of shards."""
        return -(-self.shape[0] // self.shard_px)

    @property
    def columns(self) -> int:
        """Columns of shards."""
        return -(-self.shape[1] // self.shard_px)

    @property
    def shards(self) -> Iterator[Shard]:
        """All shards, row by row."""
        return shards_of(self.shape, self.shard_px)

    def ground(self, shard: Shard) -> Window:
        """The pixels of a shard."""
        return shard_slices(shard, self.shape, self.shard_px)

    def seen(self, shard: Shard) -> Window:
        """The pixels of a shard and its margin."""
        rows, columns = (
            slice(max(0, own.start - self.margin_px), min(length, own.stop + self.margin_px))
            for own, length in zip(self.ground(shard), self.shape, strict=True)
        )
        return rows, columns

    def quiet(self, shard: Shard) -> Window:
        """The pixels of a shard that no other one sees; may be none."""
        rows, columns = (
            slice(
                own.start + (self.margin_px if own.start > 0 else 0),
                own.stop - (self.margin_px if own.stop < length else 0),
            )
            for own, length in zip(self.ground(shard), self.shape, strict=True)
        )
        return rows, columns

    def within(self, shard: Shard) -> Window:
        """A shard's own pixels among those that are seen with it."""
        rows, columns = (
            slice(own.start - seen.start, own.stop - seen.start)
            for own, seen in zip(self.ground(shard), self.seen(shard), strict=True)
        )
        return rows, columns

    def shards_under(self, window: Window) -> Iterator[Shard]:
        """The shards that hold pixels of a window inside the raster."""
        rows, columns = (
            range(part.start // self.shard_px, -(-part.stop // self.shard_px)) for part in window
        )
        return ((row, column) for row in rows for column in columns)
