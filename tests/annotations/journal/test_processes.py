"""Several programs write one journal; one of them may be killed, or find the disk full."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Barrier

import pytest

from pathoai_annotations.annotation import Status
from pathoai_annotations.journal.check import check_journal
from pathoai_annotations.journal.journal import Journal

pytestmark = pytest.mark.long

EDITS = 2000
BATCH = 7
WRITER = """
import sys
from pathlib import Path
from shapely import box
from pathoai_annotations.annotation import Annotation, Origin, deterministic_id
from pathoai_annotations.journal.journal import Journal

def draw(name):
    return Annotation(
        deterministic_id(name), "0123456789ABCDEF", "dcis", box(0, 0, 1, 1), Origin.MODEL, "model"
    )

def batch(name):
    return [draw(f"{name} {number}") for number in range(BATCH)]

BATCH = int(sys.argv[2])
PLACE = sys.argv[1] if "://" in sys.argv[1] else Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
"""
EDIT_ONE_BY_ONE = """
with Journal(PLACE) as journal:
    for number in range(int(sys.argv[4]) // 2):
        annotation = draw(f"{sys.argv[3]} {number}")
        journal.propose([annotation])
        journal.validate([annotation.id], author=sys.argv[3])
"""
EDIT_FOR_EVER = """
with Journal(PLACE) as journal:
    for number in range(1_000_000):
        annotations = batch(f"{sys.argv[3]} {number}")
        journal.propose(annotations)
        for annotation in annotations:
            print(annotation.id)
        sys.stdout.flush()
"""
EDIT_UNTIL_FULL = """
import resource
from pathoai.errors import StorageError

with Journal(PLACE) as journal:
    journal.propose(batch("before"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
    try:
        for number in range(1_000_000):
            journal.propose(batch(f"{number}"))
            print(number, flush=True)
    except StorageError as error:
        print(error, flush=True)
"""

Writer = subprocess.Popen[str]


@contextmanager
def _writer(journal: Path | str, work: str, *arguments: str) -> Iterator[Writer]:
    """A process that has loaded everything, and starts when it is told to."""
    command = [sys.executable, "-W", "error", "-c", WRITER + work, str(journal), str(BATCH)]
    process = subprocess.Popen(
        [*command, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _lines(process: Writer) -> Iterator[str]:
    assert process.stdout is not None
    return (line.strip() for line in process.stdout)


def _start(process: Writer) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_two_processes_lose_no_edit_and_show_no_lock(place: Path | str) -> None:
    names = ("R1", "R2")
    with (
        _writer(place, EDIT_ONE_BY_ONE, names[0], str(EDITS)) as one,
        _writer(place, EDIT_ONE_BY_ONE, names[1], str(EDITS)) as two,
    ):
        writers = (one, two)
        for process in writers:
            assert next(_lines(process)) == "ready"
        for process in writers:
            _start(process)
        for process in writers:
            _, complaints = process.communicate(timeout=300)
            assert (process.returncode, complaints) == (0, "")
    with Journal(place) as journal:
        check_journal(journal)
        events = list(journal.events())
        assert [e.seq for e in events] == list(range(1, 2 * EDITS + 1))
        assert len({e.event_id for e in events}) == 2 * EDITS
        assert journal.counts()[Status.VALIDATED] == EDITS
    for name in names:
        own = [e for e in events if e.operation == "validate" and e.author == name]
        assert len(own) == EDITS // 2
    # Both wrote at the same time: neither waited for the other to finish.
    order = [e.author for e in events if e.operation == "validate"]
    begun = max(order.index(name) for name in names)
    ended = len(order) - max(order[::-1].index(name) for name in names)
    together = order[begun:ended]
    assert len(together) > EDITS // 2
    # Nor was one kept waiting while the other wrote without pause.
    assert min(Counter(together).get(name, 0) for name in names) > len(together) // 4


def test_a_killed_writer_leaves_every_committed_edit_and_no_half_batch(place: Path | str) -> None:
    told: list[str] = []
    for run, length in enumerate((1, 40, 95, 200)):
        with _writer(place, EDIT_FOR_EVER, f"run {run}") as process:
            lines = _lines(process)
            assert next(lines) == "ready"
            _start(process)
            told += [next(lines) for _ in range(length)]
            process.send_signal(signal.SIGKILL)
            # What it had said before it died was committed too.
            told += list(lines)
        with Journal(place) as journal:
            found = [str(a.id) for a in journal.annotations()]
            assert len(found) == len(list(journal.events()))
            check_journal(journal)
        assert set(told) <= set(found)
        # Each run may have committed one batch that it had no time to tell of.
        assert len(found) % BATCH == 0
        assert len(found) <= len(told) + (run + 1) * 2 * BATCH


def test_a_full_disk_is_a_storage_error_and_the_journal_stays_whole(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with _writer(path, EDIT_UNTIL_FULL) as process:
        output, complaints = process.communicate("\n", timeout=60)
    assert complaints == ""
    *numbers, error = output.splitlines()[1:]
    assert "the journal cannot be written" in error
    assert "Remedy: check that the study's folder is writable and its disk not full" in error
    with Journal(path) as journal:
        assert len(journal.annotations()) == (1 + len(numbers)) * BATCH


def test_making_a_journal_waits_for_a_program_that_is_making_it(tmp_path: Path) -> None:
    """SQLite itself refuses at once to change the mode of a file that another one writes."""
    path = tmp_path / "journal.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(1) as pool:
            made = pool.submit(_open_and_close, path)
            with pytest.raises(TimeoutError):
                made.result(timeout=0.3)
            other.execute("ROLLBACK")
            made.result(timeout=30)


def _open_and_close(path: Path) -> None:
    Journal(path).close()


def test_programs_that_make_the_same_journal_at_once_all_succeed(tmp_path: Path) -> None:
    writers = 6

    def make(path: Path, barrier: Barrier) -> int:
        barrier.wait()
        with Journal(path) as journal:
            return len(journal.annotations())

    with ThreadPoolExecutor(writers) as pool:
        for attempt in range(20):
            path, barrier = tmp_path / f"{attempt}.sqlite", Barrier(writers)
            found = [pool.submit(make, path, barrier) for _ in range(writers)]
            assert [f.result(timeout=60) for f in found] == [0] * writers
