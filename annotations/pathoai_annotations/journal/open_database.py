"""Which database a place names."""

from __future__ import annotations

from pathlib import Path

from pathoai.errors import ReadOnlyError
from pathoai.study.journal_url import check_journal_url
from pathoai_annotations.journal.database import Database
from pathoai_annotations.journal.postgresql import PostgresqlDatabase
from pathoai_annotations.journal.prepare import prepare
from pathoai_annotations.journal.sqlite import SqliteDatabase
from pathoai_annotations.journal.sqlite_read_only import ReadOnlySqlite, may_be_written


def open_prepared(place: Path | str) -> Database:
    """The database at a place, its tables made, or brought up to date, where needed.

    A file that may only be read is opened all the same: who writes to it is refused then.

    Args:
        place: A SQLite file, or the URL of a PostgreSQL database.

    Raises:
        AnnotationError: What lies there is no journal, one of a newer pathoai, or one of an older
            that may only be read.
        StorageError: The place cannot be reached, or neither written nor read.
        StudyError: The URL is none of PostgreSQL, or holds a password.
        MissingDependencyError: The extra ``postgresql`` is not installed.
    """
    if isinstance(place, Path) and place.parent.is_dir() and not may_be_written(place):
        return _prepared(ReadOnlySqlite(place))
    try:
        return _prepared(open_database(place))
    except ReadOnlyError:
        # What may be written cannot be told beforehand everywhere, e.g. on a network drive.
        if not isinstance(place, Path) or not place.is_file():
            raise
    return _prepared(ReadOnlySqlite(place))


def open_database(place: Path | str) -> Database:
    """The database at a place, as one that is written; its tables may not be there yet.

    Args:
        place: A SQLite file, or the URL of a PostgreSQL database.

    Raises:
        StudyError: The URL is none of PostgreSQL, or holds a password.
        MissingDependencyError: The extra ``postgresql`` is not installed.
    """
    if isinstance(place, Path):
        return SqliteDatabase(place)
    check_journal_url(place)
    return PostgresqlDatabase(place)


def _prepared(database: Database) -> Database:
    try:
        prepare(database)
    except BaseException:
        database.close()
        raise
    return database
