"""Files in which traces of a person are left, and taking them out of each kind of file."""

from __future__ import annotations

import csv
import io
import mmap
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pathoai.atomic_file import write_bytes_atomically

_TEXTS = frozenset(
    (".json", ".jsonl", ".geojson", ".toml", ".yaml", ".md", ".txt", ".html", ".svg", ".ttl")
)
_LAST = ("cohort.csv",)
"""What says who the person is, so an interrupted run can go on: it is left for the end."""
_JOURNAL = "journal.sqlite"


def files_with(folder: Path, traces: Sequence[str]) -> Iterator[Path]:
    """Files below a folder that hold a trace, or are named after one; the pixels of stores apart.

    Pixels are compressed chunks without text; the name of their store says whose they are.

    Args:
        folder: The study, or its vault.
        traces: What to look for, in UTF-8.
    """
    wanted = [trace.encode() for trace in traces]
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file() or "c" in path.relative_to(folder).parts[2:-1]:
            continue
        name = path.relative_to(folder).as_posix()
        if any(trace in name for trace in traces) or _holds(path, wanted):
            yield path


def _holds(path: Path, wanted: Iterable[bytes]) -> bool:
    if not path.stat().st_size:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return any(data.find(trace) >= 0 for trace in wanted)


def files_to_clean(study: Path, traces: Sequence[str]) -> list[Path]:
    """Files that are rewritten or removed; the journal and the cohort have ways of their own."""
    found = files_with(study, traces)
    return [p for p in found if p.name not in _LAST and not p.name.startswith(_JOURNAL)]


def is_removed(study: Path, path: Path, traces: Iterable[str]) -> bool:
    """True where a file goes as a whole: it is named after the person, or no table and no text.

    Args:
        study: The study's folder.
        path: A file in it that holds a trace.
        traces: What must not be found any more.
    """
    name = path.relative_to(study).as_posix()
    return any(t in name for t in traces) or path.suffix not in (".csv", *_TEXTS)


def clean(study: Path, path: Path, hashes: Mapping[str, str]) -> None:
    """Take traces out of a file: rows of a table, words of a text; anything else goes as a whole.

    Args:
        study: The study's folder.
        path: A file in it.
        hashes: Trace → what stands in its place in a text.
    """
    if is_removed(study, path, hashes):
        path.unlink()
    elif path.suffix == ".csv":
        write_bytes_atomically(path, _without_rows(path, hashes))
    else:
        data = path.read_bytes()
        for trace, instead in hashes.items():
            data = data.replace(trace.encode(), instead.encode())
        write_bytes_atomically(path, data)


def _without_rows(path: Path, hashes: Mapping[str, str]) -> bytes:
    with path.open(newline="", encoding="utf8") as file:
        rows = list(csv.reader(file))
    kept = [row for row in rows if not any(trace in cell for trace in hashes for cell in row)]
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(kept)
    return text.getvalue().encode()


def remove(path: Path) -> None:
    """Remove a file or a folder; what is gone already is fine."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
