"""A whole slide predicted by a U-Net, beside the bare forward pass and beside two peers.

python benchmarks/mirrored_slide.py REAL.svs slide.svs --side 12288
python benchmarks/slide_prediction.py slide.svs --out benchmarks/results/slide_prediction.md

One U-Net, trained for a minute by this script, is asked by all: ours as a bundle, the peers as
TorchScript, each about overlapping tiles of the same size and step. Pipeline efficiency is the time
of the bare forward pass over as many tiles, divided by the time of the whole command, process start
included. Seams are measured on what each wrote. On a GPU: --device cuda --precision bfloat16.

Each peer runs in an environment of its own in the folder of --environments, made at the first run
and kept: LazySlide and TIAToolbox, 7 GB each.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from measure import cost_of, machine
from peer_tools import Tool, environment, install, pathoai_command, peer_command, run, version

if TYPE_CHECKING:
    from pathoai.tiling.spec import TileSpec

# Nothing heavy may be imported here: Linux counts the memory of the process that starts another
# as the peak of the other too.

_SIZE_PX, _OVERLAP_PX = 512, 128
_STRIDE_PX = _SIZE_PX - _OVERLAP_PX
_TILES = 32
_LIMIT_S = 3600
PEERS = ("tiatoolbox", "lazyslide")


@dataclass
class Setting:
    """What is measured on.

    Args:
        slide: The slide.
        work: Folder with the bundle, the network, tiles, and a study with the slide.
        mpp: Scale of slide and bundle.
        device: Of all.
        precision: Of ours, ``auto`` or one that ``pathoai predict`` takes.
        network: Width and depth of the U-Net, and for how many steps it is trained.
    """

    slide: Path
    work: Path
    mpp: float
    device: str
    precision: str
    network: dict[str, int]
    forward_s: dict[str, list[float]] = field(default_factory=dict)

    @property
    def runtimes(self) -> tuple[str, ...]:
        """What computes ours."""
        return ("onnx", "torch") if self.device == "cpu" else ("torch",)

    @property
    def tiles(self) -> TileSpec:
        """Of all."""
        from pathoai.tiling.spec import TileSpec

        return TileSpec(_SIZE_PX, self.mpp, _OVERLAP_PX)

    @property
    def bundle(self) -> str:
        """Its folder."""
        return str(self.work / "dense-nuclei")


def prepare(setting: Setting) -> None:
    """Bundle, tiles and study; in a process of its own."""
    import numpy as np
    from made_bundle import export_bundle, make_bundle, tiles_of

    make_bundle(
        setting.slide, setting.work, spec=setting.tiles, device=setting.device, **setting.network
    )
    np.save(setting.work / "tiles.npy", tiles_of(setting.slide, _TILES, _SIZE_PX))
    study = str(setting.work / "study")
    for words in (
        ("init", study, "--ontology", "breast"),
        ("add", study, str(setting.slide)),
        ("tile", study),
    ):
        subprocess.run(
            pathoai_command(*words), check=True, capture_output=True, env=environment(setting.work)
        )
    if "onnx" in setting.runtimes:
        # What is done once per model is no part of predicting a slide.
        export_bundle(Path(setting.bundle))
    shutil.copytree(setting.bundle, setting.work / "study" / "models" / "dense-nuclei")


def prepared(setting: Setting) -> float:
    """`prepare`, as `cost_of` wants it."""
    prepare(setting)
    return 0


def ours(setting: Setting, runtime: str) -> list[Tool]:
    """Our command on a study's store, and straight on the slide."""
    computes = ["--runtime", runtime, "--device", setting.device, "--precision", setting.precision]

    def on_study(_: Path, out: Path) -> list[str]:
        shutil.copytree(setting.work / "study", out / "study")
        return pathoai_command("predict", str(out / "study"), "--model", "dense-nuclei", *computes)

    def on_slide(slide: Path, out: Path) -> list[str]:
        store = str(out / "store.zarr")
        return pathoai_command(
            "predict", str(slide), "--model", setting.bundle, "--out", store, *computes
        )

    found = [Tool(f"pathoai predict STUDY, {runtime}", "from a store", on_study, count=_tiles)]
    if runtime == setting.runtimes[0]:
        name = f"pathoai predict SLIDE, {runtime}"
        found.append(Tool(name, "makes the store, too", on_slide, count=_tiles))
    return found


