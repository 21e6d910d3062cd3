"""A journal in a PostgreSQL database that a team shares."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from pathoai.errors import MissingDependencyError
from pathoai_annotations.journal.database import Database

_CONNECT_S = 10
_LOCK = 1_885_431_912  # any number: it tells our lock from those of other programs
_WAITED_IN_VAIN = "55P03"  # lock_not_available
_DAMAGED = ("XX001", "XX002")  # data_corrupted, index_corrupted
_READ_ONLY = ("25006", "42501")  # read_only_sql_transaction, insufficient_privilege


class PostgresqlDatabase(Database):
    """A database on a server, or the one schema of it that the URL's ``search_path`` names.

    Args:
        url: ``postgresql+psycopg://host/database``; no password.

    Raises:
        MissingDependencyError: The extra ``postgresql`` is not installed.
    """

    def __init__(self, url: str) -> None:
        """Open nothing yet."""
        parsed = sa.make_url(url).set(drivername="postgresql+psycopg")
        try:
            engine = sa.create_engine(
                parsed,
                # A statement that names many ids is planned for these ids, not for any.
                connect_args={"connect_timeout": _CONNECT_S, "prepare_threshold": None},
                # A connection that the server closed meanwhile is made anew, unseen.
                pool_pre_ping=True,
            )
        except ImportError as error:
            raise MissingDependencyError(
                "a journal in PostgreSQL needs psycopg",
                found=error.name or "psycopg",
                remedy='pip install "pathoai[postgresql]"',
            ) from error
        sa.event.listen(engine, "connect", self._configure)
        super().__init__(f"{parsed.host or 'local'}/{parsed.database or ''}", engine)

    def scrub(self) -> None:
        """Write the tables anew; what a server's own log and backups keep is its operator's."""
        alone = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        with self.errors(), alone.connect() as connection:
            for table in ("events", "current_annotations"):
                connection.exec_driver_sql(f"VACUUM FULL {table}")

    @property
    def remedy(self) -> str:
        """What to do where it cannot be reached."""
        return (
            "check the journal's URL in study.toml, that the server runs, and that your password "
            "is in ~/.pgpass or PGPASSWORD; what was entered before is kept"
        )

    def lock(self, connection: sa.Connection) -> None:
        """Take turns with other writers of the same schema; readers go on."""
        connection.execute(
            sa.text("SELECT pg_advisory_xact_lock(:ours, hashtext(current_schema()))"),
            {"ours": _LOCK},
        )

    def is_first_schema(self, connection: sa.Connection) -> bool:
        """False: the first schema was SQLite's alone."""
        return False

    def note_schema(self, connection: sa.Connection) -> None:
        """Nothing: no program without revisions reads PostgreSQL."""

    def damage(self, connection: sa.Connection) -> str:
        """Empty: a server checks its pages as it reads them, where its checksums are on."""
        return ""

    def is_wait(self, error: BaseException) -> bool:
        """True where the lock's time ran out."""
        return getattr(error, "sqlstate", None) == _WAITED_IN_VAIN

    def is_damage(self, error: BaseException) -> bool:
        """True where the server says so."""
        return getattr(error, "sqlstate", None) in _DAMAGED

    def is_unwritable(self, error: BaseException) -> bool:
        """True on a server that only copies another, or for an account that may only read."""
        return getattr(error, "sqlstate", None) in _READ_ONLY

    def _configure(self, connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own class
        connection.execute(f"SET lock_timeout = '{round(1000 * self.wait_s)}ms'")
        connection.commit()
