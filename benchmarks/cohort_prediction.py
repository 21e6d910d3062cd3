"""A cohort predicted by one command on a GPU, beside the bare forward pass over as many tiles.

python benchmarks/cohort_prediction.py REAL.svs --out FILE.md --device cuda --precision bfloat16

Makes slides from a real one (`mirrored_slide.py`), trains the U-Net of the paper on it for some
seconds, tiles the cohort, and runs `pathoai predict STUDY` over it once, process start included.
Efficiency is the time of the bare forward pass over as many tiles, divided by that of the command.
How fast slides end once the first has is told, too: what larger cohorts come near to.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from measure import bytes_below, cost_of, machine
from peer_tools import environment, pathoai_command

# Nothing heavy may be imported here: Linux counts the memory of the process that starts another
# as the peak of the other too.

_SIZE_PX, _OVERLAP_PX, _SIDE_STEP_PX = 512, 128, 64
_TILES = 32
_NAME = "dense-nuclei"


@dataclass
class Cohort:
    """What is measured on.

    Args:
        real: The slide whose pixels all have.
        work: Folder for everything.
        options: Of the command line.
    """

    real: Path
    work: Path
    options: argparse.Namespace

    @property
    def study(self) -> Path:
        """Its folder."""
        return self.work / "study"

    @property
    def slides(self) -> list[Path]:
        """No two alike, since a study holds a slide once."""
        return [self.work / f"slide-{n}.svs" for n in range(self.options.slides)]


@contextmanager
def _told(what: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    print(f"{what}: {time.perf_counter() - start:.1f} s", flush=True)


def prepare(cohort: Cohort) -> None:
    """Slides, bundle, tiles and study; the bundle is trained while the slides are painted."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        trained = pool.submit(cost_of, make_model, cohort.real, cohort.work, vars(cohort.options))
        with _told("slides"):
            list(
                pool.map(_paint, [cohort.real] * len(cohort.slides), cohort.slides, _sides(cohort))
            )
        with _told("store"):
            _pathoai(cohort, "init", str(cohort.study), "--ontology", "breast")
            _pathoai(cohort, "add", str(cohort.study), *map(str, cohort.slides))
            workers = str(max(1, (os.cpu_count() or 1) // 2))
            _pathoai(cohort, "tile", str(cohort.study), "--cluster", "dask", "--workers", workers)
        with _told("model, besides"):
            trained.result()
    shutil.copytree(cohort.work / _NAME, cohort.study / "models" / _NAME)


def _sides(cohort: Cohort) -> list[int]:
    return [cohort.options.side + _SIDE_STEP_PX * n for n in range(len(cohort.slides))]


def _paint(real: Path, target: Path, side_px: int) -> None:
    script = str(Path(__file__).with_name("mirrored_slide.py"))
    command = [sys.executable, script, str(real), str(target), "--side", str(side_px)]
    subprocess.run(command, check=True, capture_output=True)


def _pathoai(cohort: Cohort, *words: str) -> None:
    subprocess.run(
        pathoai_command(*words), check=True, capture_output=True, env=environment(cohort.work)
    )


def make_model(real: Path, work: Path, options: dict[str, int | str]) -> float:
    """Bundle and tiles; in a process of its own."""
    import numpy as np
    from made_bundle import make_bundle, tiles_of

    from pathoai.slide.open_slide import open_slide
    from pathoai.tiling.spec import TileSpec

    with open_slide(real) as reader:
        spec = TileSpec(_SIZE_PX, reader.info.mpp.mean, _OVERLAP_PX)
    make_bundle(
        real,
        work,
        spec=spec,
        width=int(options["width"]),
        depth=int(options["depth"]),
        steps=int(options["steps"]),
        device=str(options["device"]),
    )
    np.save(work / "tiles.npy", tiles_of(real, _TILES, _SIZE_PX))
    return 0


def forward_s(cohort: Cohort) -> float:
    """Seconds that a tile takes if nothing else is done."""
    from forward_pass import seconds_per_tile

    options, work = cohort.options, cohort.work
    half = options.precision == "bfloat16"
    tiles = str(work / "tiles.npy")
    found = cost_of(seconds_per_tile, str(work / _NAME), tiles, "torch", options.device, half)
    print(f"bare forward pass: {1000 * found.result:.3f} ms a tile", flush=True)
    return found.result


@dataclass(frozen=True)
class Command:
    """What the command cost.

    Args:
        wall_s: From its start to its end.
        cpu_s: Of all its processes.
        peak_mb: Of the largest of them.
        ended_s: When each slide ended.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    ended_s: list[float]


def predict(cohort: Cohort) -> Command:
    """Run it once."""
    options = cohort.options
    words = ["predict", str(cohort.study), "--model", _NAME, "--device", options.device]
    words += ["--precision", options.precision, "--batch-size", str(options.batch_size)]
    words += ["--runtime", "torch", *options.more]
    start, ended = time.perf_counter(), list[float]()
    process = subprocess.Popen(
        pathoai_command(*words),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(cohort.work) | {"PYTHONUNBUFFERED": "1"},
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "proposed by" in line:
            ended.append(time.perf_counter() - start)
            print(f"{ended[-1]:7.1f} s {line.strip()}", flush=True)
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the command ended with status {process.returncode}")
    return Command(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, ended)


def count_tiles(study: str) -> float:
    """Of all slides; in a process of its own."""
    from pathoai.inference.label_raster import tissue_tiles
    from pathoai.models.bundle import load_bundle
    from pathoai.store.slide_store import SlideStore

    bundle = load_bundle(Path(study) / "models" / _NAME)
    stores = (Path(study) / "stores").glob("*.zarr")
    return int(sum(tissue_tiles(SlideStore(store), bundle).wanted.sum() for store in stores))


def gpu_name(device: str) -> str:
    """As its driver tells."""
    import torch

    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def report(cohort: Cohort, bare_s: float, command: Command, tiles: int, device: str) -> str:
    """The results as Markdown."""
    options, sides = cohort.options, _sides(cohort)
    first, last = command.ended_s[0], command.ended_s[-1]
    share = bare_s * tiles / command.wall_s
    apace = bare_s * tiles / len(sides) * (len(sides) - 1) / (last - first)
    return "\n".join(
        [
            "# A cohort predicted on a GPU: the whole command",
            "",
            f"{device}; {machine(['torch', 'zarr', 'numpy']).replace(', no GPU', '')}",
            "",
            f"`pathoai predict STUDY {' '.join(options.more)}`, {options.precision}, batches of "
            f"{options.batch_size}; U-Net of width {options.width}, depth {options.depth}, "
            f"tiles of {_SIZE_PX} px",
            f"every {_SIZE_PX - _OVERLAP_PX} px; {len(sides)} slides of {sides[0]:,} to "
            f"{sides[-1]:,} px a side.",
            "",
            "| tiles | bare forward pass, ms a tile | wall s | tiles / s | efficiency "
            "| from the first slide's end to the last's | CPU s | peak MB | written MB |",
            "|---|---|---|---|---|---|---|---|---|",
            f"| {tiles:,} | {1000 * bare_s:.3f} | {command.wall_s:.1f} "
            f"| {tiles / command.wall_s:,.0f} | {share:.2f} | {apace:.2f} | {command.cpu_s:,.0f} "
            f"| {command.peak_mb:,.0f} | {bytes_below(cohort.study) / 1e6:,.0f} |",
            "",
            "- efficiency: bare forward pass over as many tiles / whole command, process start and",
            "  the last slide's tables included (goal: 0.80)",
            "- peak memory is that of the largest process; written: the whole study",
            "",
        ]
    )


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("real", type=Path, help="a real slide")
    parser.add_argument("--out", type=Path, required=True, help="Markdown to write")
    parser.add_argument("--work", type=Path, help="default: in the temporary folder")
    parser.add_argument("--slides", type=int, default=32)
    parser.add_argument("--side", type=int, default=20_480, help="level-0 pixels of the smallest")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--precision", default="bfloat16")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--width", type=int, default=64, help="default: that of the paper")
    parser.add_argument("--depth", type=int, default=4, help="default: that of the paper")
    parser.add_argument("--steps", type=int, default=120, help="of training")
    parser.add_argument("more", nargs="*", help="after --: options of `pathoai predict`")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        cohort = Cohort(options.real.absolute(), Path(folder), options)
        prepare(cohort)
        bare_s = forward_s(cohort)
        command = predict(cohort)
        tiles = int(cost_of(count_tiles, str(cohort.study)).result)
        text = report(cohort, bare_s, command, tiles, gpu_name(options.device))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text, "utf8")
    print(text)


if __name__ == "__main__":
    main()
