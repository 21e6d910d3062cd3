"""Bringing the work of a reading room back into its study."""

from __future__ import annotations

from collections.abc import Iterable

from pathoai.errors import StudyError
from pathoai.study.study import Study
from pathoai_annotations.journal.event import Event, Operation
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.merge import MergeReport, colleagues_journal, merge_journal
from pathoai_annotations.readers.room_sheet import RoomSheet, room_sheet, rooms_of


def collect_room(study: Study, room: Study) -> MergeReport:
    """Merge a room's journal into the study's; once more, and nothing is new.

    Args:
        study: The study that the room was made from.
        room: The room; it stays as it is.

    Returns:
        How many entries were new, and which annotations others judged too; both judgements stay on
        record.

    Raises:
        StudyError: The folder is no room of this study, or holds another's work.
    """
    sheet = _checked_sheet(study, room)
    with colleagues_journal(room.path) as found:
        _refuse_foreign_work(study, sheet, found.events())
        with Journal.open(study) as journal:
            slides = [row.slide_id for row in study.cohort]
            return merge_journal(journal, found, slides)


def _checked_sheet(study: Study, room: Study) -> RoomSheet:
    sheet = room_sheet(room)
    if sheet is None:
        raise StudyError(
            "not a reading room",
            where=room.path.name,
            remedy="merge the journal of a whole study by `pathoai annotations merge`",
        )
    if sheet.study != study.sheet.uuid or sheet not in rooms_of(study):
        raise StudyError(
            "the reading room is not one of this study's",
            where=room.path.name,
            found=f"room {sheet.room} of {sheet.reader}",
            allowed=", ".join(f"{one.room} of {one.reader}" for one in rooms_of(study)) or "none",
            remedy="collect it into the study that it was made from",
        )
    return sheet


def _refuse_foreign_work(study: Study, sheet: RoomSheet, events: Iterable[Event]) -> None:
    """A room holds proposals, by whatever program, and its reader's own work."""
    cohort = study.cohort
    for event in events:
        if event.operation is Operation.REDACT:
            continue
        foreign = event.author != sheet.reader and event.operation is not Operation.PROPOSE
        if foreign or event.slide_id not in cohort:
            raise StudyError(
                "the room holds what its reader did not do",
                where=f"room {sheet.room} entry {event.seq}",
                found=f"{event.operation} by {event.author} on {event.slide_id}",
                allowed=f"work of {sheet.reader} on slides of the study",
            )
