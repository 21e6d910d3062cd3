"""Who has left a study: no codes, only their hashes.

A tombstone says that someone was taken out, without saying who: a code has 80 bits, so its hash
cannot be tried out. Whoever has a code can ask whether it has one, and so nobody enters the study
again, no package holds him, and the study need not remember him for it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from enum import StrEnum
from pathlib import Path

from pathoai.atomic_file import write_text_atomically
from pathoai.errors import StudyError

TABLE = "tombstones.csv"
_HASH = re.compile(r"[0-9a-f]{64}")


class TombstoneKind(StrEnum):
    """Whose code it was."""

    SLIDE = "slide"
    PATIENT = "patient"


class Reason(StrEnum):
    """Why someone was taken out."""

    OPPOSITION = "opposition"
    ERASURE = "erasure"


def tombstone_hash(code: str) -> str:
    """SHA-256 of a code, hexadecimal."""
    return hashlib.sha256(code.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Tombstone:
    """One row of the table.

    Args:
        sha256: Of the code, hexadecimal.
        kind: Of the code.
        day: On which it was taken out, ISO 8601.
        reason: Why.
    """

    sha256: str
    kind: TombstoneKind
    day: str
    reason: Reason

    def __post_init__(self) -> None:
        """Refuse anything that could say more than a hash does."""
        if not _HASH.fullmatch(self.sha256):
            raise StudyError(
                "a tombstone holds a hash only",
                where=TABLE,
                allowed="64 hexadecimal digits",
                remedy="restore the table of tombstones from your backup",
            )
        date.fromisoformat(self.day)


@dataclass(frozen=True, slots=True)
class Tombstones:
    """All tombstones of a study, in the order in which they were set."""

    stones: tuple[Tombstone, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Tombstones:
        """The table in a CSV file; none where there is no file.

        Raises:
            StudyError: It is no such table.
        """
        if not path.is_file():
            return cls()
        names = [f.name for f in fields(Tombstone)]
        try:
            with path.open(newline="", encoding="utf8") as file:
                reader = csv.DictReader(file)
                if list(reader.fieldnames or ()) != names:
                    raise ValueError(", ".join(reader.fieldnames or ()))
                return cls(tuple(_parsed(row) for row in reader))
        except (ValueError, TypeError, KeyError, csv.Error) as error:
            raise StudyError(
                "the table of tombstones is malformed",
                where=path.name,
                found=str(error),
                allowed=", ".join(names),
                remedy="restore it from your backup",
            ) from error

    def write(self, path: Path) -> None:
        """Write the CSV file; the old one stays until the new one is whole."""
        text = io.StringIO(newline="")
        names = [f.name for f in fields(Tombstone)]
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(stone) for stone in self.stones)
        write_text_atomically(path, text.getvalue())

    def holds(self, code: str) -> bool:
        """True where the person or slide of this code was taken out."""
        return bool(code) and tombstone_hash(code) in {stone.sha256 for stone in self.stones}

    def added(self, codes: Sequence[str], kind: TombstoneKind, reason: Reason) -> Tombstones:
        """These and one for each code that has none yet, of today."""
        today = date.today().isoformat()
        fresh = [c for c in dict.fromkeys(codes) if not self.holds(c)]
        new = (Tombstone(tombstone_hash(c), kind, today, reason) for c in fresh)
        return Tombstones((*self.stones, *new))

    def __iter__(self) -> Iterator[Tombstone]:
        """Oldest first."""
        return iter(self.stones)

    def __len__(self) -> int:
        """How many."""
        return len(self.stones)


def _parsed(row: dict[str, str]) -> Tombstone:
    return Tombstone(row["sha256"], TombstoneKind(row["kind"]), row["day"], Reason(row["reason"]))
