"""How far the audit trail has come, kept outside the study: so a trail cut short is found out."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pathoai.errors import AuditError
from pathoai.privacy.audit_entry import NOTHING_BEFORE, Action, AuditEntry

_FOLDER = "audit-heads"
_RECORD_BYTES = 512
"""A sector of a disk: it is written whole or not at all, without the cost of a new file."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry that was made, and where the trail begins.

    Args:
        seq: Number of the last entry; 0 where there is none.
        mac: Its seal.
        end: Bytes of the trail's file up to its end.
        edits: Number of the journal's last edit that the trail tells of.
        begins: Number of the first entry that is not archived.
        before: Seal of the entry before that.
        since: Number of the last entry when the study came to lie where it lies.
    """

    seq: int = 0
    mac: str = NOTHING_BEFORE
    end: int = 0
    edits: int = 0
    begins: int = 1
    before: str = NOTHING_BEFORE
    since: int = 0

    def after(self, entry: AuditEntry, end: int) -> Head:
        """The head once an entry was made."""
        told = int(entry.facts.get("last", 0)) if entry.action is Action.EDIT else 0
        return replace(self, seq=entry.seq, mac=entry.mac, end=end, edits=max(self.edits, told))


class Anchor:
    """The file in the vault that holds the head of the trail of a study at one place.

    A copy of a study has the same vault, and its own trail from then on: so each place has an
    anchor of its own.

    Args:
        vault: The study's vault.
        study: The study's folder.
        trail: Name of the trail.
    """

    def __init__(self, vault: Path, study: Path, trail: str) -> None:
        """Read nothing yet."""
        place = hashlib.sha256(os.fsencode(study.resolve())).hexdigest()[:16]
        self._folder = vault / _FOLDER
        self._path = self._folder / f"{trail}-{place}"
        self._trail = trail

    def read(self) -> Head | None:
        """The head; None where the trail has none at this place yet.

        Raises:
            AuditError: It is damaged.
        """
        return _read(self._path) if self._path.exists() else None

    def write(self, head: Head) -> None:
        """Keep a head."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = json.dumps(asdict(head)).encode().ljust(_RECORD_BYTES)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, text)
        finally:
            os.close(descriptor)

    def elsewhere(self) -> Iterator[Head]:
        """Heads of the same trail at other places: of copies, or from before it was moved."""
        for path in sorted(self._folder.glob(f"{self._trail}-*")):
            if path != self._path:
                yield _read(path)


def _read(path: Path) -> Head:
    try:
        return Head(**json.loads(path.read_bytes()))
    except (ValueError, TypeError) as error:
        raise AuditError(
            "the anchored head of the audit trail is damaged",
            where="the study's vault",
            found=str(error),
            remedy="restore the vault from your backup",
        ) from error
