"""Files that are either the old or the new version, whatever happens in between."""

from __future__ import annotations

import glob
import os
import secrets
from pathlib import Path


def write_bytes_atomically(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write beside the target, flush to disk, then rename over it.

    Raises:
        OSError: The folder is not writable or the disk is full; the old version is untouched.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text_atomically(path: Path, text: str, *, mode: int = 0o644) -> None:
    """The same for text, in UTF-8."""
    write_bytes_atomically(path, text.encode(), mode=mode)


def remove_partial_writes_of(path: Path) -> None:
    """Remove what a process left beside a file that was killed while it wrote it.

    Only whoever alone may write the file may ask for this.
    """
    for partial in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        partial.unlink(missing_ok=True)
