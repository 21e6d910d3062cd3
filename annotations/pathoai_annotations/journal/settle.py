"""The last word on several annotations at once: one edit for each, all of them or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Unpack

from pathoai.errors import AnnotationError
from pathoai_annotations.annotation import Annotation, Status
from pathoai_annotations.journal.append import append_states
from pathoai_annotations.journal.edit import Edit, EditDetails
from pathoai_annotations.journal.event import Operation
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.states import known_states, required_states


def settle(journal: Journal, finals: Sequence[Annotation], **details: Unpack[EditDetails]) -> None:
    """An adjudicator has the last word on annotations, known ones and his own.

    A case is several outlines; a program that dies in the middle must not leave half of its
    settlement, which would look like all of it.

    Args:
        journal: Of the study.
        finals: As they are to be; those that are new come in as proposals first.
        **details: See `Edit`.

    Raises:
        AnnotationError: A status is none of a judgement, or an annotation was deleted; nothing is
            entered.
    """
    edit = Edit(**details)
    undecided = [one for one in finals if one.status is Status.PROPOSED]
    if undecided:
        raise AnnotationError(
            "the last word on an annotation is a judgement",
            where=undecided[0].id,
            found=undecided[0].status,
        )
    with journal.writing() as connection:
        known = known_states(connection, [one.id for one in finals])
        required_states(connection, list(known))
        signed = [replace(one, author=edit.author) for one in finals]
        new = [replace(one, status=Status.PROPOSED) for one in signed if one.id not in known]
        # What was spent and said belongs to the judgement alone.
        about = edit.columns | {"seconds": None, "comment": None}
        append_states(connection, Operation.PROPOSE, new, about)
        append_states(connection, Operation.ADJUDICATE, signed, edit.columns)
