"""Tiles decode into memory of the size that is known, whatever their own headers say."""

from __future__ import annotations

import struct
import subprocess
import sys

import imagecodecs
import numpy as np
import pytest

from pathoai.errors import DamagedSlideError
from pathoai.geometry import Size
from pathoai.slide import tile_codecs
from pathoai.slide.jpeg_stream import codestream_size, tables_without_ends

_SIZE = Size(64, 48)
_PIXELS = np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8)

_HUGE = """
import resource, struct, sys
import imagecodecs, numpy as np
from pathoai.geometry import Size
from pathoai.slide import tile_codecs
resource.setrlimit(resource.RLIMIT_AS, (2 * 2**30, 2 * 2**30))
pixels = np.zeros((48, 64, 3), np.uint8)
sizes, refused = (Size(64, 48),), 0

def patched(data, at, number):
    return data[:at] + number + data[at + len(number):]

jpeg = imagecodecs.jpeg8_encode(pixels)
jpeg = patched(jpeg, jpeg.find(b"\\xff\\xc0") + 5, struct.pack(">HH", 65000, 65000))
ls = imagecodecs.jpegls_encode(pixels)
ls = patched(ls, ls.find(b"\\xff\\xf7") + 5, struct.pack(">HH", 65000, 65000))
webp = imagecodecs.webp_encode(pixels, lossless=True)
webp = patched(webp, webp.find(b"VP8L") + 9, struct.pack("<I", 16382 | 16382 << 14))
wide = imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k")
wide = patched(wide, 8, struct.pack(">II", 2**31, 2**31))
many = imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k")
many = patched(many, 40, struct.pack(">H", 16384))
for decode, data in (
    (lambda d: tile_codecs.decode_jpeg(d, b"", sizes, 3), jpeg),
    (lambda d: tile_codecs.decode_jpeg_ls(d, sizes, 3), ls),
    (lambda d: tile_codecs.decode_webp(d, sizes, 3), webp),
    (lambda d: tile_codecs.decode_jpeg_2000(d, sizes, 3), wide),
    (lambda d: tile_codecs.decode_jpeg_2000(d, sizes, 3), many),
):
    try:
        decode(data)
    except (RuntimeError, ValueError):
        refused += 1
# ru_maxrss would begin at the memory of the process that started this one.
status = open("/proc/self/status").read().splitlines()
peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
sys.exit(0 if refused == 5 and peak < 500 else f"{refused} refused, {peak} MiB")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_tiles_that_say_to_be_gigabytes_ask_for_no_memory() -> None:
    """12.7 GB of JPEG and JPEG-LS, 805 MB of WebP, 1.4e19 pixels and 16384 colours of JPEG 2000."""
    done = subprocess.run([sys.executable, "-c", _HUGE], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_lossless_tiles_are_exact() -> None:
    webp = bytes(imagecodecs.webp_encode(_PIXELS, lossless=True))
    np.testing.assert_array_equal(tile_codecs.decode_webp(webp, (_SIZE,), 3), _PIXELS)
    smooth = np.ascontiguousarray(np.repeat(_PIXELS[:, :8], 8, axis=1))
    ls = bytes(imagecodecs.jpegls_encode(smooth))
    np.testing.assert_array_equal(tile_codecs.decode_jpeg_ls(ls, (_SIZE,), 3), smooth)
    for container in ("j2k", "jp2"):
        tile = bytes(imagecodecs.jpeg2k_encode(_PIXELS, level=0, codecformat=container))
        found = tile_codecs.decode_jpeg_2000(tile, (_SIZE,), 3)
        np.testing.assert_array_equal(found, _PIXELS)


def test_a_tile_may_be_whole_or_what_is_visible_of_it() -> None:
    """Some writers trim the tiles at the border."""
    tile = bytes(imagecodecs.jpeg8_encode(_PIXELS))
    assert tile_codecs.decode_jpeg(tile, b"", (Size(64, 64), _SIZE), 3).shape == (48, 64, 3)
    with pytest.raises(ValueError, match="shape"):
        tile_codecs.decode_jpeg(tile, b"", (Size(64, 64), Size(64, 32)), 3)


def test_a_jpeg_without_its_end_is_cut_short() -> None:
    tile = bytes(imagecodecs.jpeg8_encode(_PIXELS))
    with pytest.raises(DamagedSlideError, match="cut short"):
        tile_codecs.decode_jpeg(tile[:-20], b"", (_SIZE,), 3)


def test_a_codestream_tells_its_size() -> None:
    tile = bytes(imagecodecs.jpeg2k_encode(_PIXELS, level=0, codecformat="j2k"))
    assert codestream_size(tile) == (_SIZE, 3)
    moved = tile[:8] + struct.pack(">4I", 100, 90, 36, 42) + tile[24:]
    assert codestream_size(moved) == (Size(64, 48), 3)
    deep = bytes(imagecodecs.jpeg2k_encode(_PIXELS.astype(np.uint16), level=0, codecformat="j2k"))
    for other in (b"", tile[:20], deep, b"\xff\x4f\xff\x51" + bytes(60)):
        assert codestream_size(other) is None


def test_tables_lose_their_ends_alone() -> None:
    assert tables_without_ends(b"") == b""
    assert tables_without_ends(b"\xff\xd8\xff\xdb\x00\x02\xff\xd9\0") == b"\xff\xdb\x00\x02"
    for damaged in (b"\xff\xd8\xff\xdb", b"\xff\xdb\xff\xd9", b"tables"):
        with pytest.raises(DamagedSlideError, match="JPEG tables"):
            tables_without_ends(damaged)
