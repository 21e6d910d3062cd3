"""What can be asked of a journal: present and past states, and the log."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa

from pathoai.errors import InvalidValueError
from pathoai.geometry import Region
from pathoai_annotations.annotation import Annotation, Status
from pathoai_annotations.journal.columns import IN_COLUMNS, AnnotationColumns, columns_in
from pathoai_annotations.journal.current import differences_from_log
from pathoai_annotations.journal.event import Event, Operation
from pathoai_annotations.journal.history import past_rows, seq_at, states_of_author
from pathoai_annotations.journal.open_database import open_prepared
from pathoai_annotations.journal.region_reading import RegionReading
from pathoai_annotations.journal.rows import STATE, events_in, states_in
from pathoai_annotations.journal.schema import current_annotations, events
from pathoai_annotations.journal.standing_readings import standing_readings
from pathoai_annotations.journal.states import present_rows, required_states

_ROWS_AT_ONCE = 1000
_VERDICTS = (Operation.SIGN_OFF, Operation.REOPEN)


class JournalQueries:
    """A journal, as those see it who only read.

    Args:
        place: A SQLite file, made on first use, or the URL of a PostgreSQL database.

    Raises:
        AnnotationError: What lies there is no journal, one of a newer pathoai, or one of an older
            that may only be read.
        StorageError: The place cannot be reached, or neither written nor read.
        StudyError: The URL cannot serve.
        MissingDependencyError: The extra ``postgresql`` is not installed.
    """

    def __init__(self, place: Path | str) -> None:
        """Open it; make it, or bring it up to date, where needed."""
        self.database = open_prepared(place)

    def annotations(
        self,
        slide_id: str | None = None,
        *,
        status: Collection[Status] | None = None,
        region: Region | None = None,
        at_seq: int | None = None,
        at: datetime | str | None = None,
    ) -> list[Annotation]:
        """The state of the annotations, now or at a past moment; deleted ones are in none.

        Args:
            slide_id: Only of this slide.
            status: Only of these.
            region: Only those whose bounds touch this rectangle, level-0 pixels.
            at_seq: After that edit and none later.
            at: At that moment, with its time zone.

        Returns:
            The annotations in the order in which they were first proposed.

        Raises:
            InvalidValueError: The moment has no time zone, or there are two.
        """
        if at is not None and at_seq is not None:
            raise InvalidValueError("one moment, not two", found=f"edit {at_seq} and {at}")
        with self.database.reading() as connection:
            if at is not None:
                at_seq = seq_at(connection, at)
            if at_seq is None:
                query = present_rows(STATE, slide_id=slide_id, status=status, region=region)
            else:
                query = past_rows(at_seq, slide_id=slide_id, status=status, region=region)
            return states_in(connection.execute(query).all())

    def annotations_of(self, author: str, slide_id: str | None = None) -> list[Annotation]:
        """Annotations as one reader left them, whatever others said of them since.

        Args:
            author: Code of the reader.
            slide_id: Only of this slide.
        """
        with self.database.reading() as connection:
            return states_of_author(connection, author, slide_id)

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
        with self.database.reading() as connection:
            query = present_rows(IN_COLUMNS, slide_id=slide_id, status=status)
            return columns_in(connection.execute(query).all())

    def get(self, annotation_id: uuid.UUID) -> Annotation:
        """The present state of one annotation.

        Raises:
            AnnotationError: It is unknown or deleted.
        """
        with self.database.reading() as connection:
            return required_states(connection, [annotation_id])[annotation_id]

    def events(
        self,
        slide_id: str | None = None,
        *,
        annotation_id: uuid.UUID | None = None,
        since_seq: int = 0,
    ) -> Iterator[Event]:
        """What was done, oldest first.

        Args:
            slide_id: Only on this slide.
            annotation_id: Only to this annotation.
            since_seq: Only what came after that edit.
        """
        query = sa.select(events).where(events.c.seq > since_seq)
        if annotation_id is not None:
            query = query.where(events.c.annotation_id == str(annotation_id))
        yield from self._events(query, slide_id)

    def sign_offs(self, slide_id: str | None = None) -> list[Event]:
        """What readers said of whole slides, oldest first, also where they reopened them since.

        Args:
            slide_id: Only of this slide.
        """
        return self.remarks({Operation.SIGN_OFF}, slide_id)

    def remarks(
        self,
        operations: Collection[Operation],
        slide_id: str | None = None,
        author: str | None = None,
    ) -> list[Event]:
        """Entries about slides and their regions, oldest first.

        Args:
            operations: Only these.
            slide_id: Only of this slide.
            author: Only by this code.
        """
        query = _remarks(operations)
        if author is not None:
            query = query.where(events.c.author == author)
        return list(self._events(query, slide_id))

    def region_readings(
        self, slide_id: str | None = None, author: str | None = None
    ) -> list[RegionReading]:
        """Regions that were read, as it stands: each reader's last word on each, oldest first.

        Args:
            slide_id: Only of this slide.
            author: Only by this code.
        """
        return standing_readings(self.remarks({Operation.READ_REGION}, slide_id, author))

    def is_signed(self, slide_id: str, author: str) -> bool:
        """True where a reader has signed a slide off and not reopened it since."""
        with self.database.reading() as connection:
            return is_signed(connection, slide_id, author)

    def slides_edited_by(self, author: str) -> frozenset[str]:
        """Slides of which somebody edited an annotation.

        Args:
            author: Code of the person.
        """
        own = sa.and_(events.c.author == author, events.c.annotation_id.is_not(None))
        query = sa.select(events.c.slide_id).where(own).distinct()
        with self.database.reading() as connection:
            return frozenset(connection.scalars(query))

    def _events(self, query: sa.Select[Any], slide_id: str | None) -> Iterator[Event]:
        if slide_id is not None:
            query = query.where(events.c.slide_id == slide_id)
        query = query.order_by(events.c.seq)
        with self.database.reading() as connection:
            streaming = connection.execution_options(stream_results=True)
            for rows in streaming.execute(query).partitions(_ROWS_AT_ONCE):
                yield from events_in(rows)

    def seq_at(self, moment: datetime | str) -> int:
        """The last edit entered by a moment; 0 where there is none.

        Raises:
            InvalidValueError: The moment has no time zone.
        """
        with self.database.reading() as connection:
            return seq_at(connection, moment)

    def counts(self, slide_id: str | None = None) -> dict[Status, int]:
        """How many annotations have each status now."""
        now = current_annotations
        query = sa.select(now.c.status, sa.func.count()).group_by(now.c.status)
        if slide_id is not None:
            query = query.where(now.c.slide_id == slide_id)
        with self.database.reading() as connection:
            found = {status: count for status, count in connection.execute(query)}
        return {status: found.get(status.value, 0) for status in Status}

    def differences_from_log(self) -> list[str]:
        """Ids of annotations of which the table of present states is not what the log says."""
        with self.database.reading() as connection:
            return differences_from_log(connection)

    def close(self) -> None:
        """Release the file or the connections."""
        self.database.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Release the file or the connections."""
        self.close()


def is_signed(connection: sa.Connection, slide_id: str, author: str) -> bool:
    """Whether the last that a reader said of a whole slide is that he has finished it."""
    e = events.c
    own = _remarks(_VERDICTS).where(e.slide_id == slide_id, e.author == author)
    last = own.with_only_columns(e.operation).order_by(e.seq.desc()).limit(1)
    return connection.scalar(last) == Operation.SIGN_OFF


def _remarks(operations: Collection[Operation]) -> sa.Select[Any]:
    # In the words of the index on remarks.
    is_remark = events.c.annotation_id.is_(None)
    return sa.select(events).where(is_remark, events.c.operation.in_([o.value for o in operations]))
