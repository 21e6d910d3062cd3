"""CPU time of networks per 256 px tile: torch beside ONNX in float32 and int8.

    python benchmarks/onnx_cpu.py benchmarks/results/onnx_cpu.md

One process, one thread, the same tiles and weights for all, each way as `pathoai predict` runs it:
torch takes a batch, onnxruntime one tile after the other. Rounds are interleaved, and the median of
process CPU time is given. Weights are random: they do not change the time. How close both say the
same is measured where it matters: by `predict` at its start, and at each export (`export.json`).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from measure import machine
from numpy.typing import NDArray
from torch import nn

from pathoai.models.architecture import build_network
from pathoai.models.bundle import ModelBundle
from pathoai.models.export_onnx import onnx_bytes
from pathoai.models.onnx_model import open_onnx_model
from pathoai.models.onnx_network import OnnxNetwork
from pathoai.models.probability_network import ProbabilityNetwork
from pathoai.models.quantise_onnx import quantise_onnx
from pathoai.testing.generated_slide import SlideRecipe, paint_region, plan_slide
from pathoai.tiling.spec import TileSpec

_TILE_PX, _TILES, _CALIBRATION = 256, 4, 16
_NETWORKS: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "U-Net of the nuclei recipe (width 8)": ("unet", {"width": 8, "depth": 3}),
    "U-Net, width 32": ("unet", {"width": 32, "depth": 3}),
    "fine-unet over EfficientNet-Lite0": ("fine-unet", {}),
    "U-Net over ResNet-18": ("smp", {"decoder": "unet", "encoder": "resnet18"}),
}
_WAYS = ("torch, float32", "onnxruntime, float32", "onnxruntime, int8")


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help="the Markdown file to write")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(1)
    tiles, rows = _tiles(), []
    for title, (architecture, arguments) in _NETWORKS.items():
        with tempfile.TemporaryDirectory() as folder:
            works, sizes = _works(Path(folder), architecture, arguments, tiles)
        seconds = _medians(works, options.rounds)
        first = seconds[_WAYS[0]]
        for way in _WAYS:
            ms = 1000 * seconds[way] / _TILES
            print(f"{title} {way}: {ms:.1f} ms per tile")
            rows.append(
                f"| {title} | {way} | {ms:.1f} | {first / seconds[way]:.2f} | {sizes[way]:.1f} |"
            )
    options.results.write_text(_report(rows, options.rounds), encoding="utf-8")
    print(f"wrote {options.results}")


def _tiles() -> NDArray[np.uint8]:
    """``(N, 3, 256, 256)`` uint8 of a generated slide."""
    truth = plan_slide(SlideRecipe(width=4096, height=4096))
    side = 4 * _TILE_PX
    block = paint_region(truth, 1024, 1024, side, side)
    cut = block.reshape(4, _TILE_PX, 4, _TILE_PX, 3).transpose(0, 2, 4, 1, 3)
    return np.ascontiguousarray(cut.reshape(-1, 3, _TILE_PX, _TILE_PX)[:_CALIBRATION])


def _works(
    folder: Path, architecture: str, arguments: Mapping[str, object], tiles: NDArray[np.uint8]
) -> tuple[dict[str, Callable[[], object]], dict[str, float]]:
    """The three ways to run a network, and what its weights weigh in MB in each."""
    bundle = ModelBundle(
        name="benchmark",
        architecture=architecture,
        arguments=arguments,
        ontology="breast",
        ontology_version="0",
        classes=("background", "nucleus"),
        spec=TileSpec(_TILE_PX, 0.5),
    )
    torch.manual_seed(0)
    network = build_network(architecture, classes=2, arguments=arguments).eval()
    whole = ProbabilityNetwork(bundle, network)
    float32, int8 = folder / "model.onnx", folder / "model.int8.onnx"
    float32.write_bytes(onnx_bytes(bundle, network, one_tile=True))
    quantise_onnx(float32, int8, [{"images": tile[None]} for tile in tiles])
    images = torch.from_numpy(tiles[:_TILES])
    by_float32, by_int8 = (
        OnnxNetwork(network, open_onnx_model(path, threads=1)) for path in (float32, int8)
    )

    def by_torch() -> object:
        with torch.inference_mode():
            return whole(images)

    runs = [by_torch, lambda: by_float32.whole(images), lambda: by_int8.whole(images)]
    sizes = [_bytes(network), float32.stat().st_size, int8.stat().st_size]
    return (
        dict(zip(_WAYS, runs, strict=True)),
        {way: size / 1e6 for way, size in zip(_WAYS, sizes, strict=True)},
    )


def _bytes(network: nn.Module) -> int:
    return sum(t.numel() * t.element_size() for t in network.state_dict().values())


def _medians(works: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median CPU seconds of each, one uncounted round first."""
    seconds: dict[str, list[float]] = {way: [] for way in works}
    for turn in range(rounds + 1):
        for way, work in works.items():
            start = time.process_time()
            work()
            if turn:
                seconds[way].append(time.process_time() - start)
    return {way: statistics.median(found) for way, found in seconds.items()}


def _report(rows: list[str], rounds: int) -> str:
    has_vnni = "vnni" in Path("/proc/cpuinfo").read_text("ascii", "replace")
    return "\n".join(
        [
            "# Networks on a CPU: torch beside ONNX",
            "",
            f"{machine(['torch', 'onnxruntime', 'onnx', 'numpy'])}; processor "
            f"{'with' if has_vnni else 'without'} VNNI; one thread; {_TILES} tiles of "
            f"{_TILE_PX} px of a generated slide; median of {rounds} interleaved rounds of process",
            "CPU time. The ratios are the claim, not the times.",
            "",
            "| network | run by | CPU ms per tile | speed beside torch | MB |",
            "|---|---|---|---|---|",
            *rows,
            "",
            "All three take bytes and give calibrated probabilities, normalisation included, as",
            "`pathoai predict --runtime torch`, `onnx` and `onnx-int8` run them. int8 has 7-bit",
            "weights: 8 bits overflow on processors without VNNI.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
