"""Outlines of a whole raster from those of its blocks: seams leave no trace.

What is under way is one row of blocks, and of the rows above only regions that go on below: their
corners, never their pixels. Outlines are made of a region's corners once all are known, by the same
code and in the same order for any size of blocks, so they are the same point by point.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pathoai.vector.block_outlines import BlockOutlines, Frame
from pathoai.vector.corners import Corners, corners_between
from pathoai.vector.linked_groups import group_of_each
from pathoai.vector.outlined_regions import OutlinedRegions, RegionSums
from pathoai.vector.pixel_regions import NOWHERE, positions_of

_Line = NDArray[np.int64]


def heal_seams(blocks: Iterable[BlockOutlines], *, smallest_px: float = 0) -> Iterator[HealedRow]:
    """The regions of a raster, for each row of blocks those that end in it.

    Args:
        blocks: All blocks of the raster, row by row, each row from the left.
        smallest_px: Regions of fewer pixels are left out.

    Yields:
        Each row; regions are in the order of their last pixels over all rows.
    """
    under_way: _UnderWay | None = None
    for _, blocks_of_row in groupby(blocks, key=lambda block: block.frame.y):
        row = list(blocks_of_row)
        frame = row[0].frame
        if not (under_way and len(under_way.sums)) and not any(len(block.cut) for block in row):
            # No seam cuts a region, as in most of an empty slide: there is nothing to heal.
            under_way = None
            whole = OutlinedRegions.joined([block.whole for block in row])
            yield HealedRow(whole, np.empty(0, np.int64), not frame.has_above)
            continue
        under_way = (under_way or _UnderWay.before(row)).with_row(row)
        ended, under_way = under_way.divided(ends=not frame.has_below)
        big = ended.sums.area_px >= smallest_px
        corners = ended.corners.renumbered(positions_of(big))
        healed = OutlinedRegions.within(corners, ended.sums.of(big))
        whole = OutlinedRegions.joined([healed, *(block.whole for block in row)])
        yield HealedRow(whole, under_way.sums.value, not frame.has_above)


@dataclass(frozen=True, slots=True)
class HealedRow:
    """What one row of blocks adds.

    Args:
        ended: The regions that end in it.
        going_on: ``(n,)`` int64: values of those that go on below.
        is_first: No row was before it.
    """

    ended: OutlinedRegions
    going_on: NDArray[np.int64]
    is_first: bool


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """Regions that seams cut.

    Args:
        sums: What is known of them.
        corners: Those that are known.
        bottom: ``(width,)``: the region of each pixel in the last row that was seen.
        y: Lower edge of that row.
    """

    sums: RegionSums
    corners: Corners
    bottom: _Line
    y: int

    @classmethod
    def before(cls, row: list[BlockOutlines]) -> Self:
        """Nothing, above the first row of blocks."""
        frame = row[0].frame
        return cls(
            row[0].cut.of(np.empty(0, np.int64)),
            Corners.joined([]),
            np.full(frame.shape[1], NOWHERE, np.int64),
            frame.y,
        )

    def with_row(self, row: list[BlockOutlines]) -> Self:
        """The same and one more row of blocks."""
        counts = [len(self.sums), *(len(block.cut) for block in row)]
        first = np.cumsum(counts)[:-1].tolist()
        sums = RegionSums.joined([self.sums, *(block.cut for block in row)])
        top = np.concatenate([_shifted(b.top, n) for b, n in zip(row, first, strict=True)])
        upright = [
            (b.frame, _shifted(b.right, n), _shifted(c.left, m))
            for (b, n), (c, m) in pairwise(zip(row, first, strict=True))
        ]
        group = _groups(sums, [(self.bottom, top), *((one, other) for _, one, other in upright)])
        corners = [
            self.corners.renumbered(group),
            *(b.corners.renumbered(group[n:]) for b, n in zip(row, first, strict=True)),
            *(
                _on_upright_seam(_in_groups(one, group), _in_groups(other, group), frame)
                for frame, one, other in upright
            ),
        ]
        if row[0].frame.has_above:
            lines = _in_groups(self.bottom, group), _in_groups(top, group)
            corners.append(_on_level_seam(*lines, self.y))
        bottom = np.concatenate([_shifted(b.bottom, n) for b, n in zip(row, first, strict=True)])
        return type(self)(
            sums.added_up(group),
            Corners.joined(corners),
            _in_groups(bottom, group),
            row[0].frame.bottom,
        )

    def divided(self, *, ends: bool) -> tuple[Self, Self]:
        """Those that end here, and those that go on below; ``ends`` where there is no below."""
        goes_on = np.zeros(len(self.sums), np.bool_)
        if not ends:
            goes_on[self.bottom[self.bottom >= 0]] = True
        return self._only(~goes_on), self._only(goes_on)

    def _only(self, chosen: NDArray[np.bool_]) -> Self:
        position = positions_of(chosen)
        return type(self)(
            self.sums.of(chosen),
            self.corners.renumbered(position),
            position[self.bottom],
            self.y,
        )


def _shifted(line: _Line, first: int) -> _Line:
    return np.where(line >= 0, line + first, NOWHERE)


def _in_groups(line: _Line, group: NDArray[np.signedinteger]) -> _Line:
    return np.append(group, NOWHERE).astype(np.int64)[line]


def _groups(sums: RegionSums, seams: list[tuple[_Line, _Line]]) -> NDArray[np.int32]:
    """The group of each region: those of equal value that share an edge across a seam."""
    pairs = np.concatenate([np.stack(seam) for seam in seams], axis=1)
    pairs = pairs[:, (pairs >= 0).all(axis=0)]
    pairs = pairs[:, sums.value[pairs[0]] == sums.value[pairs[1]]]
    return group_of_each(len(sums), pairs[0], pairs[1])


def _on_upright_seam(left: _Line, right: _Line, frame: Frame) -> Corners:
    """Corners between two columns of pixels; its ends belong to the seams that cross it there."""
    before, after = int(not frame.has_above), int(not frame.has_below)
    one, other = (np.pad(line, (before, after), constant_values=NOWHERE) for line in (left, right))
    y = np.arange(len(one) - 1) + frame.y + 1 - before
    x = np.full(len(y), frame.right)
    return corners_between((one[:-1], other[:-1], one[1:], other[1:]), x, y)


def _on_level_seam(above: _Line, below: _Line, y: int) -> Corners:
    """Corners between two rows of pixels, of the raster's whole width."""
    one, other = (np.pad(line, 1, constant_values=NOWHERE) for line in (above, below))
    x = np.arange(len(above) + 1)
    return corners_between((one[:-1], one[1:], other[:-1], other[1:]), x, np.full(len(x), y))
