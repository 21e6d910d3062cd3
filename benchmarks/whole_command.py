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
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import venv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from measure import Cost, bytes_below, cost_of, machine

# Nothing heavy may be imported here: Linux counts the memory of the process that starts another
# as the peak of the other too.

_PEERS = Path(__file__).with_name("peers")
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


@dataclass
class Tool:
    """A tool, and what its runs cost.

    Args:
        name: As its package is called, or what it is.
        does: What its command reads or writes.
        command: Makes the command line from the slide and an empty folder to write into.
        packages: What pip installs into its own environment; none for what runs in this one.
    """

    name: str
    does: str
    command: Callable[[Path, Path], list[str]]
    packages: Sequence[str] = ()
    costs: list[Cost] = field(default_factory=list)
    written: int = 0
    problem: str = ""

    @property
    def wall_s(self) -> float:
        """Median."""
        return statistics.median(cost.wall_s for cost in self.costs)

    @property
    def cpu_s(self) -> float:
        """Median."""
        return statistics.median(cost.cpu_s for cost in self.costs)

    @property
    def peak_mb(self) -> float:
        """Largest."""
        return max(cost.peak_mb for cost in self.costs)


def pathoai_command(*words: str) -> list[str]:
    """Our command line, of this environment."""
    return [str(Path(sys.executable).with_name("pathoai")), *words]


def peer(package: str, does: str, environments: Path, *more: str) -> Tool:
    """A peer, which its script in ``peers/`` calls."""
    python = str(environments / package / "bin" / "python")
    script = str(_PEERS / f"{package}_command.py")
    return Tool(
        package, does, lambda slide, out: [python, script, str(slide), str(out)], [package, *more]
    )


PEERS = ("histolab", "tiatoolbox", "lazyslide")


def tools(environments: Path, peers: Sequence[str]) -> list[Tool]:
    """Ours first, and the peers that are wanted."""
    ours = Tool(
        "pathoai tile",
        "writes the pixels of all tiles and a pyramid",
        lambda _, out: pathoai_command("tile", str(out / "study")),
    )
    known = [
        peer("histolab", "writes 1,000 PNG", environments, "openslide-bin"),
        peer("tiatoolbox", "reads 1,000", environments),
        peer("lazyslide", "reads 1,000, writes its shapes", environments),
    ]
    return [ours, *(tool for tool in known if tool.name in peers)]


def install(tool: Tool, environments: Path) -> None:
    """Make the environment of a peer where it is missing; note why it cannot be."""
    if not tool.packages:
        return
    own = environments / tool.name
    python = own / "bin" / "python"
    if not python.exists():
        venv.create(own, with_pip=True)
    known = "from importlib.metadata import version; version('{}')"
    check = "; ".join(known.format(package) for package in tool.packages)
    if subprocess.run([python, "-c", check], capture_output=True, check=False).returncode == 0:
        return
    print(f"installing {tool.name}; this may take minutes")
    command = [str(python), "-m", "pip", "install", "--quiet", *tool.packages]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        tool.problem = "cannot be installed here"
        print(done.stderr)


def new_study(slide: Path, out: Path) -> float:
    """A study with the slide; returns the seconds that entering it took."""
    study, start = str(out / "study"), time.perf_counter()
    for words in (("init", study, "--ontology", "breast"), ("add", study, str(slide))):
        subprocess.run(
            pathoai_command(*words), check=True, capture_output=True, env=_environment(out)
        )
    return time.perf_counter() - start


def _environment(out: Path) -> dict[str, str]:
    """The vault away from the user's own, and no network."""
    return {**os.environ, "PATHOAI_VAULT": str(out / "vault"), "HF_HUB_OFFLINE": "1"}


def run(tool: Tool, slide: Path, out: Path) -> None:
    """Run a tool once and note its cost, or why it does not run."""
    before = bytes_below(out)
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as complaints:
        process = subprocess.Popen(
            tool.command(slide, out), stdout=said, stderr=complaints, env=_environment(out)
        )
        clock = threading.Timer(_LIMIT_S, process.kill)
        clock.start()
        _, status, usage = os.wait4(process.pid, 0)
        clock.cancel()
        wall_s = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        complaints.seek(0)
        if process.returncode:
            tool.problem = f"ended with status {process.returncode} after {wall_s:.0f} s"
            print(complaints.read()[-2000:])
            return
        answer = said.read().strip().splitlines()[-1:]
    found = json.loads(answer[0])["tiles"] if tool.packages else _tiles_of_store(out)
    cpu_s = usage.ru_utime + usage.ru_stime
    tool.costs.append(Cost(wall_s, cpu_s, usage.ru_maxrss / 1024, found))
    tool.written = bytes_below(out) - before


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
            run(tool, slide, out)
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
        f"{', '.join(_version(tool, environments) for tool in chosen[1:] if not tool.problem)}",
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


def _version(tool: Tool, environments: Path) -> str:
    code = f"from importlib.metadata import version; print(version('{tool.name}'))"
    python = environments / tool.name / "bin" / "python"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return f"{tool.name} {done.stdout.strip()}"


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
