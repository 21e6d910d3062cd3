"""Stretches of equal pixels of a block: what is counted of them costs a fraction of all pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class PixelRuns:
    """Pixels that follow each other in a row and are of one class, one fragment and one cell.

    Args:
        row: ``(n,)`` int64, of the block.
        column: ``(n,)`` int64, of the first pixel, likewise.
        length: ``(n,)`` int64, how many pixels.
        value: ``(n,)`` uint8, of the block.
        fragment: ``(n,)``, the number of the piece of tissue; 0 on glass.
    """

    row: NDArray[np.int64]
    column: NDArray[np.int64]
    length: NDArray[np.int64]
    value: NDArray[np.uint8]
    fragment: NDArray[np.unsignedinteger]

    @classmethod
    def of(
        cls,
        block: NDArray[np.uint8],
        numbers: NDArray[np.unsignedinteger],
        at: tuple[NDArray[np.int64], NDArray[np.int64]],
        cell_px: int,
    ) -> PixelRuns:
        """Those of a block.

        Args:
            block: ``(h, w)`` uint8.
            numbers: ``(H, W)``, fragments on a coarser raster.
            at: Of each row ``(h,)`` and column ``(w,)`` of the block that of ``numbers``.
            cell_px: Columns along a cell; the first begins where the block does.
        """
        rows, columns = at
        begins = np.empty(block.shape, np.bool_)
        np.not_equal(block[:, 1:], block[:, :-1], out=begins[:, 1:])
        begins[:, np.append(0, np.flatnonzero(np.diff(columns)) + 1)] = True
        begins[:, ::cell_px] = True
        start = np.flatnonzero(begins)
        row, column = np.divmod(start, block.shape[1])
        return cls(
            row,
            column,
            np.diff(start, append=block.size),
            block.ravel()[start],
            numbers[rows[row], columns[column]],
        )

    def counted(self, key: NDArray[np.integer], kinds: int = 0) -> NDArray[np.int64]:
        """Pixels by a key of each run, up to the largest key and at least ``(kinds,)``."""
        # Whole numbers, exact in float64 as long as a block has fewer than 2**53 pixels.
        return np.bincount(key, self.length, kinds).astype(np.int64)
