"""How the cost of making a store grows with the slide: 1, 4 and 16 times the area.

python benchmarks/growth.py REAL.svs --out benchmarks/results/growth.md
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from measure import Cost, cost_of, machine
from mirrored_slide import mirrored_slide

from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.slide.open_slide import open_slide
from pathoai.store.slide_store import SlideStore
from pathoai.store.tissue_chunks import chunks_with_tissue

SIDES_PX = (7_168, 14_336, 28_672)
_FIRST_PX = 2_048
"""Side of the slide that pays for imports and first calls."""
_ALLOWED = 1.1

ENCODINGS = {
    "source": TilingSettings(encoding="source"),
    "resampled": TilingSettings(encoding="resampled", device="cpu"),
}


class Growth(NamedTuple):
    """One encoding on one slide: medians of seconds and of peaks.

    The peak is that of the whole process: interpreter, imports and the first small slide included.
    """

    tiles: int
    wall_s: float
    peak_mb: float

    @property
    def tile_ms(self) -> float:
        """Milliseconds for a tissue tile."""
        return 1e3 * self.wall_s / self.tiles


def make(first: str, slide: str, folder: str, encoding: str) -> float:
    """Make a store in a process that has made one before; returns the seconds."""
    for path, name in ((first, "first"), (slide, "S")):
        target = Path(folder) / f"{name}.zarr"
        shutil.rmtree(target, ignore_errors=True)
        start = time.perf_counter()
        source = SlideSource(partial(open_slide, Path(path)), Path(path))
        tile_slide(source, target, ENCODINGS[encoding])
        seconds = time.perf_counter() - start
    return seconds


def nothing() -> float:
    """No work: what a process costs that imports all this."""
    return 0.0


def grow(real: Path, folder: Path, sides: Sequence[int], repeats: int) -> dict[str, list[Growth]]:
    """All encodings on slides of all sides, smallest first; repeats interleaved."""
    for side in (_FIRST_PX, *sides):
        mirrored_slide(real, folder / f"{side}.svs", side)
    first = str(folder / f"{_FIRST_PX}.svs")
    costs: dict[tuple[str, int], list[Cost]] = {(e, side): [] for e in ENCODINGS for side in sides}
    tiles: dict[tuple[str, int], int] = {}
    for turn in range(repeats):
        for (encoding, side), seen in costs.items():
            slide = str(folder / f"{side}.svs")
            seen.append(cost_of(make, first, slide, str(folder), encoding))
            tiles[encoding, side] = _tiles(folder / "S.zarr")
            print(f"{turn + 1}/{repeats} {encoding}, {side} px: {seen[-1].result:.2f} s")
    return {
        encoding: [
            Growth(
                tiles[encoding, side],
                statistics.median(cost.result for cost in costs[encoding, side]),
                statistics.median(cost.peak_mb for cost in costs[encoding, side]),
            )
            for side in sides
        ]
        for encoding in ENCODINGS
    }


def _tiles(path: Path) -> int:
    store = SlideStore(path)
    return int(chunks_with_tissue(store.tissue, store.grid(), store.header.layout[0]).sum())


def slope(grown: Sequence[Growth]) -> float:
    """The power of the number of tiles that the time follows: 1 is linear."""
    tiles, seconds = np.log([g.tiles for g in grown]), np.log([g.wall_s for g in grown])
    return float(np.polyfit(tiles, seconds, 1)[0])


def further_ms(grown: Sequence[Growth]) -> list[float]:
    """Milliseconds for each further tile, between neighbouring sizes."""
    return [1e3 * (b.wall_s - a.wall_s) / (b.tiles - a.tiles) for a, b in pairwise(grown)]


def report(found: dict[str, list[Growth]], sides: Sequence[int], baseline_mb: float) -> str:
    """The results as Markdown; the baseline is the peak of a process that only imports."""
    lines = [
        "# How the cost of a store grows",
        "",
        machine(["openslide-bin", "imagecodecs", "zarr", "numpy"]),
        "",
        "`python benchmarks/growth.py`: slides of 1, 4 and 16 times the area, each in a fresh",
        "process; medians, runs interleaved. Imports and a first small slide are not counted in",
        "the time. They are in the peak, which is all that the process ever held resident:",
        f"with nothing but the imports it holds {baseline_mb:.0f} MB.",
        "",
        "| encoding | side px | tissue tiles | wall s | ms per tile | ms per further tile "
        "| peak MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for encoding, grown in found.items():
        further = ["–", *(f"{ms:.3f}" for ms in further_ms(grown))]
        for side, g, more in zip(sides, grown, further, strict=True):
            lines.append(
                f"| {encoding} | {side:,} | {g.tiles:,} | {g.wall_s:.2f} | {g.tile_ms:.3f} "
                f"| {more} | {g.peak_mb:.0f} |"
            )
    return "\n".join([*lines, "", *_ratios(found), ""])


def _ratios(found: dict[str, list[Growth]]) -> Sequence[str]:
    lines = [
        "The goals are: time linear within 10 %, memory flat. What a slide costs whatever its size",
        "lets the time per tile fall; a further tile is free of that, but as a difference of two",
        "times it is the less certain the smaller they are.",
        "",
        "| encoding | what | ratio | goal |",
        "|---|---|---|---|",
    ]
    for encoding, grown in found.items():
        smallest, largest = grown[0], grown[-1]
        ratios = {
            "time per tile, largest ÷ smallest": largest.tile_ms / smallest.tile_ms,
            "time per tile, largest ÷ the one before": largest.tile_ms / grown[-2].tile_ms,
            "power of the tiles that the time follows": slope(grown),
            "peak memory of the process, largest ÷ smallest": largest.peak_mb / smallest.peak_mb,
        }
        lines += [f"| {encoding} | {what} | {r:.2f} | ≤ {_ALLOWED} |" for what, r in ratios.items()]
    return lines


def main() -> None:
    """Make the slides, measure and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("real", type=Path, help="a real slide")
    parser.add_argument("--out", type=Path, required=True, help="Markdown to write")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--sides", type=int, nargs="+", default=SIDES_PX, help="level-0 pixels, smallest first"
    )
    parser.add_argument("--folder", type=Path, help="where slides and stores may lie meanwhile")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        found = grow(options.real, Path(folder), options.sides, options.repeats)
    text = report(found, options.sides, cost_of(nothing).peak_mb)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text, "utf8")
    print(text)


if __name__ == "__main__":
    main()
