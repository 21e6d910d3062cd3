"""Peak memory of predicting a slide of 150,000 × 100,000 px, from the slide file on.

python benchmarks/large_slide.py REAL.svs --out benchmarks/results/large_slide.md

Tissue is a band as wide as the slide and one as high, which is what costs memory: how much of the
rest is tissue only costs time. The networks are small, for the same reason; the number of their
outputs is what matters, and it is that of the models for nuclei. A slide of a sixteenth of the area
is beside it: memory should be the same.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from measure import cost_of, machine
from peer_tools import Tool, pathoai_command, run

# Nothing heavy may be imported here: Linux counts the memory of the process that starts another
# as the peak of the other too.

_WIDTH_PX, _HEIGHT_PX = 150_000, 100_000
_BAND_PX = 6_000
_GLASS = 243
_MODELS = ("semantic", "instances")
_LIMIT_S = 4 * 3600
_GOAL_MB = 3_000


def write_slide(real: str, target: str, width: int, height: int) -> float:
    """Two crossing bands of mirrored tissue on glass; returns the scale, µm per pixel."""
    import numpy as np
    from mirrored_slide import mirrored
    from numpy.typing import NDArray

    from pathoai.slide.open_slide import open_slide
    from pathoai.testing.pyramid_tiff import PyramidDescription, write_pyramid

    with open_slide(Path(real)) as reader:
        pixels = reader.read_region(0, 0, 0, reader.info.size)[:-64, :-64]
        mpp = reader.info.mpp.mean
    bands = tuple(slice((n - _BAND_PX) // 2, (n + _BAND_PX) // 2) for n in (height, width))

    def paint(x: int, y: int, width: int, height: int) -> NDArray[np.uint8]:
        block = np.full((height, width, 3), _GLASS, np.uint8)
        rows, columns = np.arange(y, y + height), np.arange(x, x + width)
        for inside_y, inside_x in (
            (_within(rows, bands[0]), slice(None)),
            (slice(None), _within(columns, bands[1])),
        ):
            folded = (
                mirrored(rows[inside_y], pixels.shape[0]),
                mirrored(columns[inside_x], pixels.shape[1]),
            )
            block[inside_y, inside_x] = pixels[np.ix_(*folded)]
        return block

    about = PyramidDescription(width, height, mpp, "aperio", 20.0, "CROSS")
    write_pyramid(Path(target), description=about, paint=paint)
    return mpp


def _within(positions: object, band: slice) -> slice:
    import numpy as np

    places = np.asarray(positions)
    first, last = np.searchsorted(places, (band.start, band.stop))
    return slice(int(first), int(last))


def make_models(folder: str, mpp: float) -> float:
    """Small networks with the outputs of large ones; they find little, but everywhere."""
    import torch

    from pathoai.models.architecture import build_network
    from pathoai.models.bundle import (
        INSTANCE_SEGMENTATION,
        SEMANTIC_SEGMENTATION,
        ModelBundle,
        save_bundle,
    )
    from pathoai.ontology import load_ontology
    from pathoai.tiling.spec import TileSpec

    ontology = load_ontology("breast")
    keys = ("nucleus_neoplastic", "nucleus_normal_epithelium", "nucleus_lymphocyte")
    for name, task in zip(_MODELS, (SEMANTIC_SEGMENTATION, INSTANCE_SEGMENTATION), strict=True):
        arguments = {"width": 4, "depth": 2}
        bundle = ModelBundle(
            name,
            "unet",
            arguments,
            ontology.key,
            ontology.version,
            ("background", *keys, "nucleus_stromal"),
            TileSpec(512, mpp, 128),
            task=task,
        )
        torch.manual_seed(0)
        network = build_network("unet", classes=bundle.outputs, arguments=arguments)
        save_bundle(Path(folder) / name, bundle, network)
    return 0.0


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("real", type=Path, help="a real slide")
    parser.add_argument("--out", type=Path, required=True, help="Markdown to write")
    parser.add_argument("--work", type=Path, help="folder for the slides (default: temporary)")
    parser.add_argument("--models", nargs="+", choices=_MODELS, default=list(_MODELS))
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        work = Path(folder)
        for share in (4, 1):
            size = (_WIDTH_PX // share, _HEIGHT_PX // share)
            slide = work / f"{size[0]}.svs"
            mpp = cost_of(write_slide, str(options.real.absolute()), str(slide), *size).result
            cost_of(make_models, str(work), mpp)
            for model in options.models:
                rows.append(_row(slide, size, work, model))
                print(rows[-1], flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(_report(rows), "utf8")


def _row(slide: Path, size: tuple[int, int], work: Path, model: str) -> str:
    out = work / "out"
    out.mkdir()

    def command(slide: Path, out: Path) -> list[str]:
        store = str(out / "store.zarr")
        return pathoai_command("predict", str(slide), "--model", str(work / model), "--out", store)

    tool = Tool(model, "", command, count=lambda _: 0)
    run(tool, slide, out, limit_s=_LIMIT_S)
    shutil.rmtree(out)
    name = f"| {model} | {size[0]:,} × {size[1]:,} "
    if tool.problem:
        return f"{name}| {tool.problem} | |"
    return f"{name}| {tool.peak_mb:,.0f} | {tool.wall_s / 60:.1f} |"


def _report(rows: list[str]) -> str:
    return "\n".join(
        [
            "# Memory on a very large slide",
            "",
            machine(["torch", "zarr", "numpy"]),
            "",
            "`pathoai predict SLIDE --out STORE`: tiling, prediction, objects and report, in one",
            "process; imports and model included.",
            "",
            "| model | slide, px | peak MB | minutes |",
            "|---|---|---|---|",
            *rows,
            "",
            f"Goal: at most {_GOAL_MB:,} MB besides the model, whatever the slide's size.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
