"""Which annotations cannot be proposed: their ids are known with another class or outline."""

from __future__ import annotations

from collections.abc import Sequence

from pathoai_annotations.annotation import Annotation
from pathoai_annotations.journal.queries import JournalQueries
from pathoai_annotations.journal.states import first_states, is_same, known_states


def known_otherwise(journal: JournalQueries, annotations: Sequence[Annotation]) -> list[Annotation]:
    """Those that differ from the present state and from what was first proposed.

    Args:
        journal: Of the study.
        annotations: What shall be proposed.
    """
    with journal.database.reading() as connection:
        known = known_states(connection, [one.id for one in annotations])
        differing = [a for a in annotations if a.id in known and not is_same(a, known[a.id])]
        first = first_states(connection, [one.id for one in differing])
    return [one for one in differing if not is_same(one, first[one.id])]
