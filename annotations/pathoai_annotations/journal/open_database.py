"""Which database a place names."""

from __future__ import annotations

from pathlib import Path

from pathoai.study.journal_url import check_journal_url
from pathoai_annotations.journal.database import Database
from pathoai_annotations.journal.postgresql import PostgresqlDatabase
from pathoai_annotations.journal.sqlite import SqliteDatabase


def open_database(place: Path | str) -> Database:
    """The database at a place.

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
