"""A raster outlined by its blocks, as a slide is by its shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai.vector.block_outlines import BlockOutlines, frames_of, outline_block
from pathoai.vector.healed_seams import heal_seams
from pathoai.vector.outlined_regions import NO_WEIGHTS, OutlinedRegions
from pathoai.vector.pixel_regions import find_regions


def blocks_of(
    values: NDArray[Any],
    block_px: int,
    ignore: Sequence[int] = (0, 255),
    weights: NDArray[Any] = NO_WEIGHTS,
    smallest_px: float = 0,
) -> Iterator[BlockOutlines]:
    """The blocks of a raster, row by row, each outlined when it is asked for."""
    height, width = values.shape
    for frame in frames_of((height, width), block_px):
        block = np.s_[..., frame.rows, frame.columns]
        regions = find_regions(values[block], ignore)
        yield outline_block(regions, frame, weights=weights[block], smallest_px=smallest_px)


def outlined_in_blocks(
    values: NDArray[Any],
    block_px: int,
    ignore: Sequence[int] = (0, 255),
    weights: NDArray[Any] = NO_WEIGHTS,
    smallest_px: float = 0,
) -> OutlinedRegions:
    """All regions of a raster, by its blocks, in the order in which they are given."""
    blocks = blocks_of(values, block_px, ignore, weights, smallest_px)
    rows = [row.ended for row in heal_seams(blocks, smallest_px=smallest_px)]
    given = np.concatenate([row.last_px for row in rows])
    whole = OutlinedRegions.joined(rows)
    np.testing.assert_array_equal(given, whole.last_px)
    return whole
