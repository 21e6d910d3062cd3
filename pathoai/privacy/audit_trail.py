"""Who did what to a study, in a chain that cannot be changed without the study's key.

Each line of the trail is sealed with HMAC-SHA256 over itself and the seal of the line before; the
head of the chain is anchored in the vault. Without the key nobody can make a line, and changing,
removing or exchanging one, or cutting the end off, is found by `pathoai.privacy.audit_check`. A
plain chain of hashes could be computed anew by whoever changes it.

A study whose key is not here, such as a reading room on another computer, has a trail too, sealed
with a key of its own in the vault of whoever works there: it is verified where that vault is.
"""

from __future__ import annotations

import errno
import getpass
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout

from pathoai.errors import AuditError
from pathoai.privacy.audit_entry import Action, AuditEntry
from pathoai.privacy.audit_head import Anchor, Head
from pathoai.privacy.pseudonym import code, load_or_create_secret, read_secret, write_secret_once

FOLDER = "audit_trail"
_OWN_KEY = "audit-key"
_WAIT_S = 60
_MAY_NOT_WRITE = (errno.EROFS, errno.EACCES, errno.EPERM)


class AuditedStudy(Protocol):
    """What a trail asks of its study."""

    path: Path

    @property
    def vault(self) -> Path:
        """The folder outside the study that holds its key."""
        ...


class AuditTrail:
    """The trail of a study, which several programs may write at once.

    Args:
        study: The study's folder.
        vault: The study's vault.
        key: What entries are sealed with.
    """

    def __init__(self, study: Path, vault: Path, key: bytes) -> None:
        """Read nothing yet."""
        self.key = key
        self.name = hmac.new(key, b"name", hashlib.sha256).hexdigest()[:16]
        self.folder = study / FOLDER
        self.path = self.folder / f"{self.name}.jsonl"
        self.anchor = Anchor(vault, study, self.name)

    @classmethod
    def open(cls, study: AuditedStudy) -> AuditTrail:
        """The trail of a study; its key is derived from the study's, or made.

        Raises:
            StudyError: The study's key is damaged or can be read by others.
            OSError: The vault cannot be written.
        """
        return cls(study.path, study.vault, _trail_key(study.path, study.vault))

    def append(self, action: Action, who: str, facts: Mapping[str, Any]) -> AuditEntry:
        """Enter something; it is kept when the call returns.

        Args:
            action: What kind of thing was done.
            who: Code of the person or account, see :meth:`account`.
            facts: Codes, counts, hashes and words of commands.

        Raises:
            AuditError: ``who`` is no code, a fact could be a path, or others write all the time.
            OSError: The study or the vault cannot be written.
        """
        with self.writing() as turn:
            return turn.append(action, who, facts)

    def account(self) -> str:
        """Code of whoever runs this program: ``PATHOAI_ACCOUNT``, or a code of the account."""
        return os.environ.get("PATHOAI_ACCOUNT") or code(self.key, "account", getpass.getuser())

    @contextmanager
    def writing(self) -> Iterator[Turn]:
        """Hold the trail, so that no other program writes in between."""
        with self.locked():
            yield Turn(self, self.head())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the trail.

        Raises:
            AuditError: Others have held it for a minute.
            OSError: The study cannot be written.
        """
        self.folder.mkdir(exist_ok=True)
        lock = FileLock(self.folder / ".lock", timeout=_WAIT_S)
        try:
            lock.acquire(poll_interval=0.002)
        except Timeout as error:
            raise AuditError(
                "other programs are writing to the audit trail all the time",
                found=f"no turn for {_WAIT_S} seconds",
                remedy="end the program that hangs, then run the command again",
            ) from error
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def locked_if_writable(self) -> Iterator[bool]:
        """Hold the trail; look at it without that where its study may only be read.

        Yields:
            Whether it is held.

        Raises:
            AuditError: Others have held it for a minute.
            OSError: The disk failed, or is full.
        """
        with ExitStack() as held:
            try:
                held.enter_context(self.locked())
            except OSError as error:
                if error.errno not in _MAY_NOT_WRITE:
                    raise
                yield False
            else:
                yield True

    def head(self) -> Head:
        """The last entry, also where a program was killed before it anchored it.

        The caller holds the trail. A last line that is not whole was never acknowledged, and goes.
        """
        anchored = self.anchor.read()
        size = self.path.stat().st_size if self.path.exists() else 0
        if anchored is not None and anchored.end == size:
            return anchored
        start = 0 if anchored is None or anchored.end > size else anchored.end
        head = anchored or Head()
        if size:
            head = self._read_on(head, start)
        if anchored is None:
            head = replace(head, since=head.seq)
        return head

    def _read_on(self, head: Head, start: int) -> Head:
        with self.path.open("r+b") as file:
            file.seek(start)
            for line in file:
                if not line.endswith(b"\n"):
                    file.truncate(start)
                    break
                start += len(line)
                entry = _sealed(line, self.key)
                if entry is None or entry.seq <= head.seq:
                    continue
                if not head.seq:
                    head = replace(head, begins=entry.seq, before=entry.prev)
                head = head.after(entry, start)
        return replace(head, end=start)

    def lines(self) -> list[bytes]:
        """Whole lines of the trail as it lies there."""
        data = self.path.read_bytes() if self.path.exists() else b""
        return data.splitlines(keepends=True)

    def entries(self) -> Iterator[AuditEntry]:
        """Entries that can be read, oldest first; whether they hold is for the check to say."""
        for line in self.lines():
            try:
                yield AuditEntry.parse(line)
            except AuditError:
                continue


class Turn:
    """The right to enter things, while it lasts."""

    def __init__(self, trail: AuditTrail, head: Head) -> None:
        """Of whoever holds the trail."""
        self._trail = trail
        self.head = head

    def append(self, action: Action, who: str, facts: Mapping[str, Any]) -> AuditEntry:
        """Enter something; see `AuditTrail.append`."""
        place = self.head.seq + 1, self.head.mac
        entry = AuditEntry.sealed(self._trail.key, place, who, action, facts)
        line = entry.line()
        with self._trail.path.open("ab") as file:
            file.write(line)
            file.flush()
            # Before the anchor moves: after a power cut it may lag behind, never run ahead.
            os.fsync(file.fileno())
            self.head = self.head.after(entry, file.tell())
        self._trail.anchor.write(self.head)
        return entry


def _sealed(line: bytes, key: bytes) -> AuditEntry | None:
    try:
        entry = AuditEntry.parse(line)
    except AuditError:
        return None
    return entry if entry.holds(key) else None


def _trail_key(study: Path, vault: Path) -> bytes:
    own = vault / _OWN_KEY
    if not (vault / "key").exists() and (study / "cohort.csv").exists():
        # Slides were coded with a key that is not here, and another would split their patients.
        if not own.exists():
            write_secret_once(own, secrets.token_hex(32))
        return bytes.fromhex(read_secret(own)[-1])
    return load_or_create_secret(vault).subkey("audit")
