"""A blind reader works in his reading room, and nowhere else, until all readers have signed off."""

from __future__ import annotations

from collections.abc import Iterable

from pathoai.errors import AnnotationError
from pathoai.study.study import Study
from pathoai_annotations.annotation import check_author
from pathoai_annotations.readers.assignment import AssignmentTable, Role
from pathoai_annotations.readers.progress import is_read, readings
from pathoai_annotations.readers.room_sheet import room_sheet


def check_may_work(study: Study, person: str, slide_ids: Iterable[str] | None = None) -> None:
    """Refuse a person's code where it may not see, or not write.

    In a room only its reader works. In the study itself a blind reader is refused on slides that
    some reader has still to sign off, since the others' work lies there.

    Args:
        study: A study, or a room.
        person: The code under which someone wants to look or write.
        slide_ids: On these slides; on all of the study where None.

    Raises:
        AnnotationError: The code may not; the remedy names where it may.
    """
    check_author(person)
    sheet = room_sheet(study)
    if sheet is not None:
        if person != sheet.reader:
            raise AnnotationError(
                "this reading room is another reader's",
                where=person,
                allowed=sheet.reader,
                remedy="work in your own room, or in the study",
            )
        return
    roles = AssignmentTable(study).of_reader(person)
    blind = [slide_id for slide_id, role in roles.items() if role is Role.BLIND_READER]
    wanted = blind if slide_ids is None else set(blind).intersection(slide_ids)
    if not wanted:
        return
    found = readings(study)
    closed = [slide_id for slide_id in blind if slide_id in wanted and not is_read(found, slide_id)]
    if closed:
        raise AnnotationError(
            "a blind reader does not work in the study, where others' work lies",
            where=f"{person} {closed[0]}",
            found=f"{len(closed)} slides that not all readers have signed off",
            remedy="read in a room of your own: `pathoai readers room STUDY --reader "
            f"{person} --out FOLDER`",
        )
