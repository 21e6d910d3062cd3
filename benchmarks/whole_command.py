"""From a slide to what can be trained on, process start included, beside the peers' own commands.

python benchmarks/mirrored_slide.py REAL.svs slide.svs --side 28672
python benchmarks/whole_command.py slide.svs --out benchmarks/results/whole_command.md

Each peer runs in an environment of its own in the folder of --environments, made at the first run
and kept. histolab pins a scikit-image whose last wheels are for Python 3.10: elsewhere pip compiles
it, for ten minutes or more, unless its environment is made beforehand with that Python, by
`python3.10 -m venv ENVIRONMENTS/histolab`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from measure import cost_of, machine
from peer_tools import Tool, environment, install, pathoai_command, peer_command, run, version

# Nothing heavy may be imported here: Linux counts the memory of the process that starts another
# as the peak of the other too.

_LIMIT_S = 240


class Quoted(NamedTuple):
    """A figure of another day and machine: there the OpenSlide loop took 11.0 s for 7,034 tiles."""

    name: str
    does: str
    wall_s: float
    cpu_s: float
    peak_mb: int


_QUOTED_LOOP_S = 11.0
QUOTED = (
    Quoted("CLAM", "coordinates, reads 1,000", 4.5, 3.4, 179),
    Quoted("PathML", "reads 1,000", 13.9, 9.4, 1116),
    Quoted("TIAToolbox", "reads 1,000", 15.5, 13.1, 1303),
    Quoted("TRIDENT", "coordinates, reads 1,000, dumps JPEG", 16.9, 12.2, 1091),
    Quoted("LazySlide", "reads 1,000 twice", 44.9, 38.9, 4808),
    Quoted("slideflow", "TFRecords of all", 51, 20.1, 1616),
    Quoted("histolab", "writes 1,000 PNG", 58, 48.1, 184),
)


PEERS = ("histolab", "tiatoolbox", "lazyslide")


def peer(package: str, does: str, environments: Path, *more: str) -> Tool:
    """A peer, which its script in ``peers/`` calls."""

    def command(slide: Path, out: Path) -> list[str]:
        return peer_command(package, f"{package}_command", environments, str(slide), str(out))

    return Tool(package, does, command, [package, *more])


def tools(environments: Path, peers: Sequence[str]) -> list[Tool]:
    """Ours first, and the peers that are wanted."""
    ours = Tool(
        "pathoai tile",
        "writes the pixels of all tiles and a pyramid",
        lambda _, out: pathoai_command("tile", str(out / "study")),
        count=_tiles_of_store,
    )
    known = [
        peer("histolab", "writes 1,000 PNG", environments, "openslide-bin"),
        peer("tiatoolbox", "reads 1,000", environments),
        peer("lazyslide", "reads 1,000, writes its shapes", environments),
    ]
    return [ours, *(tool for tool in known if tool.name in peers)]


def new_study(slide: Path, out: Path) -> float:
    """A study with the slide; returns the seconds that entering it took."""
    study, start = str(out / "study"), time.perf_counter()
    for words in (("init", study, "--ontology", "breast"), ("add", study, str(slide))):
        subprocess.run(
            pathoai_command(*words), check=True, capture_output=True, env=environment(out)
        )
    return time.perf_counter() - start


def _tiles_of_store(out: Path) -> int:
    index = next((out / "study" / "stores").glob("*.zarr/tiles/*/origin_x_px/zarr.json"))
    return int(json.loads(index.read_text("utf8"))["shape"][0])


def openslide_loop(slide: str, stores: str) -> float:
    """Read the same tissue tiles with OpenSlide, one after the other; returns the seconds."""
    import numpy as np
    import openslide

    from pathoai.store.slide_store import SlideStore
    from pathoai.tiling.spec import TileSpec

    store = SlideStore(next(Path(stores).glob("*.zarr")))
    origins = store.tiles(TileSpec(256, store.header.slide_mpp.mean)).origins_px.tolist()
    start = time.perf_counter()
    with openslide.OpenSlide(slide) as reader:
        for place in origins:
            np.asarray(reader.read_region(place, 0, (256, 256)).convert("RGB"))
    return time.perf_counter() - start


def measure_all(chosen: list[Tool], slide: Path, folder: Path, repeats: int) -> tuple[float, float]:
    """Run all tools, interleaved; returns the medians of the read loop and of entering a slide."""
    loops, entering = [], []
    for turn in range(repeats):
        for tool in chosen:
            if tool.problem:
                continue
            out = folder / tool.name.replace(" ", "-")
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
            if not tool.packages:
                entering.append(new_study(slide, out))
            run(tool, slide, out, limit_s=_LIMIT_S)
            if not tool.packages and tool.costs:
                stores = str(out / "study" / "stores")
                loops.append(cost_of(openslide_loop, str(slide), stores).result)
            last = tool.problem or f"{tool.costs[-1].wall_s:.1f} s"
            print(f"{turn + 1}/{repeats} {tool.name}: {last}")
    if not loops:
        raise SystemExit("pathoai tile does not run here; what it said stands above")
    return statistics.median(loops), statistics.median(entering)


def report(chosen: list[Tool], loop_s: float, entering_s: float, environments: Path) -> str:
    """The results as Markdown."""
    ours = chosen[0]
    lines = [
        "# From slide to tiles: whole commands",
        "",
        machine(["openslide-bin", "imagecodecs", "zarr", "numpy"]) + "; peers: "
        f"{', '.join(version(tool.name, environments) for tool in chosen[1:] if not tool.problem)}",
        "",
        "`python benchmarks/whole_command.py`: process start, imports, tissue and tiles of one",
        "slide; medians, runs interleaved, page cache warm. Ratios are what counts. Peak memory is",
        "that of the largest process of a tool.",
        "",
        "| tool | does | tiles | wall s | × pathoai's | CPU s | × pathoai's | peak MB | written MB "
        "| × read loop |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for tool in chosen:
        if tool.problem:
            lines.append(f"| {tool.name} | {tool.problem} |{' |' * 8}")
            continue
        lines.append(
            f"| {tool.name} | {tool.does} | {tool.costs[-1].result:,.0f} | {tool.wall_s:.2f} "
            f"| {tool.wall_s / ours.wall_s:.1f} | {tool.cpu_s:.2f} "
            f"| {tool.cpu_s / ours.cpu_s:.1f} | {tool.peak_mb:,.0f} | {tool.written / 1e6:,.1f} "
            f"| {tool.wall_s / loop_s:.2f} |"
        )
    return "\n".join([*lines, "", *_remarks(chosen, loop_s, entering_s), ""])


def _remarks(chosen: list[Tool], loop_s: float, entering_s: float) -> list[str]:
    ours = chosen[0]
    measured = [tool for tool in chosen[1:] if not tool.problem]
    fastest = min((tool.wall_s / ours.wall_s for tool in measured), default=float("nan"))
    smaller = min((tool.peak_mb / ours.peak_mb for tool in measured), default=float("nan"))
    return [
        f"- the read loop, OpenSlide's `read_region` over the same tissue tiles in one thread: "
        f"{loop_s:.2f} s",
        f"- the quickest peer takes {fastest:.1f} × our time (goal: > 1), the smallest "
        f"{smaller:.1f} × our memory",
        f"- `pathoai init` and `pathoai add`, once for a slide (codes it and hashes its file): "
        f"{entering_s:.2f} s, not counted above",
        "- LazySlide and TIAToolbox read 1,000 tiles only and keep none; histolab writes 1,000",
        "",
        "## Quoted, not measured here",
        "",
        "Figures of another day and another machine, on a slide of 7,034 tissue tiles, whose",
        f"read loop took {_QUOTED_LOOP_S} s there: only the last column compares with the above.",
        "",
        "| tool | does | wall s | CPU s | peak MB | × read loop |",
        "|---|---|---|---|---|---|",
        *(
            f"| {q.name} | {q.does} | {q.wall_s} | {q.cpu_s} | {q.peak_mb:,} "
            f"| {q.wall_s / _QUOTED_LOOP_S:.2f} |"
            for q in QUOTED
        ),
    ]


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("slide", type=Path, help="made by mirrored_slide.py")
    parser.add_argument("--out", type=Path, required=True, help="Markdown to write")
    parser.add_argument("--environments", type=Path, help="default: in the temporary folder")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=PEERS, help="default: all of them")
    options = parser.parse_args()
    folder = options.environments or Path(tempfile.gettempdir()) / "pathoai-benchmark-peers"
    environments = folder.absolute()
    chosen = tools(environments, options.only or PEERS)
    for tool in chosen:
        install(tool, environments)
    with tempfile.TemporaryDirectory(dir=options.slide.parent) as folder:
        found = measure_all(chosen, options.slide.absolute(), Path(folder), options.repeats)
    text = report(chosen, *found, environments)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text, "utf8")
    print(text)


if __name__ == "__main__":
    main()
