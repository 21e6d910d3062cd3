"""Opening a slide of 100,000 × 80,000 pixels in napari, and jumping about in it, beside the peers.

python benchmarks/repeated_store.py REAL.svs STUDY --nuclei 500000
xvfb-run -a -s "-screen 0 1920x1200x24" python benchmarks/viewer_opening.py STUDY \
    --out benchmarks/results/viewer_opening.md

The peers run in environments of their own in the folder of --environments, made at the first run
and kept, with the napari and the Qt of this one: napari-ome-zarr opens the study's store,
napari-wsi the same pixels as a pyramidal TIFF, exported beside the study at the first run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from measure import machine
from peer_tools import Tool, environment, install, pathoai_command

# Nothing heavy may be imported here: Linux counts the memory of the process that starts another
# as the peak of the other too.

_LIMIT_S = 300
_SCRIPT = Path(__file__).with_name("peers") / "napari_view.py"
_ZOOMS = ("1.0", "0.25", "0.05")


@dataclass
class Viewed:
    """A way to open the slide, and what was found.

    Args:
        name: For the report.
        plugin: As ``napari_view.py`` takes it.
        path: What is opened.
        python: Of the environment.
    """

    name: str
    plugin: str
    path: Path
    python: str
    first_s: list[float] = field(default_factory=list)
    peak_mb: list[float] = field(default_factory=list)
    jumps_s: dict[str, list[float]] = field(default_factory=dict)
    problem: str = ""

    def note(self, told: dict[str, Any]) -> None:
        """Keep what one run told."""
        self.first_s.append(told["first_s"])
        self.peak_mb.append(told["peak_mb"])
        for zoom, seconds in told["jumps_s"].items():
            self.jumps_s.setdefault(zoom, []).extend(seconds)

    def jump_ms(self, zoom: str, share: float) -> float:
        """A quantile of the jumps at a zoom."""
        ordered = sorted(self.jumps_s[zoom])
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def peers(environments: Path, names: Sequence[str]) -> list[Tool]:
    """The peers, with the napari and Qt that we have."""
    same = [f"napari=={version('napari')}", f"pyside6=={version('pyside6')}"]
    known = [
        Tool("napari-wsi", "", lambda *_: [], ["napari-wsi[openslide]", "openslide-bin", *same]),
        Tool("napari-ome-zarr", "", lambda *_: [], ["napari-ome-zarr", "imagecodecs", *same]),
    ]
    chosen = [tool for tool in known if tool.name in names]
    for tool in chosen:
        ready = environments / tool.name / "bin" / "python"
        if not ready.exists():
            environments.mkdir(parents=True, exist_ok=True)
            install(tool, environments)
    return chosen


def ways(study: Path, environments: Path, names: Sequence[str]) -> list[Viewed]:
    """Ours first: the command, and the plugin's reader."""
    store = next((study / "stores").glob("*.zarr"))
    found = [
        Viewed("`pathoai review`", "review", study, sys.executable),
        Viewed("the same, predictions hidden", "review-hidden", study, sys.executable),
        Viewed("pathoai, as a reader", "pathoai", store, sys.executable),
    ]
    paths = {"napari-wsi": tiff_of(store, study), "napari-ome-zarr": store}
    for tool in peers(environments, names):
        python = str(environments / tool.name / "bin" / "python")
        found.append(Viewed(tool.name, tool.name, paths[tool.name], python, problem=tool.problem))
    return found


def tiff_of(store: Path, study: Path) -> Path:
    """The same pixels as a TIFF, made at the first run; named so that OpenSlide reads it."""
    target, named = study.with_name(f"{study.name}.tiff"), study.with_name(f"{study.name}.svs")
    if not named.exists():
        command = pathoai_command("store", "export", str(store), str(target), "--to", "tiff")
        subprocess.run(command, check=True)
        target.rename(named)
    return named


