"""Another class for many annotations at once: one edit for each, all of them or none."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import replace
from typing import Unpack

from pathoai_annotations.annotation import Status
from pathoai_annotations.journal.append import append_states
from pathoai_annotations.journal.edit import Edit, EditDetails
from pathoai_annotations.journal.event import Operation
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.states import required_states


def relabel(
    journal: Journal, ids: Iterable[uuid.UUID], label: str, **details: Unpack[EditDetails]
) -> int:
    """A pathologist gives annotations another class, and stands behind the result.

    As `Journal.correct` does for one: what a model said in numbers goes, as it was said of another
    class. Those that have the class already are left alone.

    Args:
        journal: Of the study.
        ids: Which.
        label: Key of the class.
        **details: See `Edit`.

    Returns:
        How many were changed.

    Raises:
        AnnotationError: One is unknown or deleted; none is changed.
    """
    edit, wanted = Edit(**details), list(dict.fromkeys(ids))
    with journal.writing() as connection:
        states = required_states(connection, wanted)
        changed = [
            replace(
                states[one],
                label=label,
                author=edit.author,
                status=Status.CORRECTED,
                confidence=None,
                measurements={},
            )
            for one in wanted
            if states[one].label != label
        ]
        append_states(connection, Operation.CORRECT, changed, edit.columns)
    return len(changed)