def peer(package: str, does: str, setting: Setting, environments: Path) -> Tool:
    """A peer, which its script in ``peers/`` calls."""

    def command(slide: Path, out: Path) -> list[str]:
        words = (str(setting.work / "network.pt"), str(_SIZE_PX), str(_STRIDE_PX))
        where = (str(setting.mpp), setting.device)
        script = f"{package}_predict"
        return peer_command(package, script, environments, str(slide), str(out), *words, *where)

    return Tool(package, does, command, [package, "openslide-bin"])


def _tiles(out: Path) -> int:
    return int(cost_of(_count_tiles, str(out)).result)


def _count_tiles(out: str) -> float:
    from pathoai.inference.label_raster import tissue_tiles
    from pathoai.models.bundle import load_bundle
    from pathoai.store.slide_store import SlideStore

    bundle = load_bundle(Path(out).with_name("dense-nuclei"))
    return int(tissue_tiles(SlideStore(store_of(Path(out))), bundle).wanted.sum())


def store_of(out: Path) -> Path:
    """The store that a command of ours wrote into."""
    return next(p for p in (*out.glob("study/stores/*.zarr"), out / "store.zarr") if p.exists())


def measure_all(setting: Setting, tools: Sequence[Tool], repeats: int) -> None:
    """Run everything, interleaved."""
    for turn in range(repeats):
        for tool in tools:
            if tool.problem:
                continue
            if not tool.packages:
                runtime = _runtime_of(tool)
                found = _forward(setting, runtime)
                setting.forward_s.setdefault(runtime, []).append(found)
                print(f"bare forward pass, {runtime}: {1000 * found:.1f} ms a tile")
            out = folder_of(setting, tool)
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
            run(tool, setting.slide, out, limit_s=_LIMIT_S)
            last = tool.problem or f"{tool.costs[-1].wall_s:.1f} s"
            print(f"{turn + 1}/{repeats} {tool.name}: {last}", flush=True)


def folder_of(setting: Setting, tool: Tool) -> Path:
    """Where a tool writes."""
    return setting.work / tool.name.replace(" ", "-").replace(",", "")


def _forward(setting: Setting, runtime: str) -> float:
    from forward_pass import seconds_per_tile

    tiles = str(setting.work / "tiles.npy")
    half = setting.precision == "bfloat16"
    return cost_of(seconds_per_tile, setting.bundle, tiles, runtime, setting.device, half).result


def efficiency(setting: Setting, tool: Tool) -> float | None:
    """Of one of ours: bare forward pass over as many tiles / whole command."""
    if not tool.costs or tool.packages:
        return None
    bare = statistics.median(setting.forward_s[_runtime_of(tool)])
    return bare * tool.costs[-1].result / tool.wall_s


def _runtime_of(tool: Tool) -> str:
    """Of one of ours, as its name ends."""
    return tool.name.rsplit(", ", 1)[-1]


def seams(setting: Setting, tool: Tool, environments: Path) -> tuple[float | None, float]:
    """Ratio of steps of the probability (None where none is kept) and of the class map."""
    from written_maps import maps_of_peer, our_maps

    out = folder_of(setting, tool)
    if not tool.packages:
        return our_maps(store_of(out), "dense-nuclei", setting.tiles).seams
    (out / "size.json").write_text(json.dumps(_size(setting.slide)), "ascii")
    command = peer_command(tool.name, f"{tool.name}_predict", environments, "--map", str(out))
    subprocess.run(command, check=True, env=environment(out))
    return maps_of_peer(out / "map.npz", setting.tiles).seams


def _size(slide: Path) -> dict[str, int]:
    from pathoai.slide.open_slide import open_slide

    with open_slide(slide) as reader:
        return {"width": reader.info.size.width, "height": reader.info.size.height}


