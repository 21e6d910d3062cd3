"""Which readings are done and which are missing."""

from __future__ import annotations

from dataclasses import dataclass

from pathoai.study.study import Study
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.readers.assignment import READING, AssignmentTable, Role
from pathoai_annotations.readers.room_sheet import room_sheet
from pathoai_annotations.readers.signed_work import SignOff, last_sign_offs, sign_offs


@dataclass(frozen=True, slots=True)
class Reading:
    """One person on one slide.

    Args:
        slide_id: Code of the slide.
        reader: Code of the person.
        role: What he does on it; ``none`` where he signed off without being asked to.
        signed: His last sign-off; None where it is missing, or was reopened.
        reopened: Whether he had signed off, and reopened the slide since.
    """

    slide_id: str
    reader: str
    role: Role
    signed: SignOff | None
    reopened: bool = False


def readings(study: Study) -> list[Reading]:
    """All assigned readings, and those that were signed off besides, in the cohort's order."""
    said = _signed(study)
    done = last_sign_offs(said)
    reopened = {(one.slide_id, one.reader) for one in said} - done.keys()
    roles = _roles(study)
    place = {row.slide_id: at for at, row in enumerate(study.cohort)}
    keys = [key for key in {*roles, *done, *reopened} if key[0] in place]
    keys.sort(key=lambda key: (place[key[0]], key[1]))
    return [
        Reading(*key, roles.get(key, Role.NONE), done.get(key), key in reopened) for key in keys
    ]


def is_read(found: list[Reading], slide_id: str) -> bool:
    """Whether all readers of a slide have signed off, and there is one."""
    own = [one for one in found if one.slide_id == slide_id and one.role in READING]
    return bool(own) and all(one.signed for one in own)


def still_to_sign(found: list[Reading], slide_id: str) -> list[str]:
    """Codes of the readers of a slide who have still to sign it off."""
    own = [one for one in found if one.slide_id == slide_id and one.role in READING]
    return [one.reader for one in own if not one.signed]


def _roles(study: Study) -> dict[tuple[str, str], Role]:
    """By slide and person; in a room its reader reads all there is."""
    sheet = room_sheet(study)
    if sheet is not None:
        return {(row.slide_id, sheet.reader): Role.BLIND_READER for row in study.cohort}
    return {(one.slide_id, one.reader): one.role for one in AssignmentTable(study).current}


def _signed(study: Study) -> list[SignOff]:
    if not study.has_journal:
        return []
    with Journal.open(study) as journal:
        return sign_offs(journal)
