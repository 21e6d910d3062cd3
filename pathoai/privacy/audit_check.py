"""Does the audit trail still say what was entered? Each way of changing it has its own finding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pathoai.errors import AuditError
from pathoai.privacy.audit_entry import AuditEntry
from pathoai.privacy.audit_head import Head
from pathoai.privacy.audit_trail import AuditTrail


def check_trail(trail: AuditTrail) -> Iterator[str]:
    """What is wrong with the trail, its anchored head and its archives; nothing where all holds.

    Args:
        trail: Held by the caller, so that nobody writes in between; where the study may only be
            read, what others enter meanwhile may show as broken.
    """
    # The head first: a trail that grows meanwhile is then ahead of it, never cut off.
    head = trail.anchor.read()
    lines = trail.lines()
    if lines and not lines[-1].endswith(b"\n"):
        # Of a program killed while it wrote: never acknowledged, and gone with the next entry.
        lines.pop()
    if head is None:
        head = _head_elsewhere(trail, lines)
    if head is None and lines and not _went_on_elsewhere(trail, lines):
        yield "the vault has no head of this trail: whether its end was cut off cannot be told"
    begin = head or _begin_of(lines, trail.key)
    chain = _Chain(trail.key, begin.begins, begin.before)
    yield from chain.check(lines)
    if head is not None:
        yield from _check_end(chain, head)
    yield from _check_archives(trail, begin)


def remarks_on(trail: AuditTrail) -> Iterator[str]:
    """What a person should know, though nothing is wrong with the trail here."""
    head = trail.anchor.read()
    # Nothing was entered here where a study may only be read: it came as it lies there.
    since = max(_seals(trail.lines()), default=0) if head is None else head.since
    for other in trail.anchor.elsewhere():
        if other.seq > since:
            yield (
                f"the trail of a study of this identity went on to entry {other.seq} at another "
                f"place, and came to this one with entry {since}: one is a copy, or the end "
                "was cut off before it was moved"
            )
    for path in sorted(trail.folder.glob("*.jsonl")):
        if not path.name.startswith(trail.name):
            yield (
                f"{path.name} is sealed with a key that is not here: it is verified where the "
                "vault of its writer is"
            )


def _head_elsewhere(trail: AuditTrail, lines: Iterable[bytes]) -> Head | None:
    """The furthest head of another place that this trail came past.

    A study that may only be read has none of its own place: it is a copy or a mount of one that can
    be written, whose heads lie in the same vault.
    """
    seals = _seals(lines)
    passed = [head for head in trail.anchor.elsewhere() if seals.get(head.seq) == head.mac]
    return max(passed, key=lambda head: head.seq, default=None)


def _went_on_elsewhere(trail: AuditTrail, lines: Iterable[bytes]) -> bool:
    """Whether it is an older copy, which `remarks_on` says."""
    last = max(_seals(lines), default=0)
    return any(head.seq > last for head in trail.anchor.elsewhere())


def _seals(lines: Iterable[bytes]) -> dict[int, str]:
    """Seals of entries that can be read, by number; whether they hold is not asked."""
    found = {}
    for line in lines:
        try:
            entry = AuditEntry.parse(line)
        except AuditError:
            continue
        found[entry.seq] = entry.mac
    return found


class _Chain:
    """Entries that should follow one another."""

    def __init__(self, key: bytes, first: int, before: str) -> None:
        self._key = key
        self.first = self.expected = first
        self.before: str | None = before
        self.seals: dict[int, str] = {}

    def check(self, lines: Iterable[bytes]) -> Iterator[str]:
        entries = [self._parsed(line) for line in lines]
        there = {entry.seq for entry in entries if entry is not None}
        for number, entry in enumerate(entries, start=1):
            if entry is None:
                yield f"line {number} was changed, or never made by pathoai: its seal does not hold"
                self.expected, self.before = self.expected + 1, None
            elif entry.seq < self.first:
                continue  # archived already; a program was killed before it took it out here
            elif entry.seq in self.seals:
                yield f"entry {entry.seq} is there twice"
            else:
                yield from self._follow(entry, there)

    def _follow(self, entry: AuditEntry, there: set[int]) -> Iterator[str]:
        self.seals[entry.seq] = entry.mac
        if entry.seq < self.expected:
            yield f"entry {entry.seq} lies after entry {self.expected - 1}: they were reordered"
            return
        skipped = range(self.expected, entry.seq)
        if any(seq not in there for seq in skipped):
            yield f"{_named(self.expected, entry.seq - 1)} missing: deleted"
        elif self.before not in (None, entry.prev) and not skipped:
            yield f"entry {entry.seq} does not follow the entry before it"
        self.expected, self.before = entry.seq + 1, entry.mac

    def _parsed(self, line: bytes) -> AuditEntry | None:
        try:
            entry = AuditEntry.parse(line)
        except AuditError:
            return None
        return entry if entry.holds(self._key) else None


def _check_end(chain: _Chain, head: Head) -> Iterator[str]:
    if head.seq >= chain.expected and head.seq >= chain.first:
        yield (
            f"the trail ends before entry {chain.expected}, but the vault knows of entry "
            f"{head.seq}: its end was cut off"
        )
    elif chain.seals.get(head.seq, head.mac) != head.mac:
        yield f"entry {head.seq} is another one than the vault knows"


def _begin_of(lines: list[bytes], key: bytes) -> Head:
    for line in lines:
        try:
            entry = AuditEntry.parse(line)
        except AuditError:
            continue
        if entry.holds(key):
            return Head(begins=entry.seq, before=entry.prev)
    return Head()


def archives_of(trail: AuditTrail) -> list[Path]:
    """Files of archived entries, oldest first."""
    return sorted(trail.folder.glob(f"{trail.name}-*.jsonl"), key=lambda p: _span(p)[0])


def _check_archives(trail: AuditTrail, begin: Head) -> Iterator[str]:
    for path in archives_of(trail):
        first, last = _span(path)
        lines = path.read_bytes().splitlines(keepends=True)
        own = _begin_of(lines, trail.key)
        chain = _Chain(trail.key, first, own.before)
        found = list(chain.check(lines))
        if chain.expected != last + 1:
            found.append(f"it ends with entry {chain.expected - 1} instead of {last}: cut off")
        if last + 1 == begin.begins and chain.seals.get(last, begin.before) != begin.before:
            found.append("the trail does not follow it")
        yield from (f"archive {path.name}: {finding}" for finding in found)


def _span(path: Path) -> tuple[int, int]:
    """Numbers of the first and the last entry, from an archive's name."""
    try:
        first, last = (int(part) for part in path.stem.split("-")[1:])
    except ValueError as error:
        raise AuditError(
            "not the name of an archive of the audit trail", where=path.name
        ) from error
    return first, last


def _named(first: int, last: int) -> str:
    return f"entry {first} is" if first == last else f"entries {first}-{last} are"
