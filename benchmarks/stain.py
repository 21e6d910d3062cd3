"""CPU time of stain work per 256 px tile of real tissue: pathoai beside its peers, in one run.

    python benchmarks/stain.py path/to/cmu-1-small-region.svs benchmarks/results/stain.md

Each tool runs in a process of its own on one thread, the peers in environments made for them in
the folder of --environments (kept: a second run is quick). Rounds are interleaved, and the median
of process CPU time is given, so that neighbours on the machine disturb all tools alike.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import venv
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pathoai.slide.open_slide import open_slide

_TILE_PX = 256
_TILES = 16
_WORKER = Path(__file__).with_name("stain_operations.py")
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
# Without their dependencies: TIAToolbox 2.1.3 forbids the torch that pathoai runs on, and asks for
# a web server. These are what its stain modules import; the rest comes from pathoai's own.
_TIATOOLBOX = [
    *("tiatoolbox", "umap-learn", "pynndescent", "numba", "llvmlite", "narwhals", "SimpleITK"),
    *("defusedxml", "torchvision", "timm", "huggingface_hub", "httpx2", "httpcore2", "h11"),
    *("truststore", "transformers", "tokenizers", "regex", "scikit-learn", "joblib"),
    *("threadpoolctl", "opencv-python-headless"),
]
_ENVIRONMENTS = {
    "torchstain": ["torchstain"],
    "tiatoolbox": _TIATOOLBOX,
    "opencv": ["opencv-python-headless"],
    "numba": ["numba", "llvmlite"],
}
_TOOLS = ("pathoai", "scikit-image", *_ENVIRONMENTS)


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("slide", type=Path, help="a real slide")
    parser.add_argument("results", type=Path, help="the Markdown file to write")
    parser.add_argument("--environments", type=Path, help="default: in the temporary folder")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    folder = options.environments or Path(tempfile.gettempdir()) / "pathoai-stain-benchmark"
    tiles = _tissue_tiles(options.slide)
    with tempfile.TemporaryDirectory() as data_folder:
        data = Path(data_folder) / "tiles.npz"
        # The target is the next tile in the order of colour: less colourful than the others.
        np.savez(data, tiles=tiles[:_TILES], target=tiles[_TILES])
        workers = [_Worker(tool, data, folder) for tool in _TOOLS]
        for _ in range(options.rounds):
            for worker in workers:
                worker.run_each()
    options.results.write_text(_report(workers, options.rounds), encoding="utf-8")
    print(f"wrote {options.results}")


def _tissue_tiles(slide: Path) -> NDArray[np.uint8]:
    """The tiles with most colour of a slide, ``(17, 256, 256, 3)`` uint8."""
    with open_slide(slide) as reader:
        whole = reader.read_region(0, 0, 0, reader.info.size)
    rows, columns = whole.shape[0] // _TILE_PX, whole.shape[1] // _TILE_PX
    cut = whole[: rows * _TILE_PX, : columns * _TILE_PX]
    tiles = cut.reshape(rows, _TILE_PX, columns, _TILE_PX, 3).swapaxes(1, 2)
    tiles = tiles.reshape(-1, _TILE_PX, _TILE_PX, 3)
    chroma = np.ptp(tiles.astype(np.int16), axis=3).mean(axis=(1, 2))
    return tiles[np.argsort(-chroma)[: _TILES + 1]]


class _Worker:
    """A tool in a process of its own."""

    def __init__(self, tool: str, data: Path, environments: Path) -> None:
        self.tool = tool
        self.milliseconds: dict[str, list[float]] = {}
        self.exact: dict[str, dict[str, float]] = {}
        self.problem = self.version = ""
        try:
            python = _environment(tool, environments)
        except subprocess.CalledProcessError as error:
            self.problem = f"cannot be installed here: {_last_line(error.stderr)}"
            return
        self._process = subprocess.Popen(
            [python, "-W", "ignore", str(_WORKER), tool, str(data)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **_ONE_THREAD, "PYTHONPATH": str(_WORKER.parents[1])},
        )
        first = self._process.stdout.readline()
        if not first:
            self.problem = f"does not run here: {_last_line(self._process.communicate()[1])}"
            return
        offer = json.loads(first)
        self.version, self.exact = offer["version"], offer["exact"]
        self.milliseconds = {name: [] for name in self.exact}

    def run_each(self) -> None:
        """Time each operation once."""
        for name, found in self.milliseconds.items():
            print(name, file=self._process.stdin, flush=True)
            found.append(json.loads(self._process.stdout.readline()))


def _environment(tool: str, folder: Path) -> str:
    """The interpreter of a tool: this one, or one of its own that sees this one's packages too."""
    if tool not in _ENVIRONMENTS:
        return sys.executable
    own = folder / tool
    python = own / "bin" / "python"
    if not python.exists():
        venv.create(own, with_pip=True)
        packages = next((own / "lib").glob("python*/site-packages"))
        (packages / "pathoai.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
        command = [python, "-m", "pip", "install", "--quiet", "--no-deps", *_ENVIRONMENTS[tool]]
        subprocess.run(command, check=True, capture_output=True, text=True)
    return str(python)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1][:120]


