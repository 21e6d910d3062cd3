"""A JPEG that ends early, for whoever needs the top of the picture only.

A sequential JPEG (ITU-T T.81) holds its pixels row by row of blocks. Where its frame says that it
is less high, a decoder stops there, and never looks at the rest.
"""

from __future__ import annotations

from pathoai.errors import InvalidValueError
from pathoai.store.jpeg_frame import FRAMES, SCAN, segments

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
    frame, place, in_rows = b"", 0, False
    for marker, at, body in segments(data):
        if marker in FRAMES:
            frame, place, in_rows = body, at + 1, marker in _SEQUENTIAL
        elif marker == SCAN and len(frame) > _SAMPLING:
            height = int.from_bytes(frame[1:3])
            block = _BLOCK_PX * max(sampling & 15 for sampling in frame[_SAMPLING::3])
            # Decoders smooth halved colours with those of the next row, which must be there too.
            less = -(-(rows + 1) // block) * block
            if less >= height or not in_rows or body[0] != frame[_COLOURS]:
                return data, height
            return data[:place] + less.to_bytes(2) + data[place + 2 :], less
    raise InvalidValueError("a JPEG without pixels")
