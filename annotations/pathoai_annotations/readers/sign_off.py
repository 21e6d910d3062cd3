"""Signing off a slide, taking that back, and settling one that readers differ on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypedDict, Unpack

from pathoai.errors import AnnotationError, StudyError
from pathoai.study.grade import check_grades
from pathoai.study.study import Study
from pathoai_annotations.journal.event import Operation
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.readers.assignment import READING, AssignmentTable, Role
from pathoai_annotations.readers.blindness import check_may_work
from pathoai_annotations.readers.progress import is_read, readings, still_to_sign
from pathoai_annotations.readers.room_sheet import room_sheet


class Remark(TypedDict, total=False):
    """What goes with a sign-off: the time it took, and a comment in which no name belongs."""

    seconds: float | None
    comment: str | None


def sign_off_slide(
    study: Study,
    slide_id: str,
    *,
    reader: str,
    grade: str = "",
    with_model: bool = False,
    journal: Journal | None = None,
    **remark: Unpack[Remark],
) -> None:
    """A reader has finished a slide.

    Who says the same again, of a slide on which nothing was done since, adds nothing, unless he
    tells the time or a comment: a command may be run twice.

    Args:
        study: A reading room, or the study.
        slide_id: Code of the slide.
        reader: Code of the reader.
        grade: Key of the class that stands for the slide; empty where the study grades none.
        with_model: Whether he saw what a model predicted; a room knows that itself.
        journal: The study's, where it is open already.
        **remark: What goes with it.

    Raises:
        AnnotationError: The code may not work here, or is not to read this slide.
        OntologyError: The grade is none of the study's.
        StudyError: There is no such slide.
    """
    known = study.cohort[slide_id].slide_id
    check_grades(study.ontology, [grade])
    check_may_work(study, reader, [known])
    sheet = room_sheet(study)
    roles = AssignmentTable(study).of_slide(known)
    # Where nobody was asked to read it, whoever did may say so.
    if sheet is None and roles and roles.get(reader) not in READING:
        raise AnnotationError(
            "this person is not to read the slide",
            where=f"{reader} {known}",
            remedy=f"run `pathoai readers assign STUDY --readers {reader} --slides {known}`",
        )
    helped = with_model if sheet is None else bool(sheet.model)
    with _opened(study, journal) as ours:
        tells_more = any(one is not None for one in remark.values())
        if not tells_more and _stands(ours, known, reader, (grade or None, helped)):
            return
        ours.sign_off(known, author=reader, grade=grade or None, with_model=helped, **remark)


@contextmanager
def _opened(study: Study, journal: Journal | None) -> Iterator[Journal]:
    if journal is not None:
        yield journal
        return
    with Journal.open(study) as own:
        yield own


def _stands(journal: Journal, slide_id: str, reader: str, said: tuple[str | None, bool]) -> bool:
    """Whether the reader's last word is this very sign-off, and holds for the slide as it is."""
    own = journal.remarks({Operation.SIGN_OFF, Operation.REOPEN}, slide_id, reader)
    if not own or own[-1].operation is Operation.REOPEN:
        return False
    since = journal.events(slide_id, since_seq=own[-1].seq)
    return (own[-1].grade, bool(own[-1].with_model)) == said and all(
        event.operation is Operation.SIGN_OFF for event in since
    )


def reopen_slide(study: Study, slide_id: str, *, reader: str, comment: str | None = None) -> None:
    """A reader takes his sign-off back, and goes on reading.

    Args:
        study: A reading room, or the study.
        slide_id: Code of the slide.
        reader: Code of the reader.
        comment: Why; no name belongs there.

    Raises:
        AnnotationError: The code may not work here, or has not signed the slide off.
        StudyError: There is no such slide.
    """
    known = study.cohort[slide_id].slide_id
    check_may_work(study, reader, [known])
    with Journal.open(study) as journal:
        journal.reopen(known, author=reader, comment=comment)


def adjudicate_slide(
    study: Study,
    slide_id: str,
    *,
    adjudicator: str,
    grade: str,
    journal: Journal | None = None,
    **remark: Unpack[Remark],
) -> None:
    """The last word on the grade of a slide, once its readers have signed off.

    Args:
        study: The study.
        slide_id: Code of the slide.
        adjudicator: Code of the person who settles it.
        grade: Key of the class that stands for the slide.
        journal: The study's, where it is open already.
        **remark: What goes with it.

    Raises:
        AnnotationError: The person is not this slide's adjudicator.
        OntologyError: The grade is none of the study's.
        StudyError: There is no such slide, or a reader has still to sign it off.
    """
    check_grades(study.ontology, [grade])
    known = check_may_settle(study, slide_id, adjudicator)
    with _opened(study, journal) as ours:
        ours.adjudicate_slide(known, author=adjudicator, grade=grade, **remark)


def check_may_settle(study: Study, slide_id: str, person: str) -> str:
    """Refuse whoever has not the last word on a slide, and the last word before all have spoken.

    Args:
        study: The study.
        slide_id: Code of the slide.
        person: Code of the person who would settle it.

    Returns:
        The slide's code.

    Raises:
        AnnotationError: The person is not this slide's adjudicator.
        StudyError: There is no such slide, or a reader has still to sign it off.
    """
    known = study.cohort[slide_id].slide_id
    check_may_work(study, person, [known])
    if AssignmentTable(study).of_slide(known).get(person) is not Role.ADJUDICATOR:
        raise AnnotationError(
            "this person does not settle the slide",
            where=f"{person} {known}",
            remedy=f"run `pathoai readers assign STUDY --adjudicator {person}`",
        )
    found = readings(study)
    if not is_read(found, known):
        raise StudyError(
            "a slide is settled once all its readers have signed off",
            where=known,
            found="still to sign off: " + ", ".join(still_to_sign(found, known)),
        )
    return known
