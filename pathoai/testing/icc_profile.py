"""ICC profiles of known mathematics: three primaries and one gamma.

Such a profile (ICC.1:2001-04, "three-component matrix-based input profile") says
``XYZ = M · (rgb / 255) ** gamma``, XYZ relative to the D50 white of the connection space, so that
any conversion by it can be computed independently, in float64.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

SRGB_PRIMARIES = np.array(
    [
        [0.4360747, 0.3850649, 0.1430804],
        [0.2225045, 0.7168786, 0.0606169],
        [0.0139322, 0.0971045, 0.7141733],
    ]
)
"""Columns are X, Y, Z of sRGB's red, green and blue, adapted to D50 by Bradford's method."""
_D50 = (0.9642, 1.0, 0.8249)
_HEADER_BYTES = 128


def matrix_profile(
    gamma: float, primaries: NDArray[np.float64] = SRGB_PRIMARIES, *, space: bytes = b"RGB "
) -> bytes:
    """A profile, as a slide file would hold it.

    Args:
        gamma: Of all three channels; kept as a multiple of 1/256.
        primaries: Columns are X, Y, Z of full red, green and blue.
        space: Signature of the device's colour space.
    """
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    text = b"generated for tests\0"
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(79),
        b"cprt": b"text" + bytes(4) + text,
        b"wtpt": _xyz(*_D50),
        b"rXYZ": _xyz(*primaries[:, 0]),
        b"gXYZ": _xyz(*primaries[:, 1]),
        b"bXYZ": _xyz(*primaries[:, 2]),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    table, data = struct.pack(">I", len(tags)), b""
    start = _HEADER_BYTES + 4 + 12 * len(tags)
    for signature, value in tags.items():
        table += signature + struct.pack(">II", start + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    return _header(start + len(data), space) + table + data


def srgb_by_definition(
    pixels: NDArray[np.uint8], gamma: float, primaries: NDArray[np.float64] = SRGB_PRIMARIES
) -> NDArray[np.float64]:
    """Pixels of such a device in sRGB (IEC 61966-2-1), float64 from 0 to 255, not rounded.

    Args:
        pixels: `(..., 3)` uint8.
        gamma: As in `matrix_profile`.
        primaries: Likewise.
    """
    xyz = (pixels / 255.0) ** (round(gamma * 256) / 256) @ primaries.T
    linear = np.clip(xyz @ np.linalg.inv(SRGB_PRIMARIES).T, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(encoded * 255, dtype=np.float64)


def _header(length: int, space: bytes) -> bytes:
    version, date = struct.pack(">I", 0x02400000), struct.pack(">6H", 2001, 4, 1, 0, 0, 0)
    flags_to_attributes = bytes(4 * 6)
    white = struct.pack(">3i", *(round(v * 65536) for v in _D50))
    header = struct.pack(">I", length) + bytes(4) + version + b"scnr" + space + b"XYZ " + date
    return (header + b"acsp" + flags_to_attributes + bytes(4) + white).ljust(_HEADER_BYTES, b"\0")


def _xyz(x: float, y: float, z: float) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(v * 65536) for v in (x, y, z)))
