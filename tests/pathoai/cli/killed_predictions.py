"""Kills `pathoai predict` at random moments and lets it go on; writes what came of it as JSON.

A process of its own, which imports once and forks: loading torch takes longer than a run. Struck
are the program with all its workers, or the worker that writes a slide while the others live.
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
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from pathoai.cli.main import main as pathoai

_LONGEST_S = 120
_LOADED_ONCE = (
    "distributed",
    "pathoai.inference.slide_report",
    "pathoai.inference.predict_regions",
    "pathoai.inference.find_objects",
    "pathoai.preprocess.tile_slide",
    "pathoai.slide.open_slide",
    "pathoai.models.region_classifier",
)
"""What children would load one by one; commands load what they need, not we."""


@dataclass(frozen=True)
class Way:
    """A way to predict: two slides of a study, or one slide without a study.

    Args:
        words: Of the command.
        results: How many seals lie there at the end.
        kills: How often it is to be struck in the middle.
        more_words: Where it runs that is struck; the undisturbed run and the last one are one
            thread in one process.
        one_worker: Strike a worker, not the whole program.
    """

    words: tuple[str, ...]
    results: int
    kills: int
    more_words: tuple[str, ...] = ("--workers", "1")
    one_worker: bool = False


@dataclass
class Found:
    """What came of a way.

    Attributes:
        kills: Strikes that left something unfinished.
        late: Runs that had ended when they were to be struck.
        rounds: How often all was finished in the end.
        different: Files that were not those of an undisturbed run, in all rounds.
        seconds: That an undisturbed run works on slides.
        shards: Shards of predictions that lay there at each strike.
    """

    kills: int = 0
    late: int = 0
    rounds: int = 0
    different: list[str] = field(default_factory=list)
    seconds: float = 0.0
    shards: list[int] = field(default_factory=list)


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
    "one of two workers": Way((*_PREDICT, "pixels"), 2, 5, _ON_TWO, one_worker=True),
}


def main() -> None:
    """Compare what interrupted runs lead to with what was made in one go."""
    pristine, folder = (Path(word).absolute() for word in sys.argv[1:3])
    times = int(sys.argv[3])
    for module in _LOADED_ONCE:
        importlib.import_module(module)
    torch.set_num_threads(1)  # a pool of threads does not survive a fork
    moments, found = random.Random(5), {}
    for name, way in WAYS.items():
        found[name] = asdict(_struck(way, way.kills * times, pristine, folder, moments))
    (folder / "found.json").write_text(json.dumps(found), "utf8")


def _struck(way: Way, kills: int, pristine: Path, folder: Path, moments: random.Random) -> Found:
    found, whole = Found(), _copied(pristine, folder / "whole")
    run = _started(whole, (*way.words, "--workers", "1"))
    begun = _wait_for_work(whole, run, 0)
    _wait(run)
    found.seconds = time.time() - begun
    assert len(_seals(whole)) == way.results
    expected = _digests(whole)
    while found.kills < kills:
        place = _copied(pristine, folder / "struck")
        while found.kills < kills and len(_seals(place)) < way.results:
            _strike(way, place, found, kills, moments)
        _wait(_started(place, (*way.words, "--workers", "1")))
        found.rounds += 1
        files = _digests(place)
        found.different += [n for n in files | expected if files.get(n) != expected.get(n)]
        shutil.rmtree(place)
    shutil.rmtree(whole)
    return found


def _strike(way: Way, place: Path, found: Found, kills: int, moments: random.Random) -> None:
    """Start the command and strike it, or its workers one by one."""
    run, since = _started(place, way.words + way.more_words), time.time()
    while _wait_for_work(place, run, since):
        # Not over the whole time: of what an earlier strike left, less is to be done.
        time.sleep(moments.uniform(0, found.seconds / 3))
        victim = _writers(place)[:1] if way.one_worker else [-run]
        if not _is_alive(run) or not victim:
            continue
        since = time.time()
        os.kill(victim[0], signal.SIGKILL)
        if not way.one_worker:
            _wait(run)
        if len(_seals(place)) < way.results:
            found.kills += 1
            found.shards.append(sum(1 for _ in place.rglob("labels/prediction*/**/c/**/[0-9]")))
        if found.kills >= kills and _is_alive(run):
            # A nanny that could not start its worker again gives up: the rest is done here.
            os.kill(-run, signal.SIGKILL)
            _wait(run)
        if found.kills >= kills:
            return
    found.late += 1


def _copied(pristine: Path, folder: Path) -> Path:
    return Path(shutil.copytree(pristine, folder))


def _started(place: Path, words: tuple[str, ...]) -> int:
    """Start the command in a child with a session of its own; returns its process id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.setsid()
        os.chdir(place)
        with (place.parent / "printed.log").open("w") as printed:
            os.dup2(printed.fileno(), 1)
            os.dup2(printed.fileno(), 2)
            code = pathoai(words)
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
        time.sleep(0.002)


def _wait_for_work(place: Path, run: int, since: float) -> float:
    """When a slide was first written after a moment; 0 where the command ended without."""
    while _is_alive(run):
        found = [f.stat().st_mtime for f in _holders(place) if f.exists()]
        if any(moment > since for moment in found):
            return max(found)
        time.sleep(0.002)
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
