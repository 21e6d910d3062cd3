"""One slide at a time computes, while others are prepared and finished."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_TURN = Lock()


@contextmanager
def device_turn() -> Iterator[None]:
    """Hold the devices of this process from a slide's first batch to its last.

    Two slides at once would take twice the memory and give each other nothing. Who waits has
    opened its store, planned its work and, for a GPU, read its first tiles, so that the devices go
    on at once.
    """
    with _TURN:
        yield
