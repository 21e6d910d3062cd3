"""What a run has finished so far: JSON lines beside the store, gone once the store is complete."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from pathoai.atomic_file import remove_partial_writes_of, write_text_atomically
from pathoai.provenance import sha256_of_file


@dataclass(frozen=True, slots=True, order=True)
class DamagedChunk:
    """A chunk that the slide's file could not give; it is absent from the store.

    Args:
        level: Index of the level.
        row: Of the chunk in its level.
        column: Likewise.
        reason: In a few words.
    """

    level: int
    row: int
    column: int
    reason: str


class WriteJournal:
    """Which shards of a store are done, with their hashes, and what was damaged in the slide."""

    def __init__(self, store_path: Path) -> None:
        """The journal of the store at this path; read what an earlier run left."""
        self.path = store_path.with_name(f".{store_path.name}.journal")
        self._lock = Lock()
        self._done: dict[str, str] = {}
        self._damaged: set[DamagedChunk] = set()
        if self.path.exists():
            for line in self.path.read_text("utf8").splitlines():
                self._remember(line)

    @classmethod
    def of_part(cls, store_path: Path, part: str) -> WriteJournal:
        """The journal of a label, or of features, under a name that no other part has."""
        return cls(store_path.with_name(f"{store_path.stem}.{part}"))

    def _remember(self, line: str) -> None:
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            # A run killed in the middle of a line leaves half of it: that shard is not done.
            return
        self._done[entry["shard"]] = entry["sha256"]
        self._damaged.update(DamagedChunk(**chunk) for chunk in entry.get("damaged", ()))

    def is_done(self, store_path: Path, key: str) -> bool:
        """True where the shard was finished and is unchanged; ``key`` is its path in the store."""
        known = self._done.get(key)
        if known is None:
            return False
        file = store_path / key
        return (sha256_of_file(file) if file.exists() else "") == known

    def record(self, key: str, sha256: str, damaged: Iterable[DamagedChunk] = ()) -> None:
        """Note a shard as done; a process killed afterwards has not lost it.

        Shards are not forced onto the disk, so nor is this: what a power cut takes of either is
        made again, since a shard counts as done only while its file has the hash noted here.

        Args:
            key: Path of its file in the store.
            sha256: Of that file; empty for a shard without any chunk, which has no file.
            damaged: Its chunks that the slide could not give.
        """
        chunks = sorted(damaged)
        with self._lock, self.path.open("a", encoding="utf8") as journal:
            journal.write(_line(key, sha256, chunks))
            journal.flush()
            self._done[key] = sha256
            self._damaged.update(chunks)

    def restore(self, done: Mapping[str, str], damaged: Iterable[DamagedChunk] = ()) -> None:
        """Be the journal of a run that had done these shards and was then interrupted.

        Args:
            done: SHA-256 by shard, as :meth:`record` takes it.
            damaged: Chunks that the slide could not give.
        """
        chunks = sorted(damaged)
        lines = [_line(key, digest, ()) for key, digest in done.items()]
        if chunks:
            # Of no shard in particular: whichever is made again meets them again.
            lines.append(_line("", "", chunks))
        remove_partial_writes_of(self.path)
        write_text_atomically(self.path, "".join(lines))
        self._done, self._damaged = dict(done), set(chunks)

    @property
    def damaged(self) -> tuple[DamagedChunk, ...]:
        """All damage met so far, in this run and those before it."""
        return tuple(sorted(self._damaged))

    def hashes(self, prefix: str) -> Mapping[str, str]:
        """SHA-256 of the non-empty shards below a path in the store."""
        return {
            key: digest
            for key, digest in sorted(self._done.items())
            if digest and key.startswith(f"{prefix}/")
        }

    def forget(self) -> None:
        """Remove the journal: what it knows is in the finished store, or no longer true."""
        self.path.unlink(missing_ok=True)
        self._done.clear()
        self._damaged.clear()


def _line(key: str, sha256: str, damaged: Sequence[DamagedChunk]) -> str:
    entry: dict[str, Any] = {"shard": key, "sha256": sha256}
    if damaged:
        entry["damaged"] = [asdict(chunk) for chunk in damaged]
    return json.dumps(entry) + "\n"
