"""A TIFF slide with canaries in tags, XMP, EXIF, comments, ICC profile, label and macro."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

from pathoai.testing.canaries import CANARIES
from pathoai.testing.icc_profile import matrix_profile

PIXELS = np.random.default_rng(1).integers(0, 255, (300, 420, 3)).astype(np.uint8)
_NAME, _IPP, _DAY, _REMARK, _NIR, _BLOCK, _DOCTOR, _MAIL, _SERIAL, _BARCODE, _PLACE, _TEL = CANARIES


def _jpeg_with_words(pixels: NDArray[np.uint8]) -> bytes:
    """A JPEG with EXIF, a comment, and text behind its end."""
    data = bytes(imagecodecs.jpeg8_encode(pixels, level=95))
    exif = b"Exif\0\0" + _NAME.encode()
    comment = _DOCTOR.encode("utf-16-le")
    segments = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    segments += b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
    return data[:2] + segments + data[2:] + _TEL.encode()


def _tiles(pixels: NDArray[np.uint8], side: int = 128) -> list[bytes]:
    height, width = pixels.shape[:2]
    padded = np.pad(pixels, ((0, -height % side), (0, -width % side), (0, 0)))
    return [
        _jpeg_with_words(np.ascontiguousarray(padded[y : y + side, x : x + side]))
        for y in range(0, height, side)
        for x in range(0, width, side)
    ]


def _extra_tags() -> list[tuple[int, str, int, Any, bool]]:
    xmp = f"<x:xmpmeta><dc:creator>{_MAIL}</dc:creator></x:xmpmeta>".encode()
    packed = imagecodecs.zlib_encode(_NIR.encode() * 4)
    return [
        (285, "s", 0, f"page of {_NAME}", True),
        (315, "s", 0, _DOCTOR, True),
        (316, "s", 0, _PLACE, True),
        (306, "s", 0, "1947:03:21 10:00:00 " + _DAY, True),
        (42016, "s", 0, _BARCODE, True),
        (700, "B", len(xmp), xmp, True),
        (33432, "s", 0, _MAIL, True),
        (65000, "s", 0, _SERIAL, True),
        (65001, "B", len(_NIR) * 2, _NIR.encode("utf-16-le"), True),
        (65002, "B", len(packed), packed, True),
    ]


def write_planted_tiff(path: Path, *, description: str, big: bool = False) -> None:
    """A pyramid of two levels, then a thumbnail, a label and a macro in strips."""
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = matrix_profile(1.8)
    named = _DOCTOR.encode().ljust(19, b".") + b"\0"
    profile = profile.replace(b"generated for tests\0", named)
    profile = profile[:24] + b"\x07\x9b\x00\x03\x00\x15" + b"\0" * 6 + profile[36:]
    with tifffile.TiffWriter(path, bigtiff=big) as tiff:
        for level, pixels in enumerate([PIXELS, np.ascontiguousarray(PIXELS[::2, ::2])]):
            tiff.write(
                iter(_tiles(pixels)),
                shape=pixels.shape,
                dtype=np.uint8,
                tile=(128, 128),
                compression="jpeg",
                photometric="ycbcr",
                subfiletype=int(level > 0),
                description=description,
                software=f"Scanner {_SERIAL}",
                extratags=_extra_tags(),
                iccprofile=profile.replace(
                    b"generated for tests\0", _DOCTOR.encode().ljust(19, b".") + b"\0"
                ),
                resolution=(20000, 20000),
                resolutionunit="CENTIMETER",
                metadata=None,
            )
        for name in ("thumbnail", "label", "macro"):
            tiff.write(
                np.ascontiguousarray(PIXELS[:60, :77]),
                photometric="rgb",
                description=f"Aperio Image Library v12\r\n{name} 77x60 {_NIR}",
                compression="lzw",
                rowsperstrip=20,
                subfiletype={"label": 1, "macro": 9}.get(name, 0),
                software=_PLACE,
                metadata=None,
            )


APERIO = (
    f"Aperio Image Library v12\r\n420x300 [0,0 420x300] {_PLACE}|AppMag = 20|MPP = 0.5"
    f"|User = {_NAME}|Date = {_DAY}|Filename = {_IPP}|ScanScope ID = {_SERIAL}|Title = {_BLOCK}"
)

OME_XML = (
    '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
    f'UUID="urn:uuid:{_IPP}"><Instrument ID="Instrument:0"><Objective ID="Objective:0" '
    f'NominalMagnification="40" SerialNumber="{_SERIAL}"/></Instrument>'
    f'<Image ID="Image:0" Name="{_NAME}"><AcquisitionDate>{_DAY}</AcquisitionDate>'
    '<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeX="420" SizeY="300" '
    'SizeC="3" SizeZ="1" SizeT="1" PhysicalSizeX="0.25" PhysicalSizeY="0.25"/></Image></OME>'
)
