"""The journal's places: every test that takes ``place`` or ``journal`` runs on both databases."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import sqlalchemy as sa

from pathoai.errors import MissingDependencyError
from pathoai.testing.postgresql_server import postgresql_programs, running_postgresql
from pathoai_annotations.journal.journal import Journal


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a server that these tests started."""
    if not os.environ.get("CI"):  # there it is required
        try:
            postgresql_programs()
        except MissingDependencyError as error:
            pytest.skip(str(error))
    with running_postgresql() as url:
        yield url


@contextmanager
def _schema(server: str) -> Iterator[str]:
    name = f"s{uuid.uuid4().hex}"
    engine = sa.create_engine(server, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE SCHEMA {name}"))
    yield f"{server}&options=-csearch_path%3D{name}"
    with engine.begin() as connection:
        connection.execute(sa.text(f"DROP SCHEMA {name} CASCADE"))
    engine.dispose()


@pytest.fixture
def postgresql_place(postgresql_server: str) -> Iterator[str]:
    """The URL of an empty schema."""
    with _schema(postgresql_server) as url:
        yield url


@contextmanager
def _file() -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        yield Path(folder, "journal.sqlite")


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def new_place(
    request: pytest.FixtureRequest,
) -> Callable[[], AbstractContextManager[Path | str]]:
    """Makes places for a journal: a file, or a schema of a server, gone afterwards."""
    if request.param == "sqlite":
        return _file
    server: str = request.getfixturevalue("postgresql_server")
    return partial(_schema, server)


@pytest.fixture
def place(new_place: Callable[[], AbstractContextManager[Path | str]]) -> Iterator[Path | str]:
    """Where a journal may be made."""
    with new_place() as made:
        yield made


@pytest.fixture
def journal(place: Path | str) -> Iterator[Journal]:
    with Journal(place) as opened:
        yield opened