def _report(workers: list[_Worker], rounds: int) -> str:
    ours = {name: statistics.median(times) for name, times in workers[0].milliseconds.items()}
    rows = []
    for worker in workers:
        for name, times in worker.milliseconds.items():
            middle = statistics.median(times)
            ratio = f"{middle / ours[name]:.1f}"
            apart = worker.exact[name]
            exact = f"{apart['largest']:.2f} / {apart['mean']:.2f}" if apart else "–"
            rows.append((name, f"| {name} | {worker.tool} | {middle:.3f} | {ratio} | {exact} |"))
    versions = [f"{w.tool} {w.version}" for w in workers if w.version]
    versions += [f"{name} {metadata.version(name)}" for name in ("torch", "numpy")]
    return _TEXT.format(
        tiles=_TILES,
        rounds=rounds,
        rows="\n".join(row for _, row in sorted(rows, key=lambda pair: pair[0])),
        problems="".join(f"\n{w.tool} {w.problem}.\n" for w in workers if w.problem),
        versions=f"Python {platform.python_version()}, " + ", ".join(versions),
    )


_TEXT = """\
# Stains: CPU time per tile, beside peers

2 shared cores, no GPU; one thread per tool; {tiles} tiles of 256 px of a real H&E slide
(OpenSlide's CMU-1-Small-Region); median of {rounds} interleaved rounds of process CPU time. The
ratios are the claim, not the times.

| work | tool | ms per tile | ratio to pathoai | difference to float64, largest / mean |
|---|---|---|---|---|
{rows}
{problems}
Versions: {versions}.

## How to read it

- *jitter*: unmix, scale and shift the amount of each stain, mix. scikit-image: `rgb2hed`, the same
  change, `hed2rgb`. torchstain estimates the stains of every tile as part of it; TIAToolbox is
  given its matrix. OpenCV and numba are kernels that pathoai could have had for the CPU beside its
  torch operations: each would cost a dependency and a second implementation of the same arithmetic.
- *normalise*: peers estimate the stains of every tile anew, pathoai once per slide.
- *estimate*: ms per slide, from 100,000 pixels, without reading them.
- *difference*: levels of 255, to the same tool's formula in float64 without rounding: .5 is
  rounding to 8 bits itself, 1 is cutting off instead. torchstain's reference is its own numpy back
  end. None where a tool's random numbers cannot be set; for Reinhard, pathoai is held to the
  publication's formula by its tests, and the peers use another colour space (CIELAB).

## Run it

`python benchmarks/stain.py path/to/cmu-1-small-region.svs benchmarks/results/stain.md`, in an
environment with `pathoai[torch]`; it makes the peers' environments itself. TIAToolbox is installed
without its dependencies, because it forbids the torch that pathoai runs on; its stain modules run
on pathoai's.
"""


if __name__ == "__main__":
    main()
