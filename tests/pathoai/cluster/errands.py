"""Work that misbehaves as work on slides can; at the top of a module, so that it can be sent.

Each leaves a line in a file whenever it begins, since what a killed process knew is gone.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path

from pathoai.cli.commands.tile import TileWork, tile_one
from pathoai.cli.predict_pixels import predict_pixels
from pathoai.cli.predict_work import PredictWork
from pathoai.cluster.work_item import Done, WorkItem
from pathoai.errors import DamagedSlideError, StorageError
from pathoai.progress import Advance
from pathoai.study.study import Study


def begun(log: Path) -> list[int]:
    """The process of each time that the work began."""
    return [int(line) for line in log.read_text().split()] if log.exists() else []


def _begin(log: Path) -> int:
    """Note that the work begins; how often it did so before."""
    before = len(begun(log))
    with log.open("a") as file:
        file.write(f"{os.getpid()}\n")
    return before


def work(log: Path, threads: int | None, advance: Advance) -> Done:
    """Take a moment."""
    _begin(log)
    time.sleep(0.1)
    return Done(f"{threads} threads")


def be_complete(log: Path, threads: int | None, advance: Advance) -> Done:
    """Find the result there."""
    _begin(log)
    return Done("as it was", skipped=True)


def be_damaged(log: Path, threads: int | None, advance: Advance) -> Done:
    """Fail as a bad slide does."""
    _begin(log)
    raise DamagedSlideError("the file is truncated", where="A", found=3, remedy="copy it again")


def lose_the_disk_once(log: Path, threads: int | None, advance: Advance) -> Done:
    """Fail as a stale file handle does, the first time."""
    if _begin(log) == 0:
        raise OSError(errno.ESTALE, "Stale file handle", "DUPONT.svs")
    return Done("back")


def lose_storage_always(log: Path, threads: int | None, advance: Advance) -> Done:
    """Fail as a store that cannot be written does."""
    _begin(log)
    raise StorageError("the database is locked")


def fill_the_disk(log: Path, threads: int | None, advance: Advance) -> Done:
    """Fail as a full disk does."""
    _begin(log)
    raise OSError(errno.ENOSPC, "No space left on device", "DUPONT.svs")


def die_once(log: Path, threads: int | None, advance: Advance) -> Done:
    """Be killed as by the system when memory runs out, the first time."""
    if _begin(log) == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return Done("second time lucky")


def die(log: Path, threads: int | None, advance: Advance) -> Done:
    """Be killed every time."""
    _begin(log)
    os.kill(os.getpid(), signal.SIGKILL)
    return Done("never")


def end_the_job_once(log: Path, threads: int | None, advance: Advance) -> Done:
    """Be ended with all processes of the job, as at its walltime, the first time."""
    if _begin(log) == 0:
        os.killpg(os.getpgrp(), signal.SIGKILL)
    return Done("in the next job")


def tile_and_die_once(
    argument: tuple[Path, TileWork], threads: int | None, advance: Advance
) -> Done:
    """Tile a slide, killed after its first shard, the first time."""
    log, tiling = argument
    first = _begin(log) == 0

    def advance_or_die(done: int, total: int) -> None:
        if first:
            os.kill(os.getpid(), signal.SIGKILL)
        advance(done, total)

    return tile_one(tiling, threads, advance_or_die)


def predict_or_die(work: PredictWork, threads: int | None, advance: Advance) -> Done:
    """Predict a slide, but be killed in the middle of the one whose code comes first, each time."""
    cohort = Study(Path(str(work.place.study_path))).cohort
    if work.place.slide_id != min(row.slide_id for row in cohort):
        return predict_pixels(work, threads, advance)
    _begin(work.place.store_path.with_suffix(".log"))

    def die_now(done: int, total: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    return predict_pixels(work, threads, die_now)


def be_wrong(log: Path, threads: int | None, advance: Advance) -> Done:
    """Fail as a bug does."""
    _begin(log)
    raise RuntimeError("in DUPONT.svs")


def go_on_and_on(log: Path, threads: int | None, advance: Advance) -> Done:
    """Work on many shards; leave a file when stopped between two."""
    _begin(log)
    try:
        for done in range(600):
            time.sleep(0.1)
            advance(done, 600)
    finally:
        log.with_suffix(".stopped").touch()
    return Done("to the end")


def be_deaf(log: Path, threads: int | None, advance: Advance) -> Done:
    """Work for a long time without a word."""
    _begin(log)
    time.sleep(60)
    return Done("to the end")


def outside_the_study(log: Path, threads: int | None, advance: Advance) -> Done:
    """What a library says that is no word of the system's: an OSError without a number."""
    raise OSError("neither here nor there")


def items(folder: Path, **functions: object) -> list[WorkItem]:
    """An item for each keyword, whose argument is a file for its log."""
    return [WorkItem(n, f, folder / n) for n, f in functions.items()]  # type: ignore[arg-type]  # keywords have one type
