"""An NDPI made as documented, with canaries in every tag, comment and EXIF."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from pathoai.deidentify.ndpi_directory import NdpiTag, write_directories
from pathoai.testing.canaries import CANARIES

_LENS = 20.0


def _jpeg(width: int, height: int, *, restart: int = 0, word: str = CANARIES[0]) -> bytes:
    """Smooth colours, with a comment and EXIF."""
    small = np.random.default_rng(width).integers(60, 220, (6, 8, 3)).astype(np.uint8)
    picture = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    picture.save(
        buffer, "JPEG", quality=90, subsampling=0, comment=word.encode(),
        exif=b"Exif\0\0" + word.encode(), restart_marker_blocks=restart,
    )  # fmt: skip
    return buffer.getvalue()


def _short(value: int) -> NdpiTag:
    return NdpiTag(3, struct.pack("<H", value))


def _long(*values: int) -> NdpiTag:
    return NdpiTag(4, struct.pack(f"<{len(values)}I", *values))


def _text(value: str) -> NdpiTag:
    return NdpiTag(2, value.encode() + b"\0")


def _mcu_starts(jpeg: bytes) -> list[int]:
    """Where the first and every following restart interval begins."""
    scan = jpeg.index(b"\xff\xda")
    at = scan + 2 + int.from_bytes(jpeg[scan + 2 : scan + 4], "big")
    starts = [at]
    while (at := jpeg.index(b"\xff", at)) >= 0 and jpeg[at + 1] != 0xD9:
        at += 2
        if 0xD0 <= jpeg[at - 1] <= 0xD7:
            starts.append(at)
    return starts


def _picture(place: int, jpeg: bytes, width: int, height: int, lens: float) -> dict[int, NdpiTag]:
    starts = _mcu_starts(jpeg)
    per_cm = struct.pack("<II", round(10_000 / 0.5 * abs(lens) / _LENS), 1)
    return {
        254: _long(0),
        256: _long(width),
        257: _long(height),
        258: NdpiTag(3, struct.pack("<3H", 8, 8, 8)),
        259: _short(7),
        262: _short(6),
        271: _text(CANARIES[10]),
        272: _text(CANARIES[2]),
        273: _long(place),
        277: _short(3),
        278: _long(height),
        279: _long(len(jpeg)),
        282: NdpiTag(5, per_cm),
        283: NdpiTag(5, per_cm),
        284: _short(1),
        296: _short(3),
        305: _text(CANARIES[5]),
        306: _text("1947:03:21 10:15:00 " + CANARIES[3]),
        65420: _long(1),
        65421: NdpiTag(11, struct.pack("<f", lens)),
        65422: NdpiTag(9, struct.pack("<i", 1000)),
        65423: NdpiTag(9, struct.pack("<i", -2000)),
        65424: NdpiTag(9, struct.pack("<i", 0)),
        **({65426: _long(*starts)} if len(starts) > 1 else {}),
        65427: _text(CANARIES[9]),
        65442: _text(CANARIES[8]),
        65449: _text(f"Patient={CANARIES[1]}\r\nName={CANARIES[0]}\r\nTel={CANARIES[11]}"),
        65477: NdpiTag(7, CANARIES[4].encode("utf-16-le")),
        65499: _text(CANARIES[7]),
    }


def write_planted_ndpi(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    kinds = [(1024, 768, _LENS, 16), (256, 192, 5.0, 0), (300, 100, -1.0, 0), (150, 100, -2.0, 0)]
    with path.open("wb+") as file:
        file.write(bytes(12))
        pictures = []
        for width, height, lens, restart in kinds:
            jpeg = _jpeg(width, height, restart=restart)
            pictures.append(_picture(file.seek(0, 2), jpeg, width, height, lens))
            file.write(jpeg)
        write_directories(file, pictures)
