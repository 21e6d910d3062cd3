"""Making a journal's tables, and bringing those of an older pathoai up to date."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from pathoai.errors import AnnotationError
from pathoai_annotations.journal.current import rebuild_current
from pathoai_annotations.journal.database import Database
from pathoai_annotations.journal.schema import REVISION, metadata

MIGRATIONS = Path(__file__).parent / "migrations"
_VERSIONS = sa.table("alembic_version", sa.column("version_num", sa.String))
_FIRST = "0001"
_OLDER = (_FIRST, "0002")


def prepare(database: Database) -> None:
    """See to it that the journal has the tables of this pathoai.

    One transaction: a program that is killed leaves the old journal or the new one.

    Raises:
        AnnotationError: The database is another program's, or a newer pathoai's, or an older one's
            that may only be read.
    """
    # Only making or changing tables needs the lock: reading goes on while another program writes.
    with database.reading() as connection:
        revision = _revision(database, connection)
    if revision == REVISION:
        return
    if database.is_read_only:
        raise _too_old(database, revision)
    with database.writing() as connection:
        # Another program may have done it since.
        revision = _revision(database, connection)
        if revision is None:
            _make(connection)
        elif revision != REVISION:
            _upgrade(connection, revision)
            rebuild_current(connection)
        database.note_schema(connection)


def _revision(database: Database, connection: sa.Connection) -> str | None:
    """Of the tables that are there; None where there are none."""
    tables = set(sa.inspect(connection).get_table_names())
    if not tables:
        return None
    if {"alembic_version", "events"} <= tables:
        return _known(str(connection.scalar(sa.select(_VERSIONS.c.version_num))), database)
    if "events" in tables and database.is_first_schema(connection):
        return _FIRST
    raise AnnotationError(
        "not a journal: another program's database",
        where=database.name,
        remedy="move it away, or name another database; a new journal is made on first use",
    )


def _too_old(database: Database, revision: str | None) -> AnnotationError:
    return AnnotationError(
        "the journal was written by an older pathoai, and may only be read here",
        where=database.name,
        found="no tables" if revision is None else f"schema {revision}",
        allowed=f"schema {REVISION}",
        remedy="let somebody who may write bring it up to date (`pathoai annotations summary "
        "STUDY`), or do that to a copy of the study",
    )


def _known(revision: str, database: Database) -> str:
    if revision not in (*_OLDER, REVISION):
        raise AnnotationError(
            "the journal was written by a newer pathoai",
            where=database.name,
            found=f"schema {revision}",
            allowed=f"schema {REVISION} and older",
            remedy="upgrade pathoai",
        )
    return revision


def _make(connection: sa.Connection) -> None:
    metadata.create_all(connection)
    # What Alembic would do to a new database, without loading it.
    connection.execute(
        sa.text(
            "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
            "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
        )
    )
    connection.execute(sa.insert(_VERSIONS).values(version_num=REVISION))


def _upgrade(connection: sa.Connection, revision: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    if not sa.inspect(connection).has_table("alembic_version"):
        command.stamp(config, revision)
    command.upgrade(config, REVISION)
