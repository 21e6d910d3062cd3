"""Kills runs of tiling at random moments and lets them go on; writes what came of it as JSON.

A process of its own, which imports once and forks: a start of Python takes longer than a run.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pathoai.slide.openslide_reader  # noqa: F401 - or each child would load it
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.slide.open_slide import open_slide
from pathoai.tiling.spec import TileSpec

_POLL_S = 0.005


@dataclass(frozen=True)
class Way:
    """A slide, and how it is tiled."""

    slide: Path
    settings: TilingSettings


@dataclass(frozen=True)
class Whole:
    """What a run leads to that nobody disturbs.

    Args:
        digest: Of the store.
        files: That lie in it.
        seconds: That the run took.
    """

    digest: str
    files: int
    seconds: float


def main() -> None:
    """Compare every interrupted store with one that was made in one go."""
    copied, resampled, folder = map(Path, sys.argv[1:4])
    spec, found = TileSpec(128, 0.5), {}
    for workers in (1, 4):
        ways = [
            Way(copied, TilingSettings(spec, encoding="source", workers=workers, device="cpu")),
            # Finer than the slide: then there are shards of several levels to be killed between.
            Way(resampled, TilingSettings(spec, mpp=0.25, workers=workers, device="cpu")),
        ]
        found[workers] = _struck(ways, folder / str(workers), random.Random(workers))
    (folder / "found.json").write_text(json.dumps(found), "utf8")


def _struck(ways: list[Way], folder: Path, generator: random.Random) -> dict[str, object]:
    wholes = [_whole(way, folder / f"whole-{number}" / "A.zarr") for number, way in enumerate(ways)]
    kills = int(sys.argv[4])
    different, shares = [], []
    for number, share in enumerate(_shares(kills, generator)):
        way, whole = ways[number % len(ways)], wholes[number % len(ways)]
        path = folder / "killed" / "A.zarr"
        # So many files and a moment more: a busy machine must not make all kills early ones.
        wait_for = int(share * whole.files)
        while not _killed(way, path, wait_for, generator.uniform(0, whole.seconds / whole.files)):
            shutil.rmtree(path.parent)
        shares.append(_files(path) / whole.files)
        os.waitpid(_forked(way, path), 0)
        if _digest(path) != whole.digest:
            different.append(number)
        shutil.rmtree(path.parent)
    return {"killed": len(shares), "different": different, "shares": shares}


def _shares(kills: int, generator: random.Random) -> Iterator[float]:
    """How far each run gets, from nothing to all, at random places in a random order."""
    order = generator.sample(range(kills), kills)
    return ((place + generator.random()) / kills for place in order)


def _whole(way: Way, path: Path) -> Whole:
    start = time.monotonic()
    os.waitpid(_forked(way, path), 0)
    return Whole(_digest(path), _files(path), time.monotonic() - start)


def _forked(way: Way, path: Path) -> int:
    """Start a run in a child; returns its process id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        source = SlideSource(lambda: open_slide(way.slide, slide_id="A"), way.slide)
        tile_slide(source, path, way.settings)
        code = 0
    finally:
        os._exit(code)


def _killed(way: Way, path: Path, wait_for: int, after_s: float) -> bool:
    """Start a run and kill it; False where it had ended before.

    Args:
        way: What it does.
        path: The store.
        wait_for: Files that are written before.
        after_s: How long it goes on after them.
    """
    child = _forked(way, path)
    while _files(path) < wait_for:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert status == 0
            return False
        time.sleep(_POLL_S)
    time.sleep(after_s)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def _files(path: Path) -> int:
    """Files that lie at their place."""
    return sum(len(files) for _, _, files in os.walk(path))


def _digest(path: Path) -> str:
    """SHA-256 over names and bytes of all files of a store."""
    digest = hashlib.sha256()
    for file in sorted(f for f in path.rglob("*") if f.is_file()):
        digest.update(file.relative_to(path).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
