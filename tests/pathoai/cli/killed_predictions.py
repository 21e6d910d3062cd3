"""Kills `pathoai predict` at random moments and lets it go on; writes what came of it as JSON.

A process of its own, which imports once and forks: loading torch takes longer than a run. Struck
are the program with all its workers, or the worker that writes a slide while the others live; at a
random share of the files that are still to be made, whatever the speed of the machine.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import random
import shutil
import signal
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import dask
import torch
from distributed.utils import get_mp_context

from pathoai.cli.main import main as pathoai
from pathoai.cluster import gpu_workers

_LONGEST_S = 120
_POLL_S = 0.02
_MOMENT_S = 0.05
"""How much longer a run may go on once the files are there for which it was waited."""
_STRIKES_OF_A_ROUND = 3
_MOST = 0.7
"""Of what a run has to do, before it is struck: strikes must not come too late."""


@dataclass(frozen=True)
class Way:
    """A way to predict: two slides of a study, or one slide without a study.

    Args:
        words: Of the command.
        results: How many seals lie there at the end.
        kills: How often it is to be struck in the middle.
        more_words: Where it runs that is struck; the undisturbed run and the last one are one
            thread in one process.
        struck: All processes of the program, the one that was started, or the worker that writes.
        processes: Among which slides are dealt, as where they share a GPU.
    """

    words: tuple[str, ...]
    results: int
    kills: int
    more_words: tuple[str, ...] = ("--workers", "1")
    struck: Literal["all", "program", "worker"] = "all"
    processes: int = 1


@dataclass
class Found:
    """What came of a way.

    Attributes:
        kills: Strikes that left something unfinished.
        rounds: How often all was finished in the end.
        different: Files that were not those of an undisturbed run, in all rounds.
        shares: Of the files to be made, how many lay there at each strike.
    """

    kills: int = 0
    rounds: int = 0
    different: list[str] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Whole:
    """What a run leads to that nobody disturbs.

    Args:
        digests: SHA-256 of each file that is made by its place.
        before: Files that lay there before.
        files: Files that lie there in the end.
    """

    digests: dict[str, str]
    before: int
    files: int


# torch starts soonest: what is killed often shall be at work, not on the way to it.
_TORCH = ("--device", "cpu", "--runtime", "torch")
_PREDICT = ("predict", "study", *_TORCH, "--model")
_ALONE = ("predict", "slide.svs", *_TORCH, "--out", "slide.zarr", "--model")
_ON_TWO = ("--cluster", "dask", "--workers", "2", "--retries", "99")
WAYS = {
    "pixels": Way((*_PREDICT, "pixels"), 2, 12),
    "regions": Way((*_PREDICT, "regions"), 2, 4),
    "a slide alone": Way((*_ALONE, "study/models/pixels"), 1, 6),
    "two workers": Way((*_PREDICT, "pixels"), 2, 3, _ON_TWO),
    "one of two workers": Way((*_PREDICT, "pixels"), 2, 5, _ON_TWO, "worker"),
    "two processes": Way((*_PREDICT, "pixels"), 2, 3, (), "program", processes=2),
}


def main() -> None:
    """Compare what interrupted runs lead to with what was made in one go."""
    pristine, folder = (Path(word).absolute() for word in sys.argv[1:3])
    torch.set_num_threads(1)  # a pool of threads does not survive a fork
    moments, found = random.Random(5), {}
    wholes = {
        words: _whole(words, pristine, folder) for words in {w.words: w for w in WAYS.values()}
    }
    for name, way in WAYS.items():
        if "--cluster" in way.more_words:
            _fork_workers()
        found[name] = asdict(_struck(way, wholes[way.words], pristine, folder, moments))
    (folder / "found.json").write_text(json.dumps(found), "utf8")


def _whole(words: tuple[str, ...], pristine: Path, folder: Path) -> Whole:
    place = _copied(pristine, folder / "whole")
    before = _files(place)
    _wait(_started(place, (*words, "--workers", "1")))
    (results,) = {way.results for way in WAYS.values() if way.words == words}
    assert len(_seals(place)) == results
    for name in (folder / "loaded.txt").read_text("utf8").split():
        with suppress(ImportError):  # some are made by others, and are no modules to be imported
            importlib.import_module(name)
    whole = Whole(_digests(place), before, _files(place))
    shutil.rmtree(place)
    return whole


def _fork_workers() -> None:
    """Let Dask load what workers need once in a run, not once in each worker."""
    dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"})
    get_mp_context()  # names modules of its own, the first time
    loaded = [name for name in sys.modules if name.startswith("pathoai")]
    get_context("forkserver").set_forkserver_preload(["distributed", "torch", "pandas", *loaded])


def _struck(way: Way, whole: Whole, pristine: Path, folder: Path, moments: random.Random) -> Found:
    found = Found()
    # Of what is left to do, so much is done before a strike: from nothing to most, at random.
    order = moments.sample(range(way.kills), way.kills)
    parts = [_MOST * (place + moments.random()) / way.kills for place in order]
    while found.kills < way.kills:
        place = _copied(pristine, folder / "struck")
        most = min(way.kills, found.kills + _STRIKES_OF_A_ROUND)
        while found.kills < most and len(_seals(place)) < way.results:
            _strike(way, whole, place, found, parts, moments)
        _wait(_started(place, (*way.words, "--workers", "1")))
        found.rounds += 1
        files, expected = _digests(place), whole.digests
        found.different += [n for n in files | expected if files.get(n) != expected.get(n)]
        shutil.rmtree(place)
    return found


def _strike(
    way: Way, whole: Whole, place: Path, found: Found, parts: list[float], moments: random.Random
) -> None:
    """Start the command and strike it, or its workers one by one."""
    run, since = _started(place, way.words + way.more_words, way.processes), time.time()
    before = found.kills
    while _wait_for_work(place, run, since):
        _wait_for_files(place, run, parts[found.kills], whole.files)
        time.sleep(moments.uniform(0, _MOMENT_S))
        victims = {"all": [-run], "program": [run], "worker": _writers(place)[:1]}
        victim = victims[way.struck]
        if not _is_alive(run) or not victim:
            continue
        since = time.time()
        os.kill(victim[0], signal.SIGKILL)
        if way.struck != "worker":
            _wait(run)
        if len(_seals(place)) < way.results:
            found.kills += 1
            found.shares.append((_files(place) - whole.before) / (whole.files - whole.before))
        if found.kills >= way.kills and _is_alive(run):
            # A nanny that could not start its worker again gives up: the rest is done here.
            os.kill(-run, signal.SIGKILL)
            _wait(run)
        if found.kills >= way.kills:
            return
    if found.kills == before:  # all was done before: sooner, the next time
        parts[before] /= 2


def _wait_for_files(place: Path, run: int, part: float, all_files: int) -> None:
    """Wait until a part of the files that are to be made yet is there, or the run ended."""
    there = _files(place)
    wanted = there + part * max(0, all_files - there)
    while _files(place) < wanted and _is_alive(run):
        time.sleep(_POLL_S)


def _files(place: Path) -> int:
    return sum(len(files) for _, _, files in os.walk(place))


def _copied(pristine: Path, folder: Path) -> Path:
    return Path(shutil.copytree(pristine, folder))


def _started(place: Path, words: tuple[str, ...], processes: int = 1) -> int:
    """Start the command in a child with a session of its own; returns its process id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.setsid()
        os.chdir(place)
        gpu_workers.processes_on = lambda device, threads, batch_size: processes
        with (place.parent / "printed.log").open("w") as printed:
            os.dup2(printed.fileno(), 1)
            os.dup2(printed.fileno(), 2)
            code = pathoai(words)
        (place.parent / "loaded.txt").write_text("\n".join(sys.modules), "utf8")
    finally:
        os._exit(code)


