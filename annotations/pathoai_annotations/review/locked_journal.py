"""The journal as a window writes it: what a reader has signed off is locked to him."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Self, Unpack

import sqlalchemy as sa
from shapely.geometry.base import BaseGeometry

from pathoai.errors import ReadOnlyError
from pathoai.geometry import Region
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.journal.edit import TOOL, EditDetails
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.region_reading import Outcome, RegionKind
from pathoai_annotations.journal.schema import current_annotations
from pathoai_annotations.journal.states import in_parts
from pathoai_annotations.journal.undo import Undone
from pathoai_annotations.review.slide_lock import check_unlocked


class LockedJournal(Journal):
    """Refuses what would change a reading that its author has signed off and not reopened.

    So no tool or panel can forget to ask. What others wrote or signed is no concern of it, and
    comments, sign-offs and reopenings are no change.

    Every method raises what `Journal`'s does, and AnnotationError where a slide is locked.
    """

    @classmethod
    def open(cls, study: Study) -> Self:
        """As `Journal.open`, for whoever reads slides: he writes what he says of them.

        Raises:
            ReadOnlyError: The journal may only be read, so nothing that he says would be kept.
        """
        journal = super().open(study)
        if not journal.database.is_read_only:
            return journal
        journal.close()
        raise ReadOnlyError(
            "a review is kept in the journal, which may only be read here",
            where=journal.database.name,
            remedy="make the study's folder and what lies in it writable for you, or review a copy "
            "of the study; `pathoai annotations show STUDY` looks without writing",
        )

    def propose(
        self,
        annotations: Iterable[Annotation],
        *,
        tool: str = TOOL,
        action: uuid.UUID | None = None,
    ) -> int:
        """As `Journal.propose`; what a model proposes is nobody's reading."""
        found = list(annotations)
        for author in {one.author for one in found}:
            check_unlocked(self, (one.slide_id for one in found if one.author == author), author)
        return super().propose(found, tool=tool, action=action)

    def validate(self, ids: Iterable[uuid.UUID], **details: Unpack[EditDetails]) -> None:
        """As `Journal.validate`."""
        super().validate(self._unlocked(ids, details["author"]), **details)

    def reject(self, ids: Iterable[uuid.UUID], **details: Unpack[EditDetails]) -> None:
        """As `Journal.reject`."""
        super().reject(self._unlocked(ids, details["author"]), **details)

    def correct(
        self,
        annotation_id: uuid.UUID,
        *,
        geometry: BaseGeometry | None = None,
        label: str | None = None,
        **details: Unpack[EditDetails],
    ) -> Annotation:
        """As `Journal.correct`."""
        self._unlocked([annotation_id], details["author"])
        return super().correct(annotation_id, geometry=geometry, label=label, **details)

    def delete(self, ids: Iterable[uuid.UUID], **details: Unpack[EditDetails]) -> None:
        """As `Journal.delete`."""
        super().delete(self._unlocked(ids, details["author"]), **details)

    def restore(
        self,
        ids: Sequence[uuid.UUID],
        *,
        at: datetime | str | int,
        **details: Unpack[EditDetails],
    ) -> list[Annotation]:
        """As `Journal.restore`."""
        return super().restore(self._unlocked(ids, details["author"]), at=at, **details)

    def read_region(
        self,
        slide_id: str,
        region: Region,
        outcome: Outcome,
        *,
        kind: RegionKind,
        model: str = "",
        with_model: bool,
        **details: Unpack[EditDetails],
    ) -> None:
        """As `Journal.read_region`."""
        check_unlocked(self, [slide_id], details["author"])
        super().read_region(
            slide_id, region, outcome, kind=kind, model=model, with_model=with_model, **details
        )

    def undo(self, slide_id: str, **details: Unpack[EditDetails]) -> Undone | None:
        """As `Journal.undo`."""
        check_unlocked(self, [slide_id], details["author"])
        return super().undo(slide_id, **details)

    def redo(self, slide_id: str, **details: Unpack[EditDetails]) -> Undone | None:
        """As `Journal.redo`."""
        check_unlocked(self, [slide_id], details["author"])
        return super().redo(slide_id, **details)

    def _unlocked(self, ids: Iterable[uuid.UUID], author: str) -> list[uuid.UUID]:
        """The same ids, once none of them lies on a slide that is locked."""
        wanted, now = list(ids), current_annotations
        slides: set[str] = set()
        with self.database.reading() as connection:
            for part in in_parts([str(one) for one in wanted]):
                here = now.c.annotation_id.in_(part)
                slides.update(connection.scalars(sa.select(now.c.slide_id).where(here).distinct()))
        check_unlocked(self, sorted(slides), author)
        return wanted
