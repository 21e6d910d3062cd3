"""Proposals of one class by confidence, for a grid of thumbnails in which many are judged at once.

Of each only its number in the log and its confidence are held, 12 bytes, so that a class of a
hundred thousand opens at once; all else of it is read for a page at a time.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from pathoai.errors import AnnotationError, InvalidValueError
from pathoai.store.slide_store import is_complete
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Origin, Status
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.relabel import relabel
from pathoai_annotations.journal.rows import STATE, states_in
from pathoai_annotations.journal.schema import current_annotations, events
from pathoai_annotations.journal.states import in_parts
from pathoai_annotations.readers.assignment import AssignmentTable, Role
from pathoai_annotations.readers.blindness import check_may_work
from pathoai_annotations.review.slide_lock import check_unlocked

PAGE = 500
"""Objects on a page: as many as one looks over, and judges, in a minute or two."""
_ROWS_AT_ONCE = 10_000


def slides_in_sight(study: Study, reader: str) -> tuple[str, ...]:
    """Tiled slides that a reader may see, in the order of the cohort.

    Args:
        study: The study, or a reading room.
        reader: Code of the reader.
    """
    roles = AssignmentTable(study).of_reader(reader)
    tiled = (r.slide_id for r in study.cohort if is_complete(study.store_path(r.slide_id)))
    return tuple(
        s for s in tiled if roles.get(s) is not Role.BLIND_READER or _may(study, reader, s)
    )


def _may(study: Study, reader: str, slide_id: str) -> bool:
    try:
        check_may_work(study, reader, [slide_id])
    except AnnotationError:
        return False
    return True


@dataclass(frozen=True)
class ProposalList:
    """The open proposals of a class, in columns, in the order in which they are shown.

    Args:
        label: Key of the class.
        seq: ``(N,)`` int64, number in the log of the edit that each is in.
        confidence: ``(N,)`` float32, 0 to 1; NaN where nothing is known.
    """

    label: str
    seq: NDArray[np.int64]
    confidence: NDArray[np.float32]

    def __len__(self) -> int:
        """Number of proposals."""
        return len(self.seq)

    @property
    def pages(self) -> int:
        """How many pages there are; one where there is nothing."""
        return max(1, -(-len(self) // PAGE))

    def page(self, number: int) -> slice:
        """Which proposals a page shows.

        Args:
            number: From 0.

        Raises:
            InvalidValueError: There is no such page.
        """
        if not 0 <= number < self.pages:
            raise InvalidValueError("page", found=number, allowed=f"0 to {self.pages - 1}")
        return slice(number * PAGE, min(len(self), (number + 1) * PAGE))


class ProposalGrid:
    """What a grid of thumbnails shows, and what is done to many at once.

    Args:
        journal: Of the study.
        reader: Code of the reader.
        slide_ids: Of these slides.
        hides_model: Whether proposals of models are out of sight.
    """

    def __init__(
        self,
        journal: Journal,
        reader: str,
        slide_ids: Sequence[str],
        *,
        hides_model: bool = False,
    ) -> None:
        """Read nothing yet."""
        self._journal, self._reader = journal, reader
        self._slides, self._hides_model = tuple(slide_ids), hides_model

    def classes(self) -> dict[str, int]:
        """Keys of the classes of which there are open proposals, and how many."""
        query = self._open(events.c.label, sa.func.count()).group_by(events.c.label)
        with self._journal.database.reading() as connection:
            return {str(label): int(count) for label, count in connection.execute(query)}

    def proposals(self, label: str, *, surest_first: bool = True) -> ProposalList:
        """The open proposals of a class, by confidence; those without one come last.

        Args:
            label: Key of the class.
            surest_first: Highest confidence first, else lowest.
        """
        query = self._open(events.c.seq, events.c.confidence).where(events.c.label == label)
        numbers, confidences = list[NDArray[np.int64]](), list[NDArray[np.float32]]()
        with self._journal.database.reading() as connection:
            streaming = connection.execution_options(stream_results=True)
            for rows in streaming.execute(query).partitions(_ROWS_AT_ONCE):
                seq, confidence = zip(*rows, strict=True)
                numbers.append(np.array(seq, np.int64))
                confidences.append(np.array(confidence, np.float64).astype(np.float32))
        seqs = np.concatenate([np.empty(0, np.int64), *numbers])
        found = np.concatenate([np.empty(0, np.float32), *confidences])
        # NaN is sorted last; of equal ones those that came first.
        order = np.lexsort((seqs, -found if surest_first else found))
        return ProposalList(label, seqs[order], found[order])

    def _open(self, *columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
        now = current_annotations
        query = sa.select(*columns).join(now, events.c.seq == now.c.seq)
        query = query.where(now.c.slide_id.in_(self._slides), now.c.status == Status.PROPOSED.value)
        if self._hides_model:
            query = query.where(events.c.origin != Origin.MODEL.value)
        return query

    def read(self, seqs: Iterable[int]) -> list[Annotation]:
        """Proposals by their numbers, in that order; those that were judged since are left out."""
        wanted = [int(seq) for seq in seqs]
        found: dict[int, Annotation] = {}
        now = current_annotations
        with self._journal.database.reading() as connection:
            for part in in_parts(wanted):
                query = sa.select(*STATE).join(now, events.c.seq == now.c.seq)
                rows = connection.execute(query.where(events.c.seq.in_(part))).all()
                found |= dict(zip((row.seq for row in rows), states_in(rows), strict=True))
        return [found[seq] for seq in wanted if seq in found]

    def accept(self, chosen: Collection[Annotation], *, action: uuid.UUID | None = None) -> int:
        """Stand behind all of them as they are; one call of the journal, however many.

        Args:
            chosen: Which.
            action: What they are undone by, together.

        Returns:
            How many.

        Raises:
            AnnotationError: The reader has signed off a slide of theirs, or one was deleted since;
                none is changed.
        """
        ids = self._unlocked(chosen)
        self._journal.validate(ids, author=self._reader, action=action)
        return len(ids)

    def reject(self, chosen: Collection[Annotation], *, action: uuid.UUID | None = None) -> int:
        """Say that all of them are wrong; as `accept`."""
        ids = self._unlocked(chosen)
        self._journal.reject(ids, author=self._reader, action=action)
        return len(ids)

    def relabel(
        self, chosen: Collection[Annotation], label: str, *, action: uuid.UUID | None = None
    ) -> int:
        """Give all of them another class; those that have it already are accepted as they are.

        Args:
            chosen: Which.
            label: Key of the class.
            action: What they are undone by, together.

        Returns:
            How many.

        Raises:
            AnnotationError: As of `accept`.
        """
        ids = self._unlocked(chosen)
        same = [one.id for one in chosen if one.label == label]
        if same:
            self._journal.validate(same, author=self._reader, action=action)
        relabel(self._journal, ids, label, author=self._reader, action=action)
        return len(ids)

    def _unlocked(self, chosen: Collection[Annotation]) -> list[uuid.UUID]:
        check_unlocked(self._journal, (one.slide_id for one in chosen), self._reader)
        return [one.id for one in chosen]
