"""Twelve invented identifiers to plant, and a search that finds them wherever they got to."""

from __future__ import annotations

import base64
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

CANARIES = (
    "MARTINEAU-Odile",
    "IPP8004213377",
    "1947-03-21",
    "19470321",
    "NIR2470375116001",
    "AnapathBloc-22H04417",
    "Dr-Quenneville",
    "odile.martineau@example.org",
    "SN-SCAN-990871",
    "BARCODE-77120043",
    "HopitalDesCanaris",
    "0612345678-tel",
)
"""No word of them occurs in any slide, so one found was planted."""
_MOST_DEPTH = 3
_GZIP, _ZIP, _ZSTD = b"\x1f\x8b\x08", b"PK\x03\x04", b"\x28\xb5\x2f\xfd"


def canaries_in(folder: Path) -> list[str]:
    """The places below a folder where a canary stands: in names, bytes, or compressed members.

    Plain, in UTF-16 of both orders, in base64, in any case of letters.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).as_posix()
        contents = [inside.encode(), *([path.read_bytes()] if path.is_file() else [])]
        found += [
            f"{inside}: {canary}"
            for canary in CANARIES
            if any(_holds(content, canary) for data in contents for content in _unpacked(data))
        ]
    return found


def _holds(data: bytes, canary: str) -> bool:
    plain = data.lower()
    forms = (canary.encode(), canary.encode("utf-16-le"), canary.encode("utf-16-be"))
    if any(form.lower() in plain for form in forms):
        return True
    # In base64 the first and last sign depend on what stands beside it.
    return any(base64.b64encode(b"\0" * n + canary.encode())[4:-4] in data for n in range(3))


def _unpacked(data: bytes, depth: int = 0) -> Iterator[bytes]:
    """The bytes, and those of every gzip, zip, zlib or Zstandard member that begins in them."""
    yield data
    if depth == _MOST_DEPTH:
        return
    for member in (*_gzip(data), *_zip(data), *_zstd(data)):
        yield from _unpacked(member, depth + 1)


def _starts(data: bytes, magic: bytes) -> Iterator[int]:
    at = data.find(magic)
    while at >= 0:
        yield at
        at = data.find(magic, at + 1)


def _gzip(data: bytes) -> Iterator[bytes]:
    for at in _starts(data, _GZIP):
        try:
            yield zlib.decompressobj(wbits=31).decompress(data[at:])
        except (zlib.error, gzip.BadGzipFile):
            continue  # three bytes of pixels that look like a beginning


def _zip(data: bytes) -> Iterator[bytes]:
    if next(_starts(data, _ZIP), None) is None:
        return
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    except zipfile.BadZipFile:
        return  # likewise


def _zstd(data: bytes) -> Iterator[bytes]:
    import imagecodecs

    for at in _starts(data, _ZSTD):
        try:
            yield bytes(imagecodecs.zstd_decode(data[at:]))
        except (RuntimeError, ValueError):
            continue  # likewise
