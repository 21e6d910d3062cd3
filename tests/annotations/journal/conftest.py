"""The journal's places: every test that takes ``place`` or ``journal`` runs on both databases."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

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


@pytest.fixture
def postgresql_place(postgresql_server: str) -> Iterator[str]:
    """The URL of an empty schema."""
    name = f"s{uuid.uuid4().hex}"
    engine = sa.create_engine(postgresql_server, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE SCHEMA {name}"))
    yield f"{postgresql_server}&options=-csearch_path%3D{name}"
    with engine.begin() as connection:
        connection.execute(sa.text(f"DROP SCHEMA {name} CASCADE"))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a journal may be made: a file, or a schema of a server."""
    if request.param == "sqlite":
        return tmp_path / "journal.sqlite"
    url: str = request.getfixturevalue("postgresql_place")
    return url


@pytest.fixture
def journal(place: Path | str) -> Iterator[Journal]:
    with Journal(place) as opened:
        yield opened
