"""Files and folders looked through for words, whatever they are written or packed in.

Not opened: what is encrypted, pictures as pictures, and archives of other kinds (7z, RAR).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pathoai.byte_search.search_stream import SearchStream, Sight
from pathoai.byte_search.words import Words

_CHUNK_BYTES = 2**20
_FREE_BYTES = 2**28
_MOST_TIMES = 1100
"""What deflate makes of the most compressible data, and a little."""
_SQLITE, _PARQUET = b"SQLite format 3\0", b"PAR1"
_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Looked:
    """What looking through one file or folder gave.

    Args:
        where: Its path, below the folder that was looked through.
        found: Numbers of the words that stand in it or in its path, from 0.
        named: A word stands in its path, so that must not be shown.
        whole: All of it was looked through; False where a part is encrypted or damaged.
    """

    where: str
    found: frozenset[int]
    named: bool
    whole: bool


def look_through(root: Path, words: Iterable[str]) -> Iterator[Looked]:
    """Each file and folder below a folder, or a file alone, in the order of their names.

    Args:
        root: Folder or file; its own name is not looked at.
        words: As `Words` takes them.

    Raises:
        InvalidValueError: A word is too short.
        OSError: A file cannot be read.
    """
    known = Words(words)
    paths = sorted(root.rglob("*")) if root.is_dir() else [root]
    for path in paths:
        name = path.relative_to(root).as_posix() if path != root else ""
        yield _look(path, name, known)


def _look(path: Path, name: str, words: Words) -> Looked:
    sight = Sight(_FREE_BYTES)
    sight.found |= words.found_in(name.encode("utf-8", "surrogateescape"), ends=True)
    named = bool(sight.found)
    if path.is_symlink():
        sight.found |= words.found_in(os.fsencode(path.readlink()), ends=True)
    if path.is_file() and not path.is_symlink():
        sight.budget += _MOST_TIMES * path.stat().st_size
        _look_into(path, words, sight)
    return Looked(name, frozenset(sight.found), named, sight.whole)


def _look_into(path: Path, words: Words, sight: Sight) -> None:
    stream = SearchStream(words, sight)
    with path.open("rb") as file:
        begin = file.read(_CHUNK_BYTES)
        chunk = begin
        while chunk:
            stream.feed(chunk)
            chunk = file.read(_CHUNK_BYTES)
    stream.close()
    if begin.startswith(_SQLITE):
        _look_into_values(_sqlite_values(path), words, sight)
    elif begin.startswith(_PARQUET):
        _look_into_values(_parquet_values(path), words, sight)


def _look_into_values(values: Iterator[bytes], words: Words, sight: Sight) -> None:
    """What a file format keeps in pages, each value by itself."""
    import pyarrow

    try:
        for value in values:
            stream = SearchStream(words, sight, depth=1)
            stream.feed(value)
            stream.close()
    except (sqlite3.Error, pyarrow.ArrowException, OSError):
        sight.whole = False


def _sqlite_values(path: Path) -> Iterator[bytes]:
    """Texts and blobs, which pages of a database may hold in parts."""
    address = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(address, uri=True)) as database:
        database.text_factory = bytes
        names = "SELECT name FROM sqlite_master WHERE type = 'table'"
        for (name,) in database.execute(names).fetchall():
            quoted = name.decode("utf-8", "surrogateescape").replace('"', '""')
            for row in database.execute(f'SELECT * FROM "{quoted}"'):
                yield b"\n".join(value for value in row if isinstance(value, bytes))


def _parquet_values(path: Path) -> Iterator[bytes]:
    """The buffers of every column, without their compression."""
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as table:
        for batch in table.iter_batches(batch_size=_ROWS):
            for column in batch.columns:
                yield from (bytes(part) for part in column.buffers() if part is not None)
