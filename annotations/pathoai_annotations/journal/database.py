"""What a journal asks of the database it lies in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from pathoai.errors import AnnotationError, ReadOnlyError, StorageError

WAIT_FOR_OTHERS_S = 60
"""How long a program waits for another's transaction: far longer than any takes."""


class Database(ABC):
    """A database, and how its transactions and its complaints are.

    Args:
        name: What error messages call it; no path and no password.
        engine: Of SQLAlchemy.
    """

    is_read_only = False
    """True where nothing can be entered: `writing` refuses."""

    def __init__(self, name: str, engine: sa.Engine) -> None:
        """Open nothing yet."""
        self.name = name
        self._engine = engine
        self._reader = engine.execution_options(reads_only=True)
        self._driver = engine.dialect.loaded_dbapi

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that waits for nobody."""
        with self.errors(), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that no other writer's overlaps, so that numbers rise as they commit."""
        with self.errors(), self._engine.begin() as connection:
            self.lock(connection)
            yield connection

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

    def waited_in_vain(self) -> StorageError:
        """What is said where others write all the time."""
        return StorageError(
            "other programs are writing to the journal all the time",
            where=self.name,
            found=f"no turn for {WAIT_FOR_OTHERS_S} seconds",
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
