"""How long entries of the audit trail are kept in it, and where they go then.

Référentiel of the CNIL on health data warehouses (délibération 2021-118), SEC-JOU-4: traces are
kept for six months to a year.
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path

from pathoai.atomic_file import write_bytes_atomically
from pathoai.errors import AuditError
from pathoai.privacy.audit_check import archives_of, check_trail
from pathoai.privacy.audit_entry import Action, AuditEntry
from pathoai.privacy.audit_trail import AuditTrail

USUAL_DAYS, SHORTEST_DAYS, LONGEST_DAYS = 365, 183, 366
TABLE, FIELD = "audit", "retention_days"
_SHEET = "study.toml"


def check_days(days: object) -> int:
    """Refuse times for which traces may not be kept.

    Raises:
        AuditError: Less than six months, or more than a year.
    """
    if type(days) is not int or not SHORTEST_DAYS <= days <= LONGEST_DAYS:
        raise AuditError(
            "entries of the audit trail are kept for six months to a year",
            where=f"{_SHEET} [{TABLE}] {FIELD}",
            found=days,
            allowed=f"{SHORTEST_DAYS} to {LONGEST_DAYS} days",
        )
    return days


def retention_days(study: Path) -> int:
    """How long a study keeps entries: as its sheet says, or 365 days.

    Raises:
        AuditError: It says a time that is not allowed.
    """
    table = tomllib.loads((study / _SHEET).read_text("utf8")).get(TABLE, {})
    return check_days(table.get(FIELD, USUAL_DAYS))


def archive_expired(trail: AuditTrail, days: int, *, now: datetime | None = None) -> int:
    """Move entries whose time is over into a file of their own, which still verifies.

    Killed anywhere, the same call ends it: the archive is whole before the anchor moves, and the
    anchor moves before the entries leave the trail.

    Args:
        trail: The trail.
        days: How long entries are kept.
        now: The present moment.

    Returns:
        How many went.

    Raises:
        AuditError: The time is not allowed, or the trail does not hold: what is broken is not put
            away.
    """
    limit = (now or datetime.now(UTC)) - timedelta(days=check_days(days))
    with trail.writing() as turn:
        if found := next(check_trail(trail), None):
            raise AuditError(
                "the audit trail does not hold, and is not archived",
                found=found,
                remedy="run `pathoai audit verify STUDY`",
            )
        head = turn.head
        entries = [e for e in map(AuditEntry.parse, trail.lines()) if e.seq >= head.begins]
        old = list(takewhile(lambda e: datetime.fromisoformat(e.at) < limit, entries))
        if old:
            _put_away(trail, old)
            head = replace(head, begins=old[-1].seq + 1, before=old[-1].mac)
            trail.anchor.write(head)
        kept = b"".join(entry.line() for entry in entries[len(old) :])
        write_bytes_atomically(trail.path, kept, mode=0o644)
        turn.head = replace(head, end=len(kept))
        trail.anchor.write(turn.head)
        if old:
            span = {"first": old[0].seq, "last": old[-1].seq, "days": days}
            turn.append(Action.ARCHIVE, trail.account(), span)
    return len(old)


def _put_away(trail: AuditTrail, old: list[AuditEntry]) -> None:
    path = trail.folder / f"{trail.name}-{old[0].seq}-{old[-1].seq}.jsonl"
    write_bytes_atomically(path, b"".join(entry.line() for entry in old))
    for earlier in archives_of(trail):
        # Of a run that was killed before it was done: all its entries are in the new one.
        if earlier != path and earlier.name.startswith(f"{trail.name}-{old[0].seq}-"):
            earlier.unlink()
