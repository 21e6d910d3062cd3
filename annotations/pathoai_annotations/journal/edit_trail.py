"""Edits in the audit trail: so the journal cannot be changed behind it.

An entry of the trail covers a stretch of the journal with a hash. It is made after the journal's
own transaction, from what the journal then holds and the trail does not tell of yet. So a program
that is killed in between leaves nothing out: whoever opens the journal next catches up.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from pathoai.errors import AuditError
from pathoai.privacy.audit_check import archives_of
from pathoai.privacy.audit_entry import Action, AuditEntry
from pathoai.privacy.audit_trail import AuditTrail
from pathoai.study.study import Study
from pathoai_annotations.journal.database import Database
from pathoai_annotations.journal.digest import EventDigest, digest_of


class EditTrail:
    """Enters a journal's edits into the trail of its study.

    Args:
        trail: Of the study.
        database: Of the journal.
    """

    def __init__(self, trail: AuditTrail, database: Database) -> None:
        """Enter nothing yet."""
        self._trail = trail
        self._database = database

    @classmethod
    def of(cls, study: Study, database: Database) -> EditTrail | None:
        """Of a study, caught up with its journal; None where it may only be read."""
        if database.is_read_only:
            return None  # there will be no edit to enter
        try:
            made = cls(AuditTrail.open(study), database)
            made.note(late=True)
        except OSError as error:
            why = error.strerror or type(error).__name__
            print(f"pathoai: edits cannot enter the audit trail: {why}", file=sys.stderr)  # noqa: T201 - a person has to know, and reading goes on
            return None
        return made

    def note(self, *, late: bool = False) -> None:
        """Enter what the trail does not tell of yet.

        Args:
            late: True where it was not entered when it was done.
        """
        with self._trail.writing() as turn:
            with self._database.reading() as connection:
                found = digest_of(connection, turn.head.edits + 1)
            if not found.edits:
                return
            who = next(iter(found.authors)) if len(found.authors) == 1 else self._trail.account()
            facts = {
                "first": found.first,
                "last": found.last,
                "edits": found.edits,
                "digest": found.sha256,
                "authors": found.authors,
            }
            turn.append(Action.EDIT, who, facts | ({"late": True} if late else {}))


def check_edits(trail: AuditTrail, database: Database | None) -> Iterator[str]:
    """Where the journal is not what the trail says of it.

    Args:
        trail: Held by the caller.
        database: Of the journal; None where the study has none.
    """
    entries = [entry for path in archives_of(trail) for entry in _entries(path.read_bytes())]
    entries += trail.entries()
    erased: set[int] = set()
    redacted: set[int] = set()
    for entry in entries:
        if entry.action is Action.ERASURE:
            for first, last in entry.facts.get("redacted", ()):
                erased |= set(range(first, last + 1))
        elif entry.action is Action.EDIT:
            found = _covered(entry, database)
            redacted |= set(found.redacted)
            yield from _compared(entry, found)
    for seq in sorted(redacted - erased):
        yield f"edit {seq} of the journal was redacted, but the trail tells of no erasure of it"


def _covered(entry: AuditEntry, database: Database | None) -> EventDigest:
    if database is None:
        return EventDigest()
    with database.reading() as connection:
        return digest_of(connection, int(entry.facts["first"]), int(entry.facts["last"]))


def _compared(entry: AuditEntry, found: EventDigest) -> Iterator[str]:
    first, last, edits = (entry.facts[name] for name in ("first", "last", "edits"))
    if found.edits != edits:
        yield (
            f"the journal holds {found.edits} of the {edits} edits {first}-{last} that entry "
            f"{entry.seq} tells of"
        )
    elif found.sha256 != entry.facts["digest"]:
        yield f"edits {first}-{last} of the journal are not those that entry {entry.seq} tells of"


def _entries(data: bytes) -> Iterator[AuditEntry]:
    for line in data.splitlines():
        try:
            yield AuditEntry.parse(line)
        except AuditError:
            continue
