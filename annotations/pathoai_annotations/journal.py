"""The journal: every edit of every annotation, appended and never changed.

States and who may leave them::

    (none) ──propose──▶ proposed ──validate──▶ validated ──correct──▶ corrected
                           │                       │                      │
                           └───────── reject ──────┴──────────────────────┘──▶ rejected

A rejected annotation comes back by ``validate`` or ``correct``; nothing is ever lost.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from shapely.geometry.base import BaseGeometry
from sqlalchemy.orm import Session

from pathoai import __version__
from pathoai.errors import AnnotationError, StorageError
from pathoai.geometry import Region
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Status, check_author
from pathoai_annotations.annotation_columns import AnnotationColumns, read_columns
from pathoai_annotations.journal_rows import (
    append_events,
    check_same,
    is_same,
    latest_rows,
    latest_states,
    required_states,
    state_in,
    states_of,
)
from pathoai_annotations.journal_schema import SCHEMA_VERSION, Base, EventRow

TOOL = f"pathoai {__version__}"
_WAIT_FOR_OTHERS_S = 60.0
_PAUSE_S = 0.01


@dataclass(frozen=True, slots=True)
class Event:
    """One edit.

    Args:
        seq: Its number, growing by time.
        at: ISO 8601, UTC, milliseconds.
        author: Code of who did it.
        tool: Program and version.
        operation: ``propose``, ``validate``, ``correct`` or ``reject``.
        annotation: Its whole state after the edit.
    """

    seq: int
    at: str
    author: str
    tool: str
    operation: str
    annotation: Annotation


class Journal:
    """A study's journal, in one SQLite file that several programs may write at once.

    Args:
        path: The file; made on first use.

    Raises:
        AnnotationError: The file is no journal, or one of a newer pathoai.
        StorageError: The place is not writable.
    """

    def __init__(self, path: Path) -> None:
        """Open or make the file."""
        self._name = path.name
        url = sa.URL.create("sqlite", database=str(path))
        self._engine = sa.create_engine(
            url,
            # Another program's transaction is waited for, never shown as an error.
            connect_args={"timeout": _WAIT_FOR_OTHERS_S, "isolation_level": None},
        )
        sa.event.listen(self._engine, "connect", _configure)
        sa.event.listen(self._engine, "begin", _begin)
        self._reader = self._engine.execution_options(reads_only=True)
        try:
            with self._errors():
                self._prepare()
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(cls, study: Study) -> Journal:
        """The journal of a study."""
        return cls(study.journal_path)

    def _prepare(self) -> None:
        # Only making the file needs the lock: reading goes on while another program writes.
        with self._reader.begin() as connection:
            if self._has_schema(connection):
                return
        with self._engine.begin() as connection:
            # Another program may have made it since.
            if not self._has_schema(connection):
                Base.metadata.create_all(connection)
                connection.execute(sa.text(f"PRAGMA user_version = {SCHEMA_VERSION}"))

    def _has_schema(self, connection: sa.Connection) -> bool:
        version = connection.execute(sa.text("PRAGMA user_version")).scalar_one()
        if version > SCHEMA_VERSION:
            raise AnnotationError(
                "the journal was written by a newer pathoai",
                found=f"schema {version}",
                allowed=f"schema {SCHEMA_VERSION}",
                remedy="upgrade pathoai",
            )
        if version == 0 and sa.inspect(connection).get_table_names():
            raise AnnotationError(
                "not a journal: another program's database",
                where=self._name,
                remedy="move it away; a new journal is made on first use",
            )
        return bool(version)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.IntegrityError as error:
            raise AnnotationError("the journal refused the edit", found=str(error.orig)) from error
        except (sa.exc.OperationalError, sqlite3.OperationalError) as error:
            raise StorageError(
                "the journal cannot be written or read",
                where=self._name,
                found=_cause(error),
                remedy="check that the study's folder is writable and its disk not full",
            ) from error
        except (sa.exc.DatabaseError, sqlite3.DatabaseError) as error:
            raise AnnotationError(
                "the journal is damaged",
                where=self._name,
                found=_cause(error),
                remedy="restore it from your backup",
            ) from error

    def propose(self, annotations: Iterable[Annotation], *, tool: str = TOOL) -> int:
        """Enter new annotations, all or none; those already there are skipped.

        One is already there if it equals the present state or what was first proposed, so importing
        a file again changes nothing, whatever was said of its annotations since.

        Returns:
            How many were new.

        Raises:
            AnnotationError: One is known with another content, or is not ``proposed``.
        """
        unique: dict[uuid.UUID, Annotation] = {}
        for annotation in annotations:
            check_same(annotation, unique.setdefault(annotation.id, annotation))
        with self._transaction() as session:
            known = latest_states(session, list(unique))
            for annotation in unique.values():
                if annotation.status is not Status.PROPOSED:
                    raise AnnotationError(
                        "new annotations are proposals",
                        where=annotation.id,
                        found=annotation.status,
                    )
            fresh = [a for a in unique.values() if a.id not in known]
            differing = [unique[i] for i, state in known.items() if not is_same(unique[i], state)]
            first = states_of(session, [a.id for a in differing], sa.func.min)
            for annotation in differing:
                check_same(annotation, first[annotation.id])
            append_events(session, "propose", fresh, tool)
        return len(fresh)

    def validate(self, ids: Iterable[uuid.UUID], *, author: str, tool: str = TOOL) -> None:
        """A pathologist stands behind annotations as they are.

        Raises:
            AnnotationError: One is unknown; none is changed.
        """
        self._set_status("validate", ids, Status.VALIDATED, author=author, tool=tool)

    def reject(self, ids: Iterable[uuid.UUID], *, author: str, tool: str = TOOL) -> None:
        """A pathologist says that annotations are wrong; they stay in the journal.

        Raises:
            AnnotationError: One is unknown; none is changed.
        """
        self._set_status("reject", ids, Status.REJECTED, author=author, tool=tool)

    def _set_status(
        self, operation: str, ids: Iterable[uuid.UUID], status: Status, *, author: str, tool: str
    ) -> None:
        check_author(author)
        wanted = list(dict.fromkeys(ids))
        with self._transaction() as session:
            states = required_states(session, wanted)
            # Saying the same again is no edit; a correction that is validated stays a correction.
            keep = {status, Status.CORRECTED} if status is Status.VALIDATED else {status}
            changed = [
                replace(states[i], status=status, author=author)
                for i in wanted
                if states[i].status not in keep
            ]
            append_events(session, operation, changed, tool)

    def correct(
        self,
        annotation_id: uuid.UUID,
        *,
        author: str,
        geometry: BaseGeometry | None = None,
        label: str | None = None,
        tool: str = TOOL,
    ) -> Annotation:
        """A pathologist changes an outline or a class, and stands behind the result.

        A model's probability goes: it was said of another outline or class.

        Args:
            annotation_id: Which.
            author: Code of who does it.
            geometry: The new outline, level-0 pixels.
            label: The new class.
            tool: Program and version.

        Returns:
            The annotation after the edit.

        Raises:
            AnnotationError: It is unknown, or the new outline is malformed.
        """
        check_author(author)
        with self._transaction() as session:
            state = required_states(session, [annotation_id])[annotation_id]
            corrected = replace(
                state,
                geometry=state.geometry if geometry is None else geometry,
                label=state.label if label is None else label,
                status=Status.CORRECTED,
                author=author,
                # The model's probability was of its own outline and class, not of these.
                confidence=None,
            )
            append_events(session, "correct", [corrected], tool)
        return corrected

    def annotations(
        self,
        slide_id: str | None = None,
        *,
        status: Collection[Status] | None = None,
        region: Region | None = None,
        at_seq: int | None = None,
    ) -> list[Annotation]:
        """The state of the annotations, now or at a past moment.

        Args:
            slide_id: Only of this slide.
            status: Only of these.
            region: Only those whose bounds touch this rectangle, level-0 pixels.
            at_seq: After that edit and none later.

        Returns:
            The annotations in the order in which they were first proposed.
        """
        query = latest_rows(slide_id, status=status, region=region, at_seq=at_seq)
        with self._errors(), Session(self._reader) as session:
            return [state_in(found) for found in session.scalars(query)]

    def columns(
        self, slide_id: str, *, status: Collection[Status] | None = None
    ) -> AnnotationColumns:
        """The present state of a slide's annotations, without an object for each.

        Args:
            slide_id: Of the slide.
            status: Only of these.

        Returns:
            In the order in which they were first proposed.
        """
        with self._errors(), Session(self._reader) as session:
            return read_columns(session, latest_rows(slide_id, status=status))

    def get(self, annotation_id: uuid.UUID) -> Annotation:
        """The present state of one annotation.

        Raises:
            AnnotationError: It is unknown.
        """
        with self._errors(), Session(self._reader) as session:
            return required_states(session, [annotation_id])[annotation_id]

    def events(self, slide_id: str | None = None) -> Iterator[Event]:
        """All edits, oldest first."""
        query = sa.select(EventRow).order_by(EventRow.seq)
        if slide_id is not None:
            query = query.where(EventRow.slide_id == slide_id)
        with self._errors(), Session(self._reader) as session:
            for row in session.scalars(query.execution_options(yield_per=1000)):
                yield Event(row.seq, row.at, row.author, row.tool, row.operation, state_in(row))

    def counts(self, slide_id: str | None = None) -> dict[Status, int]:
        """How many annotations have each status now."""
        latest = sa.select(sa.func.max(EventRow.seq)).group_by(EventRow.annotation_id)
        if slide_id is not None:
            latest = latest.where(EventRow.slide_id == slide_id)
        query = (
            sa.select(EventRow.status, sa.func.count())
            .where(EventRow.seq.in_(latest))
            .group_by(EventRow.status)
        )
        with self._errors(), Session(self._reader) as session:
            found = {Status(status): count for status, count in session.execute(query)}
        return {status: found.get(status, 0) for status in Status}

    @contextmanager
    def _transaction(self) -> Iterator[Session]:
        with self._errors(), Session(self._engine) as session, session.begin():
            yield session

    def close(self) -> None:
        """Release the file."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Release the file."""
        self.close()


def _cause(error: Exception) -> str:
    return str(error.orig) if isinstance(error, sa.exc.DBAPIError) else str(error)


def _configure(connection: Any, record: object) -> None:  # noqa: ANN401 - the driver's own class
    cursor = connection.cursor()
    # Readers never wait for the writer; FULL keeps a committed edit through a power cut.
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    # SQLite waits for others before a transaction, but not before a change of mode.
    deadline = time.monotonic() + _WAIT_FOR_OTHERS_S
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