def _row(setting: Setting, tool: Tool, first: Tool, environments: Path) -> str:
    """A tool's line of the table."""
    if tool.problem:
        return f"| {tool.name} | {tool.problem} |{' |' * 11}"
    probability, classes = seams(setting, tool, environments)
    share = efficiency(setting, tool)
    tiles = tool.costs[-1].result
    besides = None if share is None else 1000 * tool.wall_s / tiles * (1 - share)
    return (
        f"| {tool.name} | {tool.does} | {tiles:,.0f} | {tool.wall_s:.1f} "
        f"| {tool.wall_s / first.wall_s:.2f} | {1000 * tool.wall_s / tiles:.0f} "
        f"| {tool.cpu_s:.1f} | {tool.peak_mb:,.0f} "
        f"| {tool.written / 1e6:,.1f} | {'' if share is None else f'{share:.2f}'} "
        f"| {'' if besides is None else f'{besides:.1f}'} "
        f"| {'' if probability is None else f'{probability:.3f}'} | {classes:.3f} |"
    )


def report(setting: Setting, tools: Sequence[Tool], environments: Path) -> str:
    """The results as Markdown."""
    first = tools[1]
    peers = ", ".join(
        version(tool.name, environments) for tool in tools if tool.packages and not tool.problem
    )
    lines = [
        "# A slide predicted: whole commands",
        "",
        f"{machine(['torch', 'onnxruntime', 'zarr', 'numpy'])}; device: {setting.device}; "
        f"peers: {peers}",
        "",
        f"U-Net of width {setting.network['width']}, depth {setting.network['depth']}, "
        f"tiles of {_SIZE_PX} px every {_STRIDE_PX} px at {setting.mpp:g} µm;",
        f"the slide has {_size(setting.slide)['width']:,} px a side; medians, runs interleaved.",
        "Peak memory is that of the largest process.",
        "",
        "| tool | does | tiles | wall s | × ours | ms a tile | CPU s | peak MB | written MB "
        "| efficiency | besides, ms a tile | seams, probability | seams, classes |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_row(setting, tool, first, environments) for tool in tools]
    bare = ", ".join(
        f"{runtime} {1000 * statistics.median(found):.1f} ms a tile"
        for runtime, found in setting.forward_s.items()
    )
    return "\n".join(
        [
            *lines,
            "",
            f"- the bare forward pass, by the quickest way: {bare}",
            "- for onnx the model was exported before, as `pathoai model export` does",
            "- efficiency: bare forward pass over as many tiles / whole command (goal on a CPU: "
            "0.90 from a store; on a GPU: 0.80)",
            "- besides: what of a tile's share of the command is not the bare forward pass",
            "- × ours: beside `pathoai predict SLIDE` by the first runtime, which starts from the",
            "  slide, too (goal: > 1)",
            "- seams: mean absolute step across tile borders / elsewhere; 1 is none. LazySlide",
            "  keeps outlines and no probabilities",
            "- ours writes class map, probability, uncertainty, their coarser levels and objects;",
            "  TIAToolbox class map and probabilities; LazySlide outlines",
            "",
        ]
    )


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("slide", type=Path, help="made by mirrored_slide.py")
    parser.add_argument("--out", type=Path, required=True, help="Markdown to write")
    parser.add_argument("--environments", type=Path, help="default: in the temporary folder")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--only", nargs="*", choices=PEERS, help="default: both")
    parser.add_argument("--width", type=int, default=16, help="default: that of our recipes")
    parser.add_argument("--depth", type=int, default=5, help="U-Net's own: --width 64 --depth 4")
    parser.add_argument("--steps", type=int, default=120, help="of training")
    options = parser.parse_args()
    found = options.environments or Path(tempfile.gettempdir()) / "pathoai-benchmark-peers"
    environments = found.absolute()
    with tempfile.TemporaryDirectory(dir=options.slide.parent) as folder:
        slide = options.slide.absolute()
        setting = Setting(
            slide,
            Path(folder),
            cost_of(_mpp, str(slide)).result,
            options.device,
            options.precision,
            {name: getattr(options, name) for name in ("width", "depth", "steps")},
        )
        cost_of(prepared, setting)
        tools = [tool for runtime in setting.runtimes for tool in ours(setting, runtime)]
        for package in PEERS if options.only is None else options.only:
            does = "class map, probabilities" if package == "tiatoolbox" else "outlines"
            tools.append(peer(package, does, setting, environments))
        for tool in tools:
            install(tool, environments)
        measure_all(setting, tools, options.repeats)
        text = report(setting, tools, environments)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text, "utf8")
    print(text)


def _mpp(slide: str) -> float:
    from pathoai.slide.open_slide import open_slide

    with open_slide(Path(slide)) as reader:
        return reader.info.mpp.mean


if __name__ == "__main__":
    main()
