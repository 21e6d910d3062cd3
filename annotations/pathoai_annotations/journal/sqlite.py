"""A journal in one SQLite file that several programs may write at once."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from filelock import FileLock, Timeout

from pathoai_annotations.journal.database import WAIT_FOR_OTHERS_S, Database

_PAUSE_S = 0.01
_NEXT_PAUSE_S = 0.002
_CACHE_KIB = 65_536
_FIRST_SCHEMA = 1
_WITH_REVISIONS = 2
"""``user_version`` of files that hold a revision; pathoai 0.1 takes it for a newer program's."""
_UNUSABLE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class SqliteDatabase(Database):
    """A file, with a write-ahead log beside it.

    Args:
        path: The file; made on first use.
    """

    def __init__(self, path: Path) -> None:
        """Open nothing yet."""
        engine = sa.create_engine(
            sa.URL.create("sqlite", database=str(path)),
            # Another program's transaction is waited for, never shown as an error.
            connect_args={"timeout": WAIT_FOR_OTHERS_S, "isolation_level": None},
        )
        sa.event.listen(engine, "connect", _configure)
        sa.event.listen(engine, "begin", _begin)
        super().__init__(path.name, engine)
        self._path = path
        self._next = FileLock(path.with_name(f".{path.name}.lock"), timeout=WAIT_FOR_OTHERS_S)

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that no other writer's overlaps; see `Database.writing`.

        SQLite gives turns in no order, and a program that writes without pause would keep all
        others out. So whoever wants to write first becomes the next one, which only one can be, and
        stays it until its transaction begins: who has just written queues behind.
        """
        with self.errors(), ExitStack() as transaction:
            with self._being_next():
                connection = transaction.enter_context(self._engine.begin())
            yield connection

    @contextmanager
    def _being_next(self) -> Iterator[None]:
        try:
            self._next.acquire(poll_interval=_NEXT_PAUSE_S)
        except Timeout as error:
            raise self.waited_in_vain() from error
        except OSError as error:
            raise self.unusable(error.strerror or type(error).__name__) from error
        try:
            yield
        finally:
            # The lock's file stays: removing it would let two be the next one.
            self._next.release()

    def scrub(self) -> None:
        """Write the file anew, and empty the log beside it."""
        self.close()  # a connection that is kept for later would hold pages
        # Outside of any transaction, which SQLAlchemy would begin.
        with (
            self.errors(),
            closing(
                sqlite3.connect(self._path, timeout=WAIT_FOR_OTHERS_S, isolation_level=None)
            ) as bare,
        ):
            for statement in ("PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM"):
                bare.execute(statement)
            bare.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @property
    def remedy(self) -> str:
        """What to do where it cannot be written."""
        return "check that the study's folder is writable and its disk not full"

    def lock(self, connection: sa.Connection) -> None:
        """Nothing: the transaction began with the lock."""

    def is_first_schema(self, connection: sa.Connection) -> bool:
        """True where the file says so of itself."""
        return bool(connection.scalar(sa.text("PRAGMA user_version")) == _FIRST_SCHEMA)

    def note_schema(self, connection: sa.Connection) -> None:
        """Number the file, so that a program of the first schema refuses it."""
        connection.execute(sa.text(f"PRAGMA user_version = {_WITH_REVISIONS}"))

    def damage(self, connection: sa.Connection) -> str:
        """What SQLite finds when it looks at every page."""
        found = str(connection.scalar(sa.text("PRAGMA integrity_check(1)")))
        return "" if found == "ok" else found

    def is_wait(self, error: BaseException) -> bool:
        """True for SQLITE_BUSY and SQLITE_LOCKED."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

    def is_damage(self, error: BaseException) -> bool:
        """True for what SQLite calls corrupt or no database."""
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in _UNUSABLE


def _configure(connection: Any, record: object) -> None:  # noqa: ANN401 - the driver's own class
    cursor = connection.cursor()
    # Readers never wait for the writer; FULL keeps a committed edit through a power cut.
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous = FULL")
    # Enough for the indexes of a slide: entering 100,000 annotations takes half the time.
    cursor.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    cursor.close()


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    # SQLite waits for others before a transaction, but not before a change of mode.
    deadline = time.monotonic() + WAIT_FOR_OTHERS_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_S)


def _begin(connection: sa.Connection) -> None:
    # Reading first and writing later in one transaction would deadlock two writers.
    reads_only = connection.get_execution_options().get("reads_only")
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")


def copy_sqlite(source: Path, copy: Path) -> None:
    """Copy a file as it is at one moment, also while others write to it; it is not changed.

    Raises:
        AnnotationError: It is no database, or a damaged one.
        StorageError: It cannot be read.
    """
    with (
        SqliteDatabase(source).errors(),
        closing(_read_only(source)) as theirs,
        closing(sqlite3.connect(copy)) as ours,
    ):
        theirs.backup(ours)


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=WAIT_FOR_OTHERS_S
    )
