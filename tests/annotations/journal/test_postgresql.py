"""A journal on a PostgreSQL server: what can befall the connection."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from pathoai.cli.main import main
from pathoai.errors import AnnotationError, MissingDependencyError, StorageError, StudyError
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.journal.append import append_states
from pathoai_annotations.journal.bulk import insert_rows
from pathoai_annotations.journal.event import Operation
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.schema import events

Draw = Callable[..., Annotation]

_END_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE pid <> pg_backend_pid() AND datname = current_database()"
)


def _end_other_connections(url: str) -> None:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        connection.execute(sa.text(_END_OTHERS))
    engine.dispose()


def test_a_server_that_is_not_there_is_a_storage_error(postgresql_place: str) -> None:
    url = postgresql_place.replace("host=", "host=/absent")
    with pytest.raises(StorageError, match=r"cannot be written or read.*study.toml.*PGPASSWORD"):
        Journal(url)
    with pytest.raises(StorageError, match=r'database "absent" does not exist'):
        Journal(postgresql_place.replace("/postgres?", "/absent?"))


def test_a_schema_that_is_not_there_is_a_storage_error(postgresql_server: str) -> None:
    with pytest.raises(StorageError, match="no schema has been selected"):
        Journal(f"{postgresql_server}&options=-csearch_path%3Dabsent")


def test_a_connection_that_was_lost_between_edits_is_made_anew(
    postgresql_place: str, draw: Draw
) -> None:
    with Journal(postgresql_place) as journal:
        journal.propose([draw("a")])
        _end_other_connections(postgresql_place)
        journal.propose([draw("b")])
        _end_other_connections(postgresql_place)
        assert journal.annotations() == [draw("a"), draw("b")]


def _ask(connection: sa.Connection) -> None:
    connection.execute(sa.text("SELECT 1"))


def _copy(connection: sa.Connection) -> None:
    insert_rows(connection, events, [dict.fromkeys(events.c.keys())])


@pytest.mark.parametrize("go_on", [_ask, _copy])
def test_a_connection_that_is_lost_in_an_edit_enters_nothing_of_it(
    postgresql_place: str, draw: Draw, go_on: Callable[[sa.Connection], None]
) -> None:
    with Journal(postgresql_place) as journal:
        journal.propose([draw("a")])

        def edit_and_lose() -> None:
            with journal.database.writing() as connection:
                append_states(connection, Operation.PROPOSE, [draw("lost")], {"tool": "a test"})
                _end_other_connections(postgresql_place)
                go_on(connection)

        with pytest.raises(StorageError, match=r"cannot be written.*before is kept"):
            edit_and_lose()
        journal.propose([draw("b")])
        assert len(list(journal.events())) == 2


def test_what_the_tables_refuse_is_said(postgresql_place: str, draw: Draw) -> None:
    with Journal(postgresql_place) as journal:
        with (
            pytest.raises(AnnotationError, match=r"refused the edit.*null value"),
            journal.database.writing() as connection,
        ):
            _copy(connection)
        assert journal.propose([draw()]) == 1


def test_who_waits_too_long_is_told_so_and_no_lock_is_named(
    postgresql_place: str, draw: Draw
) -> None:
    with Journal(postgresql_place) as one, Journal(postgresql_place) as two:
        two.database.wait_at_most(1)
        with one.database.writing(), pytest.raises(StorageError) as raised:
            two.propose([draw()])
        assert "other programs are writing to the journal all the time" in str(raised.value)
        assert "no turn for 1 seconds" in str(raised.value)
        assert "lock" not in str(raised.value)
        assert two.propose([draw()]) == 1


def test_two_schemas_of_one_database_do_not_wait_for_each_other(
    postgresql_server: str, postgresql_place: str, draw: Draw
) -> None:
    with Journal(postgresql_place) as one, Journal(postgresql_server) as two:
        with one.database.writing(), ThreadPoolExecutor(1) as pool:
            assert pool.submit(two.propose, [draw()]).result(timeout=30) == 1
        assert one.annotations() == []
    engine = sa.create_engine(postgresql_server)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE events, current_annotations, alembic_version"))
        connection.execute(sa.text("DROP FUNCTION refuse_change_of_events"))
    engine.dispose()


def test_the_schema_of_another_program_or_a_newer_pathoai_is_refused(
    postgresql_place: str,
) -> None:
    engine = sa.create_engine(postgresql_place)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE patients (name text)"))
    with pytest.raises(AnnotationError, match=r"/postgres: not a journal.*another database"):
        Journal(postgresql_place)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE patients"))
    Journal(postgresql_place).close()
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(AnnotationError, match=r"newer pathoai.*schema 9999.*upgrade pathoai"):
        Journal(postgresql_place)
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql+psycopg://me:secret@host/db", "keep the new one in ~/.pgpass"),
        ("postgresql://host/db?password=secret", "keep the new one in ~/.pgpass"),
        ("mysql://host/db", "a URL of mysql; allowed: nothing, or postgresql"),
        ("journal.sqlite", "a URL of no scheme"),
        ("postgresql://host", "names no database"),
        ("postgresql://[host/db", "malformed URL"),
    ],
)
def test_a_url_that_cannot_serve_is_refused_and_not_repeated(url: str, expected: str) -> None:
    with pytest.raises(StudyError, match=expected.replace("+", r"\+")) as raised:
        Journal(url)
    assert "secret" not in str(raised.value)


def test_without_the_driver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "pathoai\[postgresql\]"'):
        Journal("postgresql://host/db")


def test_a_study_names_its_database_and_its_journal_moves_there_with_its_whole_past(
    study: Study, slide_id: str, postgresql_place: str, draw: Draw
) -> None:
    with Journal.open(study) as journal:
        journal.propose([draw(slide_id=slide_id)])
        journal.validate([draw(slide_id=slide_id).id], author="R1")
        before = list(journal.events())
    sheet = study.path / "study.toml"
    text = sheet.read_text("utf8")
    sheet.write_text(text.replace('journal = ""', f'journal = "{postgresql_place}"'), "utf8")
    words = ["annotations", "merge", str(study.path), str(study.journal_path)]
    assert main(words) == 0
    with Journal.open(Study(study.path)) as journal:
        assert "postgres" in journal.database.name
        assert list(journal.events()) == before


def test_an_account_that_may_only_add_can_work_and_cannot_change(
    postgresql_place: str, draw: Draw
) -> None:
    Journal(postgresql_place).close()
    schema = postgresql_place.rpartition("%3D")[2]
    engine = sa.create_engine(postgresql_place)
    grants = (
        f"CREATE ROLE reader_{schema} LOGIN",
        f"GRANT USAGE ON SCHEMA {schema} TO reader_{schema}",
        f"GRANT SELECT ON alembic_version TO reader_{schema}",
        f"GRANT SELECT, INSERT ON events TO reader_{schema}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON current_annotations TO reader_{schema}",
    )
    with engine.begin() as connection:
        for grant in grants:
            connection.execute(sa.text(grant))
    with Journal(postgresql_place.replace("pathoai@", f"reader_{schema}@")) as journal:
        journal.propose([draw()])
        journal.validate([draw().id], author="R1")
        assert len(list(journal.events())) == 2
        for statement in (
            "TRUNCATE events",
            "DROP TABLE events",
            "DROP TRIGGER no_change ON events",
        ):
            with (
                pytest.raises(StorageError, match=r"permission denied|must be owner"),
                journal.database.writing() as connection,
            ):
                connection.execute(sa.text(statement))
    with engine.begin() as connection:
        connection.execute(sa.text(f"DROP OWNED BY reader_{schema}"))
        connection.execute(sa.text(f"DROP ROLE reader_{schema}"))
    engine.dispose()
