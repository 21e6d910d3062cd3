"""Is the journal whole, and does it hold of the present what its log says?"""

from __future__ import annotations

from dataclasses import dataclass

from pathoai.errors import AnnotationError
from pathoai_annotations.journal.queries import JournalQueries

_NAMES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What was looked at and found whole.

    Args:
        edits: Number of entries of the log.
        annotations: Number of annotations now.
    """

    edits: int
    annotations: int


def check_journal(journal: JournalQueries) -> CheckReport:
    """Look at the database's pages, at every entry of the log, and at all present states.

    Raises:
        AnnotationError: Something is damaged, or the present states are not those of the log.
    """
    with journal.database.reading() as connection:
        damage = journal.database.damage(connection)
    if damage:
        raise AnnotationError(
            "the journal is damaged",
            where=journal.database.name,
            found=damage,
            remedy="restore it from your backup",
        )
    edits, last = 0, ""
    for event in journal.events():
        if event.at < last:
            raise AnnotationError(
                "the log goes back in time",
                where=f"edit {event.seq}",
                found=event.at,
                remedy="restore the journal from your backup",
            )
        edits, last = edits + 1, event.at
    differing = journal.differences_from_log()
    if differing:
        raise AnnotationError(
            "the table of present states is not what the log says",
            found=f"{len(differing)} annotations: " + ", ".join(differing[:_NAMES_SHOWN]),
            remedy="make it again from the log by `pathoai annotations check STUDY --rebuild`",
        )
    return CheckReport(edits, sum(journal.counts().values()))
