"""One entry of the audit trail, and the seal that ties it to the one before."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pathoai.errors import AuditError

NOTHING_BEFORE = "0" * 64
"""What the first entry says of the one before."""
_WHO = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FACT = re.compile(r"[\w .,:;=+()-]{0,4000}")


class Action(StrEnum):
    """What can be done to a study."""

    ACCESS = "access"
    EDIT = "edit"
    EXPORT = "export"
    APPROVE = "approve"
    ERASURE = "erasure"
    KEY = "key"
    """A key was made or used, beyond coding a slide."""
    ARCHIVE = "archive"
    """Entries whose time was over went into a file of their own."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what, and when.

    Args:
        seq: Its number, from 1, without gaps.
        at: ISO 8601, UTC, milliseconds.
        who: Code of the person or account; never a name.
        action: What kind of thing was done.
        facts: Codes, counts, hashes and words of commands; never a path.
        prev: Seal of the entry before.
        mac: Its own seal: HMAC-SHA256 over all of the above, hexadecimal.
    """

    seq: int
    at: str
    who: str
    action: Action
    facts: Mapping[str, Any]
    prev: str
    mac: str = ""

    @classmethod
    def sealed(
        cls,
        key: bytes,
        place: tuple[int, str],
        who: str,
        action: Action,
        facts: Mapping[str, Any],
    ) -> AuditEntry:
        """A new entry of this moment.

        Args:
            key: Of the trail.
            place: Its number, and the seal of the entry before.
            who: Code of the person or account.
            action: What kind of thing was done.
            facts: What was done.

        Raises:
            AuditError: ``who`` is no code, or a fact could be a path.
        """
        if not _WHO.fullmatch(who):
            raise AuditError(
                "the audit trail names people by codes",
                where="PATHOAI_ACCOUNT",
                allowed="letters, digits and . _ - such as R1",
            )
        _check_facts(facts)
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        entry = cls(place[0], at, who, action, dict(facts), place[1])
        return replace(entry, mac=entry._seal(key))

    @classmethod
    def parse(cls, line: bytes) -> AuditEntry:
        """From a line of the trail.

        Raises:
            AuditError: It is none.
        """
        try:
            raw = json.loads(line)
            raw["action"] = Action(raw["action"])
            entry = cls(**raw)
            if not isinstance(entry.seq, int) or not isinstance(entry.facts, dict):
                raise ValueError("seq is a number and facts are a table")
        except (ValueError, TypeError, KeyError) as error:
            raise AuditError("no entry of an audit trail", found=str(error)) from error
        return entry

    def holds(self, key: bytes) -> bool:
        """True where nobody without the key wrote or changed it."""
        return hmac.compare_digest(self._seal(key), str(self.mac))

    def line(self) -> bytes:
        """For the trail's file, with its end."""
        return _canonical(asdict(self)) + b"\n"

    def _seal(self, key: bytes) -> str:
        content = asdict(self)
        del content["mac"]
        return hmac.new(key, _canonical(content), hashlib.sha256).hexdigest()


def _canonical(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _check_facts(value: object) -> None:
    """Refuse what could be a path: a study's trail goes where its folder goes."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            _check_facts(name)
            _check_facts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            _check_facts(part)
    elif isinstance(value, str) and not _FACT.fullmatch(value):
        raise AuditError(
            "the audit trail holds codes, counts, hashes and words only",
            allowed="letters, digits, blanks and . , : ; = + - ( ), no path",
        )
