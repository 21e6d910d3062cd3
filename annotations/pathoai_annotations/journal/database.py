"""What a journal asks of the database it lies in."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from pathoai.errors import AnnotationError, BusyError, ReadOnlyError, StorageError

WAIT_FOR_OTHERS_S = 60
"""How long a command waits for another's transaction: far longer than any takes."""


class Database(ABC):
    """A database, and how its transactions and its complaints are.

    Args:
        name: What error messages call it; no path and no password.
        engine: Of SQLAlchemy.

    Attributes:
        wait_s: How long it waits for another program's transaction, seconds.
    """

    is_read_only = False
    """True where nothing can be entered: `writing` refuses."""

    def __init__(self, name: str, engine: sa.Engine) -> None:
        """Open nothing yet."""
        self.name = name
        self._engine = engine
        self._reader = engine.execution_options(reads_only=True)
        self._driver = engine.dialect.loaded_dbapi
        self._own = threading.local()
        self.wait_s: float = WAIT_FOR_OTHERS_S

    def wait_at_most(self, seconds: float) -> None:
        """Wait no longer than this for other programs from now on: a window must not freeze."""
        self.wait_s = seconds
        # Connections are told when they are made.
        self._engine.dispose()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """All that this thread enters meanwhile is one transaction: kept whole, or not at all."""
        with self.writing() as connection:
            before, self._own.connection = self._of_this_thread, connection
            try:
                yield
            finally:
                self._own.connection = before

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that waits for nobody; within `at_once` it sees what is not kept yet."""
        if (held := self._of_this_thread) is not None:
            yield held
            return
        with self.errors(), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that no other writer's overlaps, so that numbers rise as they commit.

        Raises:
            BusyError: Another program held the journal for longer than ``wait_s``.
        """
        if (held := self._of_this_thread) is not None:
            yield held
            return
        with self.errors(), self.turn() as connection:
            yield connection

    @contextmanager
    def turn(self) -> Iterator[sa.Connection]:
        """Wait for one's turn, and begin what `writing` gives."""
        with self._engine.begin() as connection:
            self.lock(connection)
            yield connection

    @property
    def is_at_once(self) -> bool:
        """True within `at_once`: what is entered is not kept yet."""
        return self._of_this_thread is not None

    @property
    def _of_this_thread(self) -> sa.Connection | None:
        found: sa.Connection | None = getattr(self._own, "connection", None)
        return found

    @abstractmethod
    def lock(self, connection: sa.Connection) -> None:
        """Wait until no other program writes; the end of the transaction lets the next one in."""

    @abstractmethod
    def is_first_schema(self, connection: sa.Connection) -> bool:
        """True for a journal made before there were revisions."""

    @abstractmethod
    def note_schema(self, connection: sa.Connection) -> None:
        """Leave a mark that programs see which know no revisions."""

    @abstractmethod
    def damage(self, connection: sa.Connection) -> str:
        """What the database finds wrong with its own pages; empty where nothing is."""

    @abstractmethod
    def is_wait(self, error: BaseException) -> bool:
        """True where the driver waited for another program in vain."""

    @abstractmethod
    def is_damage(self, error: BaseException) -> bool:
        """True where what lies there is no database, or a broken one."""

    @abstractmethod
    def is_unwritable(self, error: BaseException) -> bool:
        """True where the driver may not write."""

    @abstractmethod
    def scrub(self) -> None:
        """Write the tables anew, so that nothing erased stays behind in free pages."""

    @property
    @abstractmethod
    def remedy(self) -> str:
        """What to do where it cannot be reached or written."""

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Say what went wrong in the words of pathoai.

        Raises:
            AnnotationError: The database refused what was asked, or is damaged.
            BusyError: Others write all the time.
            ReadOnlyError: It may not be written.
            StorageError: It cannot be reached or written.
        """
        try:
            yield
        except sa.exc.DBAPIError as error:
            raise self._explained(error.orig or error) from error
        # While it connects and while it copies, the driver speaks for itself.
        except self._driver.Error as error:
            raise self._explained(error) from error

    def _explained(self, cause: BaseException) -> Exception:
        if isinstance(cause, self._driver.IntegrityError):
            return AnnotationError("the journal refused the edit", found=str(cause))
        if self.is_wait(cause):
            return self.waited_in_vain()
        if self.is_damage(cause):
            return AnnotationError(
                "the journal is damaged",
                where=self.name,
                found=str(cause),
                remedy="restore it from your backup",
            )
        return self._cannot(ReadOnlyError if self.is_unwritable(cause) else StorageError, cause)

    def waited_in_vain(self) -> BusyError:
        """What is said where others write all the time."""
        return BusyError(
            "other programs are writing to the journal all the time",
            where=self.name,
            found=f"no turn for {self.wait_s:g} seconds",
            remedy="do it again when they are done; nothing of it was entered",
        )

    def unusable(self, cause: str) -> StorageError:
        """What is said where it cannot be reached or written."""
        return self._cannot(StorageError, cause)

    def _cannot(self, kind: type[StorageError], cause: object) -> StorageError:
        return kind(
            "the journal cannot be written or read",
            where=self.name,
            found=cause,
            remedy=self.remedy,
        )

    def close(self) -> None:
        """Release it."""
        self._engine.dispose()
