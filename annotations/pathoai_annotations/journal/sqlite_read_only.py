"""A journal's SQLite file where it may only be read: an archive, a snapshot, a colleague's study.

SQLite keeps edits in a log beside the file (``-wal``) until it carries them over, and readers need
a map of that log (``-shm``), see https://sqlite.org/wal.html#read_only_databases. Where both are
there, a reader who may not write reads the file in place and sees what others write meanwhile.
Where they are not, SQLite would have to make them, or be told that the file is ``immutable``; then
it would leave out a log that lies there without its map, and miss what others write. So the file
and its log are copied together, and the copy is read: the journal as it is now, edits in the log
included.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

import sqlalchemy as sa

from pathoai.errors import ReadOnlyError, StorageError
from pathoai.study.read_only import WRITABLE, is_writable
from pathoai_annotations.journal.database import WAIT_FOR_OTHERS_S
from pathoai_annotations.journal.prepare import prepare
from pathoai_annotations.journal.sqlite import SqliteDatabase
from pathoai_annotations.journal.sqlite_file import CACHE, UNWRITABLE, SqliteFile, sqlite_code

_LOG, _MAP = "-wal", "-shm"
_COPIED = ("", _LOG, "-journal")
"""The file and what SQLite makes it whole from; the map of the log is made anew."""
_TRIES = 5


class ReadOnlySqlite(SqliteFile):
    """A file that is not written, and neither is anything beside it.

    Args:
        path: The file; where there is none, a journal in which nothing was said yet.

    Raises:
        StorageError: It or its log cannot be read, or others write to it all the time.
    """

    is_read_only = True

    def __init__(self, path: Path) -> None:
        """Look whether it can be read in place; copy it where it cannot."""
        self._copy: TemporaryDirectory[str] | None = None
        if _can_be_read_in_place(path):
            place, query = path.absolute().as_uri(), {"mode": "ro", "uri": "true"}
        else:
            self._copy = TemporaryDirectory(prefix="pathoai-journal-")
            try:
                place, query = str(_copied(path, Path(self._copy.name))), {}
            except BaseException:
                self._copy.cleanup()
                raise
        super().__init__(path, sa.URL.create("sqlite", database=place, query=query), _configure)

    def writing(self) -> NoReturn:
        """Refuse.

        Raises:
            ReadOnlyError: Always.
        """
        raise self._refusal()

    def scrub(self) -> NoReturn:
        """Refuse.

        Raises:
            ReadOnlyError: Always.
        """
        raise self._refusal()

    def note_schema(self, connection: sa.Connection) -> NoReturn:
        """Refuse.

        Raises:
            ReadOnlyError: Always.
        """
        raise self._refusal()

    def _refusal(self) -> ReadOnlyError:
        return ReadOnlyError(
            "the journal may only be read here",
            where=self.name,
            remedy=WRITABLE,
        )

    def close(self) -> None:
        """Release the file, and remove the copy."""
        super().close()
        if self._copy is not None:
            self._copy.cleanup()


def may_be_written(path: Path) -> bool:
    """False where this account may not write a file, or make one beside it, for all one can see."""
    return is_writable(path) and is_writable(path.parent)


def copy_sqlite(source: Path, copy: Path) -> None:
    """Copy a file as it is at one moment, also while others write to it; it is not changed.

    Raises:
        AnnotationError: It is no database, or a damaged one.
        StorageError: It cannot be read.
    """
    with SqliteDatabase(source).errors():
        if not may_be_written(source) and not _can_be_read_in_place(source):
            _copied(source, copy.parent, copy.name)
            return
        with closing(_read_only(source)) as theirs, closing(sqlite3.connect(copy)) as ours:
            theirs.backup(ours)


def _configure(connection: Any, record: object) -> None:  # noqa: ANN401 - the driver's own class
    cursor = connection.cursor()
    cursor.execute("PRAGMA query_only = ON")
    cursor.execute(CACHE)
    cursor.close()


def _can_be_read_in_place(path: Path) -> bool:
    if not all(os.access(_beside(path, kind), os.R_OK) for kind in ("", _LOG, _MAP)):
        return False
    try:
        with closing(_read_only(path)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        # Whoever wrote may just have taken log and map away. All else is met again, and explained.
        return sqlite_code(error) not in UNWRITABLE
    return True


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=WAIT_FOR_OTHERS_S
    )


def _copied(path: Path, folder: Path, name: str = "") -> Path:
    """A copy of a file and its log that belong together; an empty journal where there is none."""
    copy = folder / (name or path.name)
    if not path.exists():
        with closing(SqliteDatabase(copy)) as made:
            prepare(made)
        return copy
    for _ in range(_TRIES):
        before = _states(path)
        try:
            for kind in _COPIED:
                _beside(copy, kind).unlink(missing_ok=True)
                if before[kind] is not None:
                    shutil.copyfile(_beside(path, kind), _beside(copy, kind))
        except FileNotFoundError:
            continue  # whoever writes has just carried the log over
        except OSError as error:
            raise _unreadable(path, error) from error
        if _states(path) == before:
            return copy
    raise StorageError(
        "others write to the journal while it is copied to be read",
        where=path.name,
        found=f"another state after each of {_TRIES} tries",
        remedy="run it again when they are done",
    )


def _states(path: Path) -> dict[str, tuple[int, int, int] | None]:
    """Of the file and all that lies beside it: what changes when anybody writes."""
    found: dict[str, tuple[int, int, int] | None] = {}
    for kind in (*_COPIED, _MAP):
        try:
            state = _beside(path, kind).stat()
        except FileNotFoundError:
            found[kind] = None
        else:
            found[kind] = state.st_ino, state.st_size, state.st_mtime_ns
    return found


def _unreadable(path: Path, error: OSError) -> StorageError:
    return StorageError(
        "the journal cannot be read",
        where=path.name if error.filename is None else Path(str(error.filename)).name,
        found=error.strerror or type(error).__name__,
        remedy="let its owner make the journal, and the log beside it, readable for you; see that "
        "there is room in the temporary folder (TMPDIR)",
    )


def _beside(path: Path, kind: str) -> Path:
    return path.with_name(path.name + kind)
