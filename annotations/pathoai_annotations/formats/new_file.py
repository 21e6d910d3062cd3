"""Files that lie under their name once they are whole."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pathoai.errors import MissingFileError, StorageError


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give a path beside the target to write to; it is renamed over the target at the end.

    Args:
        path: The target; an old file stays until the new one is whole.

    Raises:
        MissingFileError: Its folder does not exist.
        StorageError: A folder lies there.
    """
    if not path.parent.is_dir():
        raise MissingFileError("no such folder", where=path.parent.name, remedy="make it first")
    if path.is_dir():
        raise StorageError("a folder lies there", where=path.name, allowed="the name of a file")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
