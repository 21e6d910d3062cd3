"""A JPEG that ends early, for whoever needs the top of the picture only.

A sequential JPEG (ITU-T T.81) holds its pixels row by row of blocks. Where its frame says that it
is less high, a decoder stops there, and never looks at the rest.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from pathoai.errors import InvalidValueError
from pathoai.store.jpeg_frame import FRAMES, SCAN, segments

_SCAN_MARKER = bytes((0xFF, SCAN))
_SEQUENTIAL = (0xC0, 0xC1)
_BLOCK_PX = 8
_COLOURS, _SAMPLING = 5, 7
"""Where a frame says how many colours there are, and how the first of them is sampled."""


def first_rows(data: bytes, rows: int) -> tuple[bytes, int]:
    """The JPEG that ends after some rows, and its height.

    Its first ``rows`` rows are those of the whole, bit by bit.

    Args:
        data: A whole JPEG.
        rows: How many rows of pixels are needed.

    Returns:
        The whole where it is not higher, or not stored row by row of blocks (progressive, or colour
        after colour).

    Raises:
        InvalidValueError: It is no JPEG, or damaged.
    """
    # The tables before the scan may hold its marker's bytes too: then the whole tells.
    scan = data.find(_SCAN_MARKER) + len(_SCAN_MARKER)
    head = data[: scan + int.from_bytes(data[scan : scan + 2])]
    found = _frame_of(head) or _frame_of(data)
    if found is None:
        raise InvalidValueError("a JPEG without pixels")
    # Decoders smooth halved colours with those of the next row, which must be there too.
    less = -(-(rows + 1) // found.block_px) * found.block_px
    if less >= found.height or not found.in_rows:
        return data, found.height
    return data[: found.place] + less.to_bytes(2) + data[found.place + 2 :], less


class _Frame(NamedTuple):
    place: int
    """Of the height, in bytes from the start."""
    height: int
    block_px: int
    """Rows of pixels that are stored together."""
    in_rows: bool


# The chunks of a level have one head, mostly.
@lru_cache(maxsize=64)
def _frame_of(data: bytes) -> _Frame | None:
    """The frame of a JPEG, of which its head is enough; None where no scan follows."""
    frame, place, in_rows = b"", 0, False
    for marker, at, body in segments(data):
        if marker in FRAMES:
            frame, place, in_rows = body, at + 1, marker in _SEQUENTIAL
        elif marker == SCAN and len(frame) > _SAMPLING:
            block_px = _BLOCK_PX * max(sampling & 15 for sampling in frame[_SAMPLING::3])
            in_rows = in_rows and body[:1] == frame[_COLOURS : _COLOURS + 1]
            return _Frame(place, int.from_bytes(frame[1:3]), block_px, in_rows)
    return None