def view(way: Viewed, size: tuple[int, int], jumps: int, folder: Path) -> None:
    """Open the slide once, in a process of its own."""
    words = [str(way.path), way.plugin, str(time.monotonic()), *map(str, size), str(jumps)]
    settings = {"NAPARI_CONFIG": str(folder / "settings.yaml"), "QT_API": "pyside6"}
    done = subprocess.run(
        [way.python, str(_SCRIPT), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=_LIMIT_S,
        env={**environment(folder), **settings},
    )
    if done.returncode:
        way.problem = f"ended with status {done.returncode}"
        print(done.stderr[-2000:])
        return
    way.note(json.loads(done.stdout.strip().splitlines()[-1]))


def report(found: Sequence[Viewed], size: tuple[int, int], repeats: int, jumps: int) -> str:
    """The results as Markdown."""
    ours = found[0]
    lines = [
        "# Opening a slide in napari",
        "",
        machine(["napari", "pyside6", "vispy", "zarr"]) + ", software OpenGL",
        "",
        f"`python benchmarks/viewer_opening.py`: a slide of {size[0]:,} × {size[1]:,} px. Medians",
        f"of {repeats} alternating runs, each a process of its own; {jumps} jumps a zoom in each.",
        "First picture: from the start of the process to the first frame that shows tissue. Jump:",
        "from moving the camera to the last frame of the complete picture. Zooms are screen pixels",
        "per pixel of the slide. Page cache warm. Ratios are what counts. Our rows show predicted",
        "nuclei too, where the study has them.",
        "",
        "| | first picture | peak memory | "
        + " | ".join(f"jump at {zoom}, p50 / p90" for zoom in _ZOOMS)
        + " |",
        "|---|---|---|" + "---|" * len(_ZOOMS),
    ]
    lines += [_row(way) for way in found]
    lines += ["", "How many times as much the others take as `pathoai review`:", ""]
    lines += ["| beside | first picture | memory | " + " | ".join(_ZOOMS) + " |"]
    lines += ["|---|---|---|" + "---|" * len(_ZOOMS)]
    lines += [_ratios(way, ours) for way in found[1:] if not way.problem]
    return "\n".join(lines) + "\n"


def _row(way: Viewed) -> str:
    if way.problem:
        return f"| {way.name} | {way.problem} | | " + " | ".join("" for _ in _ZOOMS) + " |"
    jumps = (f"{way.jump_ms(z, 0.5):.0f} / {way.jump_ms(z, 0.9):.0f} ms" for z in _ZOOMS)
    first, peak = median(way.first_s), max(way.peak_mb)
    return f"| {way.name} | {first:.1f} s | {peak:.0f} MB | " + " | ".join(jumps) + " |"


def _ratios(way: Viewed, ours: Viewed) -> str:
    jumps = (f"{way.jump_ms(z, 0.5) / ours.jump_ms(z, 0.5):.2f}" for z in _ZOOMS)
    first = median(way.first_s) / median(ours.first_s)
    peak = max(way.peak_mb) / max(ours.peak_mb)
    return f"| {way.name} | {first:.2f} | {peak:.2f} | " + " | ".join(jumps) + " |"


def main() -> None:
    """Measure, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path, help="made by repeated_store.py")
    parser.add_argument("--width", type=int, default=100_000, help="of the slide, level-0 pixels")
    parser.add_argument("--height", type=int, default=80_000, help="likewise")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--jumps", type=int, default=12, help="at each zoom, in each run")
    parser.add_argument("--environments", type=Path, default=Path("environments"))
    parser.add_argument("--peers", nargs="*", default=["napari-wsi", "napari-ome-zarr"])
    parser.add_argument("--out", type=Path, help="of the report; printed where not given")
    options = parser.parse_args()
    size = (options.width, options.height)
    found = ways(options.study, options.environments, options.peers)
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(options.repeats):
            for way in found:
                if not way.problem:
                    view(way, size, options.jumps, Path(folder))
                    said = way.problem or f"{way.first_s[-1]:.1f} s"
                    print(f"{turn + 1}/{options.repeats} {way.name}: {said}")
    text = report(found, size, options.repeats, options.jumps)
    if options.out is None:
        print(text)
    else:
        options.out.write_text(text, "utf8")


if __name__ == "__main__":
    main()
