"""The journal: every edit of every annotation, appended and never changed.

States and who may leave them::

    (none) ──propose──▶ proposed ──validate──▶ validated ──correct──▶ corrected
                           │                       │                      │
                           └───────── reject ──────┴──────────────────────┘──▶ rejected

A rejected annotation comes back by ``validate`` or ``correct``. ``adjudicate`` leads from any state
to any but ``proposed``. ``delete`` takes an annotation out of every present state, ``restore``
brings a past state back, ``undo`` what was before the author's last action: all as edits like the
others, and nothing is ever lost.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Self, Unpack

from shapely.geometry.base import BaseGeometry

from pathoai.errors import AnnotationError
from pathoai.privacy.link_table import LinkTable
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Status
from pathoai_annotations.journal.append import append_states
from pathoai_annotations.journal.current import rebuild_current
from pathoai_annotations.journal.edit import TOOL, Edit, EditDetails, refuse_names, words_of_names
from pathoai_annotations.journal.edit_trail import EditTrail
from pathoai_annotations.journal.event import Operation
from pathoai_annotations.journal.remarks import JournalRemarks
from pathoai_annotations.journal.restore import restore_edit, restore_states
from pathoai_annotations.journal.states import (
    check_known,
    check_same,
    first_states,
    is_same,
    known_states,
    required_states,
    states_now,
)
from pathoai_annotations.journal.undo import Undone, redo_last, undo_last


class Journal(JournalRemarks):
    """A study's journal, which several programs may write at once.

    Every edit takes ``author`` (a code), and may take ``tool``, ``seconds`` spent, a ``comment``
    and the ``action`` it is part of by keyword, see `pathoai_annotations.journal.edit.Edit`. An
    edit is kept when the call returns, whole or not at all. An annotation's ``derived_from``, the
    model and version it started from, goes with it through all edits.
    """

    @classmethod
    def open(cls, study: Study) -> Self:
        """The journal of a study: its file, or the database that its sheet names.

        Where it may only be read, it is opened to be read, and every edit is refused.
        """
        journal = cls(study.sheet.journal or study.journal_path)
        try:
            journal.edit_trail = EditTrail.of(study, journal.database)
            journal.names = words_of_names(LinkTable(study.vault).file_names().values())
        except BaseException:
            journal.close()
            raise
        return journal

    def propose(
        self,
        annotations: Iterable[Annotation],
        *,
        tool: str = TOOL,
        action: uuid.UUID | None = None,
    ) -> int:
        """Enter new annotations, all or none; those already there are skipped.

        One is already there if it equals the present state or what was first proposed, so importing
        a file again changes nothing, whatever was said of its annotations since, also if they were
        deleted.

        Args:
            annotations: The annotations.
            tool: Program and version.
            action: What their author does in one go, where they are what he draws. An import has
                none, and undo leaves it alone.

        Returns:
            How many were new.

        Raises:
            AnnotationError: One is known with another content, or is not ``proposed``.
        """
        unique: dict[uuid.UUID, Annotation] = {}
        for annotation in annotations:
            check_same(annotation, unique.setdefault(annotation.id, annotation))
        judged = [a for a in unique.values() if a.status is not Status.PROPOSED]
        if judged:
            raise AnnotationError(
                "new annotations are proposals", where=judged[0].id, found=judged[0].status
            )
        with self.writing() as connection:
            known = known_states(connection, list(unique))
            fresh = [a for a in unique.values() if a.id not in known]
            differing = [unique[i] for i, state in known.items() if not is_same(unique[i], state)]
            first = first_states(connection, [a.id for a in differing])
            for annotation in differing:
                check_same(annotation, first[annotation.id])
            about = {"tool": tool, "action": None if action is None else str(action)}
            append_states(connection, Operation.PROPOSE, fresh, about)
        return len(fresh)

    def validate(self, ids: Iterable[uuid.UUID], **details: Unpack[EditDetails]) -> None:
        """A pathologist stands behind annotations as they are.

        Raises:
            AnnotationError: One is unknown; none is changed.
        """
        self._set_status(Operation.VALIDATE, ids, Status.VALIDATED, Edit(**details))

    def reject(self, ids: Iterable[uuid.UUID], **details: Unpack[EditDetails]) -> None:
        """A pathologist says that annotations are wrong; they stay in the journal.

        Raises:
            AnnotationError: One is unknown; none is changed.
        """
        self._set_status(Operation.REJECT, ids, Status.REJECTED, Edit(**details))

    def _set_status(
        self, operation: Operation, ids: Iterable[uuid.UUID], status: Status, edit: Edit
    ) -> None:
        wanted = list(dict.fromkeys(ids))
        with self.writing() as connection:
            states = required_states(connection, wanted)
            # Saying the same again is no edit; a correction that is validated stays a correction.
            keep = {status, Status.CORRECTED} if status is Status.VALIDATED else {status}
            changed = [
                replace(states[i], status=status, author=edit.author)
                for i in wanted
                if states[i].status not in keep
            ]
            append_states(connection, operation, changed, edit.columns)

    def correct(
        self,
        annotation_id: uuid.UUID,
        *,
        geometry: BaseGeometry | None = None,
        label: str | None = None,
        **details: Unpack[EditDetails],
    ) -> Annotation:
        """A pathologist changes an outline or a class, and stands behind the result.

        What a model said in numbers goes: it was said of another outline or class.

        Args:
            annotation_id: Which.
            geometry: The new outline, level-0 pixels.
            label: The new class.
            **details: See `Edit`.

        Returns:
            The annotation after the edit.

        Raises:
            AnnotationError: It is unknown, or the new outline is malformed.
        """
        changes = {"geometry": geometry, "label": label, "status": Status.CORRECTED}
        return self._change(Operation.CORRECT, annotation_id, changes, Edit(**details))

    def adjudicate(
        self,
        annotation_id: uuid.UUID,
        *,
        status: Status,
        geometry: BaseGeometry | None = None,
        label: str | None = None,
        **details: Unpack[EditDetails],
    ) -> Annotation:
        """An adjudicator has the last word on an annotation.

        Args:
            annotation_id: Which.
            status: Its final status, not ``proposed``.
            geometry: Its final outline, level-0 pixels; as it is where None.
            label: Its final class; as it is where None.
            **details: See `Edit`.

        Returns:
            The annotation after the edit.

        Raises:
            AnnotationError: It is unknown, the status is none of a judgement, or the outline is
                malformed.
        """
        if status is Status.PROPOSED:
            raise AnnotationError(
                "the last word on an annotation is a judgement",
                found=status,
                allowed=", ".join(s for s in Status if s is not Status.PROPOSED),
            )
        changes = {"geometry": geometry, "label": label, "status": status}
        return self._change(Operation.ADJUDICATE, annotation_id, changes, Edit(**details))

    def _change(
        self,
        operation: Operation,
        annotation_id: uuid.UUID,
        changes: dict[str, Any],
        edit: Edit,
    ) -> Annotation:
        given = {name: value for name, value in changes.items() if value is not None}
        if given.keys() & {"geometry", "label"} or operation is Operation.CORRECT:
            # A model's numbers were of its own outline and class, not of these.
            given |= {"confidence": None, "measurements": {}}
        with self.writing() as connection:
            state = required_states(connection, [annotation_id])[annotation_id]
            changed = replace(state, author=edit.author, **given)
            append_states(connection, operation, [changed], edit.columns)
        return changed

    def delete(self, ids: Iterable[uuid.UUID], **details: Unpack[EditDetails]) -> None:
        """Take annotations out of every present state; they stay in the log.

        Raises:
            AnnotationError: One is unknown; none is deleted.
        """
        edit, wanted = Edit(**details), list(dict.fromkeys(ids))
        with self.writing() as connection:
            check_known(wanted, known_states(connection, wanted))
            # Saying the same again is no edit.
            here = states_now(connection, wanted).values()
            deleted = [replace(state, author=edit.author) for state in here]
            append_states(connection, Operation.DELETE, deleted, edit.columns)

    def restore(
        self,
        ids: Sequence[uuid.UUID],
        *,
        at: datetime | str | int,
        **details: Unpack[EditDetails],
    ) -> list[Annotation]:
        """Bring a past state of annotations back, as new edits.

        Args:
            ids: Which.
            at: The moment, with its time zone, or the number of the edit after which it was so.
            **details: See `Edit`.

        Returns:
            Those that changed by it, as they are now.

        Raises:
            AnnotationError: One was not there then; none is changed.
        """
        edit = Edit(**details)
        refuse_names(edit.comment, self.names)
        with self.writing() as connection:
            return restore_states(connection, at, edit, ids=ids)

    def restore_slide(
        self, slide_id: str, *, at: datetime | str | int, **details: Unpack[EditDetails]
    ) -> list[Annotation]:
        """Bring a past state of all annotations of a slide back, as new edits.

        What came later is deleted by it. Comments and sign-offs stay.

        Args:
            slide_id: Of the slide.
            at: As for `restore`.
            **details: See `Edit`.

        Returns:
            Those that changed by it, as they are now or, deleted, were.
        """
        edit = Edit(**details)
        refuse_names(edit.comment, self.names)
        with self.writing() as connection:
            return restore_states(connection, at, edit, slide_id=slide_id)

    def restore_edit(self, seq: int, **details: Unpack[EditDetails]) -> Annotation:
        """Bring back what an annotation was after one edit, e.g. one that a merge set aside.

        Args:
            seq: Number of the edit.
            **details: See `Edit`.

        Raises:
            AnnotationError: There is no such edit of an annotation.
        """
        edit = Edit(**details)
        refuse_names(edit.comment, self.names)
        with self.writing() as connection:
            return restore_edit(connection, seq, edit)

    def undo(self, slide_id: str, **details: Unpack[EditDetails]) -> Undone | None:
        """Take back what the author did last on a slide, as new edits.

        It goes back, undo by undo, to his last sign-off, also after the program was started again.

        Args:
            slide_id: Of the slide.
            **details: See `Edit`.

        Returns:
            What was undone; None where nothing is left to undo.

        Raises:
            AnnotationError: Somebody else changed one of the annotations since; nothing is undone.
        """
        edit = Edit(**details)
        refuse_names(edit.comment, self.names)
        with self.writing() as connection:
            return undo_last(connection, slide_id, edit)

    def redo(self, slide_id: str, **details: Unpack[EditDetails]) -> Undone | None:
        """Do again what the author undid last on a slide; whatever else he does ends that.

        Args:
            slide_id: Of the slide.
            **details: See `Edit`.

        Returns:
            What was redone; None where nothing is left to redo.

        Raises:
            AnnotationError: Somebody else changed one of the annotations since; nothing is redone.
        """
        edit = Edit(**details)
        refuse_names(edit.comment, self.names)
        with self.writing() as connection:
            return redo_last(connection, slide_id, edit)

    def rebuild_present(self) -> None:
        """Make the table of present states again from the log."""
        with self.writing() as connection:
            rebuild_current(connection)
