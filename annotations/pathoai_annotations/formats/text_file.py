"""Text files: written whole or not at all, and read by whoever expects them to be broken."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from pathoai.errors import AnnotationError, MissingFileError
from pathoai_annotations.formats.new_file import new_file

_HEAD_BYTES = 4096


@contextmanager
def writing_text(path: Path) -> Iterator[TextIO]:
    """A text file in UTF-8 that replaces the old one once it is whole, and not before.

    Args:
        path: A name that ends in ``.gz`` is compressed.

    Raises:
        MissingFileError: The folder does not exist.
        StorageError: A folder lies there.
    """
    with new_file(path) as temporary, _opened(temporary, compressed=is_compressed(path)) as file:
        yield file


def is_compressed(path: Path) -> bool:
    """True for names of gzip files."""
    return path.suffix.lower() == ".gz"


def head_of(path: Path) -> bytes:
    """The first 4 kB of a file, unpacked; empty where it cannot be read."""
    try:
        with path.open("rb") as raw:
            if not is_compressed(path):
                return raw.read(_HEAD_BYTES)
            with gzip.GzipFile(fileobj=raw) as packed:
                return packed.read(_HEAD_BYTES)
    except (OSError, EOFError, zlib.error):
        return b""


def check_file(path: Path, title: str) -> None:
    """Refuse what is no file with something in it.

    Args:
        path: The file.
        title: What it should be.

    Raises:
        MissingFileError: Nothing lies there.
        AnnotationError: A folder lies there, or the file is empty.
    """
    if not path.exists():
        raise MissingFileError("no such file", where=path.name)
    if not path.is_file():
        raise AnnotationError(f"not a {title} file", where=path.name, found="a folder")
    if not path.stat().st_size:
        raise AnnotationError(f"not a {title} file", where=path.name, found="an empty file")


@contextmanager
def _opened(path: Path, *, compressed: bool) -> Iterator[TextIO]:
    with path.open("wb") as raw:
        if compressed:
            # No time and no name in the header: the same annotations give the same bytes.
            with (
                gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed,
                io.TextIOWrapper(packed, encoding="utf8", newline="\n") as text,
            ):
                yield text
        else:
            with io.TextIOWrapper(raw, encoding="utf8", newline="\n") as text:
                yield text
