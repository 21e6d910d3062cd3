"""A package as one stream of bytes, and back: a POSIX tar without owners, times or modes.

The stream is made while it is read, so that memory holds one block whatever the package's size.
"""

from __future__ import annotations

import errno
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from pathoai.errors import ProtectionError

_BLOCK_BYTES = 1 << 20
_DISTRUST = "do not trust its sender; ask for a sound copy another way"
_NO_NAME = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)


class TarStream(io.RawIOBase):
    """A folder's files as a tar; the same files give the same bytes wherever they lie.

    Args:
        folder: Its files, by name relative to it, sorted. Empty folders are left out.
    """

    def __init__(self, folder: Path) -> None:
        """Nothing is read yet."""
        super().__init__()
        self._chunks = _chunks(folder)
        self._left = memoryview(b"")

    def readable(self) -> bool:
        """True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes; none at the end.

        Raises:
            OSError: A file cannot be read.
            ProtectionError: A file is no plain file, or changed while it was read.
        """
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._left = memoryview(chunk)
        taken = self._left if size < 0 else self._left[:size]
        self._left = self._left[len(taken) :]
        return bytes(taken)


def extract(tar: IO[bytes], folder: Path) -> None:
    """Write the files of a tar below a folder.

    Only plain files with relative names are taken: whoever made the tar may be an enemy.

    Raises:
        OSError: The disk is full.
        ProtectionError: The tar is damaged, a name in it leads out of the folder or is none, or two
            files have the same place.
    """
    try:
        with tarfile.open(fileobj=tar, mode="r:") as archive:
            for member in archive:
                _extract_one(archive, member, folder)
    except tarfile.TarError as error:
        raise ProtectionError(
            "what was encrypted is no package",
            found=type(error).__name__,
            allowed="what `pathoai package encrypt` made",
        ) from error


def _extract_one(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    content = archive.extractfile(member) if member.isreg() else None
    if content is None or not _stays_inside(member.name):
        raise ProtectionError(
            "what was encrypted holds something that could be written outside of its folder",
            allowed="plain files with relative names",
            remedy=_DISTRUST,
        )
    target = folder / member.name
    with content, _new_file(target) as file:
        while block := content.read(_BLOCK_BYTES):
            file.write(block)


def _new_file(target: Path) -> IO[bytes]:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return target.open("xb")
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise ProtectionError(
            "what was encrypted holds two files for the same place",
            found=type(error).__name__,
            allowed="one file of each name, and none where a folder is",
            remedy=_DISTRUST,
        ) from error
    except (OSError, ValueError) as error:
        # A full disk is no fault of the tar's.
        if isinstance(error, OSError) and error.errno not in _NO_NAME:
            raise
        raise ProtectionError(
            "what was encrypted holds a name that no file can have",
            found=type(error).__name__,
            remedy=_DISTRUST,
        ) from error


def _stays_inside(name: str) -> bool:
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    return (
        bool(posix.parts)
        and "\\" not in name
        and ":" not in name
        and not (posix.is_absolute() or windows.is_absolute() or windows.drive)
        and ".." not in posix.parts
    )


def _chunks(folder: Path) -> Iterator[bytes]:
    files = [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
    for path in sorted(files, key=lambda file: file.relative_to(folder).as_posix()):
        yield from _member(path, path.relative_to(folder).as_posix())
    yield bytes(2 * tarfile.BLOCKSIZE)


def _member(path: Path, name: str) -> Iterator[bytes]:
    if path.is_symlink() or not path.is_file():
        raise ProtectionError("a package holds plain files alone", where=name)
    info = tarfile.TarInfo(name)
    info.size = path.stat().st_size
    yield info.tobuf(tarfile.PAX_FORMAT)
    done = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            done += len(block)
            yield block
    if done != info.size:
        raise ProtectionError(
            "a file changed while it was encrypted",
            where=name,
            remedy="wait until nothing writes in the package, then encrypt it again",
        )
    yield bytes(-done % tarfile.BLOCKSIZE)
