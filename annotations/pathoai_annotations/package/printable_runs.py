"""Runs of printable signs in a file that is no text, as ``strings`` (POSIX) finds them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

# Random bytes hold a run of 16 that looks like an address or a path less than once in 10 GB.
SHORTEST = 16
_BLOCK = 1 << 24
_RUN = re.compile(rb"[\x20-\x7e]{%d,}" % SHORTEST)
_PRINTABLE = bytes(range(0x20, 0x7F))
_LONGEST_TAIL = 1 << 16


def printable_runs(path: Path) -> Iterator[str]:
    """ASCII runs of at least :data:`SHORTEST` signs, a block of the file in memory at a time.

    A run across two blocks is found whole; one longer than 64 KiB may come in pieces.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        tail = b""
        while block := file.read(_BLOCK):
            block = tail + block
            end = block[-_LONGEST_TAIL:]
            tail = end[len(end.rstrip(_PRINTABLE)) :]
            for run in _RUN.finditer(block, 0, len(block) - len(tail)):
                yield run[0].decode("ascii")
        if len(tail) >= SHORTEST:
            yield tail.decode("ascii")
