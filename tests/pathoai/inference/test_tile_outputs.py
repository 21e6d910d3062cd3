"""Tiles are read and computed ahead: in order, not without end, and stopped at once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from threading import Lock

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pathoai.errors import StoreError
from pathoai.inference.tile_outputs import TileComputing


class Reader:
    """Tiles whose pixels say where they lie; counts how many were read."""

    def __init__(self, broken: int | None = None) -> None:
        self.read = 0
        self._lock, self._broken = Lock(), broken

    def __call__(self, origins_px: NDArray[np.int64]) -> NDArray[np.uint8]:
        with self._lock:
            self.read += len(origins_px)
        if self._broken in origins_px[:, 0].tolist():
            raise StoreError("a chunk cannot be decoded")
        values = origins_px[:, :1, None, None] % 256
        return np.broadcast_to(values, (len(origins_px), 8, 8, 3)).astype(np.uint8).copy()


def _computing(reader: Reader, *, in_threads: bool) -> TileComputing:
    return TileComputing(
        reader,
        lambda batch: batch[:, :1].float(),
        torch.device("cpu"),
        size_px=8,
        batch_size=4,
        threads=2,
        in_threads=in_threads,
    )


def _places(end: int | None = None) -> Iterator[tuple[int, int]]:
    return ((x, 0) for x in (count() if end is None else range(end)))


@pytest.mark.parametrize("in_threads", [True, False])
@pytest.mark.parametrize("tiles", [0, 1, 4, 39])
def test_outputs_come_in_the_order_of_their_tiles(in_threads: bool, tiles: int) -> None:
    outputs = _computing(Reader(), in_threads=in_threads).outputs(_places(tiles))
    assert [int(output[0, 0, 0]) for output in outputs] == list(range(tiles))


@pytest.mark.parametrize("in_threads", [True, False])
def test_no_more_is_read_than_the_next_few_batches(in_threads: bool) -> None:
    """Of endless tiles, two batches per thread; and nothing more once it is closed."""
    reader = Reader()
    outputs = _computing(reader, in_threads=in_threads).outputs(_places())
    for used in range(1, 50):
        next(outputs)
        assert reader.read <= used + 4 * (2 * 2 + 1)
    outputs.close()
    read = reader.read
    assert read <= 50 + 4 * (2 * 2 + 1)
    assert list(outputs) == []
    assert reader.read == read


@pytest.mark.parametrize("in_threads", [True, False])
def test_what_cannot_be_read_is_said_where_it_is_used(in_threads: bool) -> None:
    outputs = _computing(Reader(broken=9), in_threads=in_threads).outputs(_places(39))
    for _ in range(8):
        next(outputs)
    with pytest.raises(StoreError, match="cannot be decoded"):
        next(outputs)


@pytest.mark.parametrize("in_threads", [True, False])
def test_computing_begins_when_it_may(in_threads: bool) -> None:
    """Whoever waits for a device has read what it will compute first, where threads only read."""
    reader, begun = Reader(), list[int]()
    outputs = _computing(reader, in_threads=in_threads).outputs(
        _places(39), lambda: begun.append(reader.read)
    )
    next(outputs)
    assert len(begun) == 1
    assert (begun[0] == 0) == in_threads
    assert len(list(outputs)) == 38
    assert len(begun) == 1
    assert not list(_computing(reader, in_threads=False).outputs(_places(0), pytest.fail))
