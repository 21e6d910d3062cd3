"""What is said of a slide, of its regions and of annotations, without changing an annotation."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Unpack

import sqlalchemy as sa

from pathoai.errors import AnnotationError, AuditError
from pathoai.geometry import Region
from pathoai.privacy.pseudonym import is_code
from pathoai_annotations.journal.append import append_remark
from pathoai_annotations.journal.edit import TOOL, Edit, EditDetails, refuse_names
from pathoai_annotations.journal.edit_trail import EditTrail
from pathoai_annotations.journal.event import Operation
from pathoai_annotations.journal.queries import JournalQueries, is_signed
from pathoai_annotations.journal.region_reading import (
    Outcome,
    RegionKind,
    check_model,
    region_columns,
)
from pathoai_annotations.journal.states import check_known, known_states

_GRADE = re.compile(r"[A-Za-z0-9][\w.-]{0,63}")


class JournalRemarks(JournalQueries):
    """A journal, as those see it who read slides without changing annotations."""

    edit_trail: EditTrail | None = None
    """Where edits are entered once they are kept; none for a copy that is only looked at."""
    names: frozenset[str] = frozenset()
    """Words of the names of the slides' files, which no comment may hold."""

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that writes; what it entered is then entered in the audit trail."""
        with self.database.writing() as connection:
            yield connection
        self._note_in_trail()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """All that is entered meanwhile is kept whole, or not at all: also what others interrupt.

        Raises:
            BusyError: Another program holds the journal; nothing was begun.
        """
        with self.database.at_once():
            yield
        self._note_in_trail()

    def _note_in_trail(self) -> None:
        if self.edit_trail is None or self.database.is_at_once:
            return
        # The edit is kept: an error here would say it is not. The next one catches up.
        with suppress(OSError, AuditError):
            self.edit_trail.note()

    def comment(
        self,
        text: str,
        *,
        annotation_id: uuid.UUID | None = None,
        slide_id: str | None = None,
        author: str,
        tool: str = TOOL,
        action: uuid.UUID | None = None,
    ) -> None:
        """Say something of an annotation or a slide.

        Args:
            text: At most 2,000 characters; no name belongs there.
            annotation_id: Of the annotation; its slide is known.
            slide_id: Of the slide.
            author: Code of who says it.
            tool: Program and version.
            action: What it is a part of; see `Edit`.

        Raises:
            AnnotationError: Neither or both are named, the annotation is unknown, or the text looks
                as if it identified a person.
        """
        edit = Edit(author, tool, comment=text, action=action)
        refuse_names(text, self.names)
        if (annotation_id is None) == (slide_id is None):
            raise AnnotationError("a comment is on one annotation or on one slide")
        with self.writing() as connection:
            about = dict(edit.columns)
            if annotation_id is not None:
                # Also a deleted annotation: why it is gone is worth a word.
                known = known_states(connection, [annotation_id])
                check_known([annotation_id], known)
                slide_id = known[annotation_id].slide_id
                about["annotation_id"] = str(annotation_id)
            append_remark(connection, Operation.COMMENT, str(slide_id), about)

    def comment_region(
        self, slide_id: str, region: Region, text: str, *, author: str, tool: str = TOOL
    ) -> None:
        """Say something of a region of a slide, whether it is decided or not.

        Args:
            slide_id: Of the slide.
            region: Level-0 pixels.
            text: At most 2,000 characters; no name belongs there.
            author: Code of who says it.
            tool: Program and version.

        Raises:
            AnnotationError: A part is malformed, or the text looks as if it identified a person.
        """
        refuse_names(text, self.names)
        about = _slide_remark(slide_id, Edit(author, tool, comment=text)) | region_columns(region)
        with self.writing() as connection:
            append_remark(connection, Operation.COMMENT, slide_id, about)

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
        """A reader has read a region; this takes the place of what he said of the same before.

        Args:
            slide_id: Of the slide.
            region: Level-0 pixels.
            outcome: What he decided.
            kind: Why it was shown to him.
            model: Name of the model whose word was read; empty where there was none.
            with_model: Whether he saw that word.
            **details: See `Edit`.

        Raises:
            AnnotationError: A part is malformed.
        """
        refuse_names(details.get("comment"), self.names)
        about = _slide_remark(slide_id, Edit(**details)) | region_columns(region)
        if model:
            check_model(model)
            about["model"] = model
        about |= {"outcome": outcome.value, "kind": kind.value, "with_model": with_model}
        with self.writing() as connection:
            append_remark(connection, Operation.READ_REGION, slide_id, about)

    def note_time(self, slide_id: str, seconds: float, *, author: str, tool: str = TOOL) -> None:
        """Time that a reader spent on a slide, of which no other entry tells.

        Args:
            slide_id: Of the slide.
            seconds: Of attention, not of an open window.
            author: Code of the reader.
            tool: Program and version.

        Raises:
            AnnotationError: A part is malformed.
        """
        about = _slide_remark(slide_id, Edit(author, tool, seconds))
        with self.writing() as connection:
            append_remark(connection, Operation.READING_TIME, slide_id, about)

    def sign_off(
        self,
        slide_id: str,
        *,
        grade: str | None = None,
        with_model: bool = False,
        **details: Unpack[EditDetails],
    ) -> None:
        """A reader says of a slide: I have read it.

        Args:
            slide_id: Of the slide.
            grade: Key of the class that the reader gives it.
            with_model: True where the reader saw what a model says.
            **details: See `Edit`.

        Raises:
            AnnotationError: A part is malformed.
        """
        refuse_names(details.get("comment"), self.names)
        about = _slide_remark(slide_id, Edit(**details), grade) | {"with_model": with_model}
        with self.writing() as connection:
            append_remark(connection, Operation.SIGN_OFF, slide_id, about)

    def reopen(self, slide_id: str, **details: Unpack[EditDetails]) -> None:
        """A reader takes his sign-off of a slide back: he has not finished yet.

        Args:
            slide_id: Of the slide.
            **details: See `Edit`.

        Raises:
            AnnotationError: He has not signed it off, or a part is malformed.
        """
        edit = Edit(**details)
        refuse_names(edit.comment, self.names)
        about = _slide_remark(slide_id, edit)
        with self.writing() as connection:
            if not is_signed(connection, slide_id, edit.author):
                raise AnnotationError(
                    "there is no sign-off to be taken back",
                    where=f"{edit.author} {slide_id}",
                    remedy="see `pathoai readers status STUDY`",
                )
            append_remark(connection, Operation.REOPEN, slide_id, about)

    def adjudicate_slide(
        self, slide_id: str, *, grade: str, **details: Unpack[EditDetails]
    ) -> None:
        """An adjudicator has the last word on the grade of a slide.

        Args:
            slide_id: Of the slide.
            grade: Key of its class.
            **details: See `Edit`.

        Raises:
            AnnotationError: A part is malformed.
        """
        refuse_names(details.get("comment"), self.names)
        about = _slide_remark(slide_id, Edit(**details), grade)
        with self.writing() as connection:
            append_remark(connection, Operation.ADJUDICATE, slide_id, about)


def _slide_remark(slide_id: str, edit: Edit, grade: str | None = None) -> dict[str, Any]:
    """The columns of a remark; whether the study has the grade is the caller's to ask."""
    if not is_code(slide_id):
        raise AnnotationError(
            "a slide is named by its code",
            found=f"{len(slide_id)} characters",  # a file's name may hold a patient's
            allowed="a slide_id of cohort.csv",
        )
    if grade is not None and not _GRADE.fullmatch(grade):
        raise AnnotationError(
            "a grade is the key of a class", found=repr(grade), allowed="a key of the ontology"
        )
    return edit.columns | {"grade": grade}
