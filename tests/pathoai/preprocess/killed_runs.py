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
from pathlib import Path

from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.slide.open_slide import open_slide
from pathoai.tiling.spec import TileSpec


def main() -> None:
    """Compare every interrupted store with one that was made in one go."""
    slide, folder, workers, kills = Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:5])
    spec, generator = TileSpec(128, 0.5), random.Random(workers)
    ways = [
        TilingSettings(spec, encoding="source", workers=workers, device="cpu"),
        # Finer than the slide: then there are shards of several levels to be killed between.
        TilingSettings(spec, mpp=0.25, workers=workers, device="cpu"),
    ]
    whole, seconds, totals = [], [], []
    for number, settings in enumerate(ways):
        path, start = folder / f"whole-{number}" / "A.zarr", time.monotonic()
        os.waitpid(_forked(slide, path, settings), 0)
        seconds.append(time.monotonic() - start)
        whole.append(_digest(path))
        totals.append(_shards(path))
    killed, different, shards = 0, [], []
    while killed < kills:
        way = killed % len(ways)
        path = folder / "killed" / "A.zarr"
        # So many shards and a moment more: a busy machine must not make all kills early ones.
        wait_for = generator.randint(0, totals[way])
        moment_s = generator.uniform(0, seconds[way] / (totals[way] + 1))
        if _killed(slide, path, ways[way], wait_for, moment_s):
            killed += 1
            shards.append(_shards(path))
            os.waitpid(_forked(slide, path, ways[way]), 0)
            if _digest(path) != whole[way]:
                different.append(killed)
        shutil.rmtree(path.parent, ignore_errors=True)
    found = {"killed": killed, "different": different, "shards_when_killed": shards}
    (folder / "found.json").write_text(json.dumps(found), "utf8")


def _forked(slide: Path, path: Path, settings: TilingSettings) -> int:
    """Start a run in a child; returns its process id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        source = SlideSource(lambda: open_slide(slide, slide_id="A"), slide)
        tile_slide(source, path, settings)
        code = 0
    finally:
        os._exit(code)


def _killed(
    slide: Path, path: Path, settings: TilingSettings, wait_for: int, after_s: float
) -> bool:
    """Start a run and kill it; False where it had ended before.

    Args:
        slide: What is tiled.
        path: The store.
        settings: How.
        wait_for: Shards that are written before.
        after_s: How long it goes on after them.
    """
    child = _forked(slide, path, settings)
    while _shards(path) < wait_for:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.WIFSIGNALED(status)
        time.sleep(0.0005)
    time.sleep(after_s)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def _shards(path: Path) -> int:
    """Shards of the image that lie at their place."""
    return sum(1 for _ in path.glob("*/c/*/*/*[0-9]"))


def _digest(path: Path) -> str:
    """SHA-256 over names and bytes of all files of a store."""
    digest = hashlib.sha256()
    for file in sorted(f for f in path.rglob("*") if f.is_file()):
        digest.update(file.relative_to(path).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