_ENDED: set[int] = set()


def _is_alive(child: int) -> bool:
    if child not in _ENDED and os.waitpid(child, os.WNOHANG)[0]:
        _ENDED.add(child)
    return child not in _ENDED


def _wait(child: int) -> None:
    deadline = time.monotonic() + _LONGEST_S
    while _is_alive(child):
        assert time.monotonic() < deadline
        time.sleep(_POLL_S)


def _wait_for_work(place: Path, run: int, since: float) -> float:
    """When a slide was first written after a moment; 0 where the command ended without."""
    while _is_alive(run):
        found = [f.stat().st_mtime for f in _holders(place) if f.exists()]
        if any(moment > since for moment in found):
            return max(found)
        time.sleep(_POLL_S)
    return 0.0


def _holders(place: Path) -> list[Path]:
    """Who writes a store is noted beside it."""
    return sorted([*place.glob(".*.holder"), *place.glob("study/stores/.*.holder")])


def _writers(place: Path) -> list[int]:
    """Processes that write a slide now."""
    noted = [json.loads(file.read_text("utf8"))["process"] for file in _holders(place)]
    return [process for process in noted if Path(f"/proc/{process}").exists()]


def _seals(place: Path) -> list[Path]:
    return list(place.rglob("*.seal"))


def _digests(place: Path) -> dict[str, str]:
    """SHA-256 of all that is made by its place; some files say when and who."""
    files = (file for file in place.rglob("*") if file.is_file())
    return {
        file.relative_to(place).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if not {"provenance", "audit_trail"} & {*file.parts}
        and file.suffix not in (".lock", ".holder")
    }


if __name__ == "__main__":
    main()
