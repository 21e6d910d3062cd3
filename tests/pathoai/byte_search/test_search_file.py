"""Words are found whatever a file is packed in, and however it is cut into chunks."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import lzma
import os
import sqlite3
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import zarr
from matplotlib.figure import Figure
from PIL import Image, PngImagePlugin
from zarr.codecs import ZstdCodec

from pathoai.byte_search.search_file import look_through
from pathoai.byte_search.search_stream import SearchStream, Sight
from pathoai.byte_search.words import Words

_WORD = "MARTINEAU-Odile"
# Compressors that leave words as they are find its parts before it.
_PARTS = "MARTINE or EAU-Odi or U-Odile, "
_TEXT = f"{'of no matter, ' * 40}{_PARTS}{_WORD}{', and more' * 40}".encode()


def _zip(method: int, text: bytes = _TEXT) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("first.txt", b"nothing " * 50)
        archive.writestr("second.txt", text)
    return buffer.getvalue()


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        entry = tarfile.TarInfo("a.txt")
        entry.size = len(_TEXT)
        archive.addfile(entry, io.BytesIO(_TEXT))
    return buffer.getvalue()


def _png() -> bytes:
    buffer, info = io.BytesIO(), PngImagePlugin.PngInfo()
    info.add_text("Author", _TEXT.decode(), zip=True)
    Image.new("RGB", (8, 8)).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def _pdf() -> bytes:
    figure, buffer = Figure(), io.BytesIO()
    figure.text(0.5, 0.5, _WORD)
    figure.savefig(buffer, format="pdf", metadata={"Title": _WORD})
    return buffer.getvalue()


def _page() -> bytes:
    return b'<img src="data:image/png;base64,' + base64.b64encode(_png()) + b'"> and the rest'


def _blosc() -> bytes:
    return bytes(imagecodecs.blosc_encode(_TEXT, compressor="lz4", shuffle=True, typesize=4))


_PACKINGS: dict[str, Callable[[], bytes]] = {
    "plain": lambda: _TEXT,
    "gzip": lambda: gzip.compress(_TEXT),
    "two members of gzip": lambda: gzip.compress(b"nothing") + gzip.compress(_TEXT),
    "zlib": lambda: zlib.compress(_TEXT),
    "bzip2": lambda: bz2.compress(_TEXT),
    "xz": lambda: lzma.compress(_TEXT),
    "Zstandard": lambda: bytes(imagecodecs.zstd_encode(_TEXT)),
    "Blosc, shuffled": _blosc,
    "zip": lambda: _zip(zipfile.ZIP_DEFLATED),
    "zip, stored": lambda: _zip(zipfile.ZIP_STORED),
    "zip, bzip2": lambda: _zip(zipfile.ZIP_BZIP2),
    "gzip in a zip": lambda: _zip(zipfile.ZIP_DEFLATED, gzip.compress(_TEXT)),
    "tar.gz": _tar,
    "PNG": _png,
    "PNG in a page": _page,
}


def _found(path: Path) -> list[str]:
    return [looked.where for looked in look_through(path, [_WORD]) if looked.found]


@pytest.mark.parametrize("packing", _PACKINGS)
def test_a_word_is_found_in_every_packing(packing: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, 70_001, np.uint8).tobytes()
    packed = _PACKINGS[packing]()
    assert packing in ("plain", "zip, stored") or _WORD.encode() not in packed
    (tmp_path / "alone").write_bytes(packed)
    (tmp_path / "within").write_bytes(noise + packed + noise)
    (tmp_path / "noise").write_bytes(noise * 2)
    assert _found(tmp_path) == ["alone", "within"]


@pytest.mark.parametrize("packing", _PACKINGS)
def test_chunks_may_be_cut_anywhere(packing: str) -> None:
    packed, words = b"begin " + _PACKINGS[packing]() + b" end", Words([_WORD])
    for size in (7, 64, 1001):
        sight = Sight(10**7)
        stream = SearchStream(words, sight)
        for at in range(0, len(packed), size):
            stream.feed(packed[at : at + size])
        stream.close()
        assert sight.found == {0}
        assert sight.whole


def test_a_pdf_in_its_title(tmp_path: Path) -> None:
    (tmp_path / "figure.pdf").write_bytes(_pdf())
    assert _found(tmp_path) == ["figure.pdf"]


@pytest.mark.parametrize("compression", ["snappy", "zstd", "gzip", "none"])
def test_a_table_in_parquet(compression: str, tmp_path: Path) -> None:
    table = pyarrow.table({"note": ["nothing"] * 500 + [_WORD] * 500, "n": range(1000)})
    pyarrow.parquet.write_table(table, tmp_path / "table.parquet", compression=compression)
    assert _found(tmp_path) == ["table.parquet"]


def test_a_database_whose_pages_cut_the_word(tmp_path: Path) -> None:
    path = tmp_path / "notes.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA page_size = 512")
        database.execute("CREATE TABLE notes (text TEXT)")
        for before in range(480, 520):
            database.execute("INSERT INTO notes VALUES (?)", (f"{'x' * before} {_WORD}",))
        database.execute("DELETE FROM notes WHERE rowid > 1")
    database.close()
    assert _found(tmp_path) == ["notes.sqlite"]


def test_a_shard_of_zarr(tmp_path: Path) -> None:
    text = np.frombuffer(_TEXT.ljust(4096), np.uint8)
    array = zarr.create_array(
        tmp_path / "a.zarr",
        shape=text.shape,
        dtype="u1",
        chunks=(1024,),
        shards=(4096,),
        compressors=ZstdCodec(),
    )
    array[:] = text
    assert _found(tmp_path) == ["a.zarr/c/0"]


def test_names_of_files_folders_and_links(tmp_path: Path) -> None:
    (tmp_path / _WORD / "empty").mkdir(parents=True)
    os.symlink(f"/nowhere/{_WORD}", tmp_path / "link")
    assert _found(tmp_path) == [_WORD, f"{_WORD}/empty", "link"]


def test_what_cannot_be_looked_through_is_told(tmp_path: Path) -> None:
    encrypted = bytearray(_zip(zipfile.ZIP_DEFLATED))
    encrypted[6] |= 1
    (tmp_path / "a.zip").write_bytes(encrypted)
    (tmp_path / "b.parquet").write_bytes(b"PAR1 and no more")
    (tmp_path / "c.txt").write_bytes(b"all of it")
    told = {looked.where: looked.whole for looked in look_through(tmp_path, [_WORD])}
    assert told == {"a.zip": False, "b.parquet": False, "c.txt": True}


def test_a_bomb_ends_the_search_of_its_file_alone() -> None:
    sight = Sight(2**20)
    stream = SearchStream(Words([_WORD]), sight)
    stream.feed(gzip.compress(bytes(2**24)))
    stream.close()
    assert not sight.whole
