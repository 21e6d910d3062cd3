"""An MRXS made as OpenSlide's site describes it, with canaries in sheet, index, data and beside."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from pathoai.testing.canaries import CANARIES

_SLIDE_ID = CANARIES[4].ljust(32, "0")
_SIDE = 256
_LEVEL = """
OVERLAP_X = 0
OVERLAP_Y = 0
MICROMETER_PER_PIXEL_X = {mpp}
MICROMETER_PER_PIXEL_Y = {mpp}
IMAGE_FORMAT = {format}
IMAGE_FILL_COLOR_BGR = 16777215
DIGITIZER_WIDTH = 256
DIGITIZER_HEIGHT = 256
IMAGE_CONCAT_FACTOR = {concat}
COMMENT = {comment}
"""
_NONHIER = ["ScanDataLayer_SlideBarcode", "ScanDataLayer_SlideThumbnail", "ScanDataLayer_XMLHeader"]


def _jpeg(seed: int, word: str) -> bytes:
    small = np.random.default_rng(seed).integers(60, 220, (4, 4, 3)).astype(np.uint8)
    picture = Image.fromarray(small).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90, comment=word.encode())
    return buffer.getvalue()


def _sheet(tile_format: str) -> str:
    scan = "".join(
        f"NONHIER_0_VAL_{i} = {name}\n"
        f"NONHIER_0_VAL_{i}_SECTION = NONHIERLAYER_0_LEVEL_{i}_SECTION\n"
        for i, name in enumerate(_NONHIER)
    )
    kinds = ["BARCODE_IMAGE_TYPE", "THUMBNAIL_IMAGE_TYPE", "XML"]
    sections = "".join(
        f"[NONHIERLAYER_0_LEVEL_{i}_SECTION]\n{kind} = JPEG\nBARCODE = {CANARIES[9]}\n"
        for i, kind in enumerate(kinds)
    )
    levels = "".join(
        f"[LEVEL{i}]" + _LEVEL.format(mpp=0.25, concat=i, format=tile_format, comment=CANARIES[5])
        for i in range(2)
    )
    return f"""\ufeff[GENERAL]
SLIDE_VERSION = 02.02
SLIDE_ID = {_SLIDE_ID}
SLIDE_NAME = {CANARIES[0]}
PROJECT_NAME = {CANARIES[10]}
SLIDE_CREATIONDATETIME = {CANARIES[2]} {CANARIES[3]}
SLIDE_TYPE = SLIDE_TYPE_BRIGHTFIELD
SCANNER_HARDWARE_ID = {CANARIES[8]}
IMAGENUMBER_X = 2
IMAGENUMBER_Y = 2
OBJECTIVE_MAGNIFICATION = 20
CameraImageDivisionsPerSide = 1
[HIERARCHICAL]
INDEXFILE = Index.dat
HIER_COUNT = 1
HIER_0_NAME = Slide zoom level
HIER_0_COUNT = 2
HIER_0_VAL_0 = ZoomLevel_0
HIER_0_VAL_0_SECTION = LEVEL0
HIER_0_VAL_1 = ZoomLevel_1
HIER_0_VAL_1_SECTION = LEVEL1
NONHIER_COUNT = 2
NONHIER_0_NAME = Scan data layer
NONHIER_0_COUNT = 3
{scan}NONHIER_1_NAME = VIMSLIDE_POSITION_BUFFER
NONHIER_1_COUNT = 1
NONHIER_1_VAL_0 = default
NONHIER_1_VAL_0_SECTION = NONE
[DATAFILE]
FILE_COUNT = 1
FILE_0 = Data0000.dat
{sections}{levels}"""


def write_planted_mirax(path: Path, tile_format: str = "JPEG") -> None:
    """Four tiles and one above them, barcode, thumbnail, words, and positions."""
    folder = path.with_suffix("")
    folder.mkdir(parents=True)
    path.write_bytes(_jpeg(99, CANARIES[6]))
    (folder / "Slidedat.ini").write_text(_sheet(tile_format), "utf8")
    (folder / f"{CANARIES[1]}.xml").write_text(CANARIES[7])
    data = bytearray(b"01.02" + _SLIDE_ID.encode() + CANARIES[11].encode())

    def placed(blob: bytes) -> tuple[int, int, int]:
        data.extend(blob)
        return len(data) - len(blob), len(blob), 0

    levels = [[(n, *placed(_jpeg(n, CANARIES[0]))) for n in range(4)]]
    levels.append([(0, *placed(_jpeg(7, CANARIES[0])))])
    places = [(x * _SIDE, y * _SIDE) for y in range(2) for x in range(2)]
    words = f"<slide><patient>{CANARIES[0]}</patient></slide>".encode("utf-16-le")
    positions = b"".join(struct.pack("<Bii", 1, *place) for place in places)
    beside = [_jpeg(20, CANARIES[9]), _jpeg(21, CANARIES[9]), words, positions]
    pages = [[n for blob in level for n in blob] for level in levels]
    pages += [[0, 0, *placed(blob)] for blob in beside]
    (folder / "Data0000.dat").write_bytes(data)
    _write_index(folder / "Index.dat", pages)


def _write_index(path: Path, pages: list[list[int]]) -> None:
    head = b"01.02" + _SLIDE_ID.encode()
    table = len(head) + 8
    records, pointers = b"", []
    for page in pages:
        at = table + 4 * len(pages) + len(records)
        count = len(page) // 4 if len(page) != 5 else 1
        pointers.append(at)
        records += struct.pack(f"<4i{len(page)}i", 0, at + 8, count, 0, *page)
    roots = struct.pack("<2i", table, table + 8)
    path.write_bytes(head + roots + struct.pack(f"<{len(pages)}i", *pointers) + records)
