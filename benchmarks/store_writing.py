"""Making a store, beside the way it is commonly done and beside the disk's own limit.

python benchmarks/mirrored_slide.py REAL.svs slide.svs --side 28672
python benchmarks/store_writing.py slide.svs --out benchmarks/results/store_writing.md
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import openslide
import zarr
from measure import Cost, bytes_below, machine, medians
from PIL import Image

from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.slide.compressed_tiles import compressed_levels
from pathoai.slide.open_slide import open_slide
from pathoai.store.slide_store import SlideStore
from pathoai.store.tissue_chunks import chunks_with_tissue

_TILE_PX = 256
# Found by entry point at first use: imported here, like all else, before anything is timed.
TilingSettings()


def settings(name: str) -> TilingSettings:
    """The settings of a case."""
    cases = {
        "source encoding": TilingSettings(),
        "resampled, same scale": TilingSettings(encoding="resampled", device="cpu"),
        "resampled, half": TilingSettings(mpp=0.998, device="cpu"),
    }
    return cases[name]


def ours(slide: str, folder: str, name: str) -> float:
    """Make the store; returns its tiles."""
    path = Path(folder) / name.replace(" ", "-") / "S.zarr"
    shutil.rmtree(path.parent, ignore_errors=True)
    source = SlideSource(lambda: open_slide(Path(slide)), Path(slide))
    return len(_tissue_chunks(tile_slide(source, path, settings(name))))


def loop(slide: str, folder: str, name: str, factor: int) -> float:
    """OpenSlide's read_region, tile by tile, into a zarr array of zstd chunks, a write each."""
    tiles = _tissue_chunks(SlideStore(Path(folder) / name.replace(" ", "-") / "S.zarr"))
    target = Path(folder) / "loop.zarr"
    shutil.rmtree(target, ignore_errors=True)
    span = _TILE_PX * factor
    with openslide.OpenSlide(slide) as reader:
        width, height = (-(-side // span) * _TILE_PX for side in reader.dimensions)
        array = zarr.create_array(
            target, shape=(height, width, 3), chunks=(_TILE_PX, _TILE_PX, 3), dtype="uint8"
        )
        for row, column in tiles:
            region = reader.read_region((column * span, row * span), 0, (span, span))
            pixels = region.convert("RGB")
            if factor > 1:
                pixels = pixels.resize((_TILE_PX, _TILE_PX), Image.Resampling.BILINEAR)
            y, x = row * _TILE_PX, column * _TILE_PX
            array[y : y + _TILE_PX, x : x + _TILE_PX] = np.asarray(pixels)
    return len(tiles)


def copying(slide: str, folder: str) -> float:
    """Our copying stage alone: all levels into shards, hashed and recorded."""
    from concurrent.futures import ThreadPoolExecutor

    from pathoai.store.copy_tiles import copy_level
    from pathoai.store.image_writer import ImageWriter

    store, levels = _copied(slide, folder)
    target = Path(folder) / "copying" / "S.zarr"
    shutil.rmtree(target.parent, ignore_errors=True)
    writer = ImageWriter(target, store.header)
    with ThreadPoolExecutor(2) as pool:
        for level, source in enumerate(levels):
            wanted = chunks_with_tissue(store.tissue, store.grid(), store.header.layout[level])
            list(copy_level(source, writer.levels[level], wanted, level=level, pool=pool))
    return 0.0


def floor(slide: str, folder: str) -> float:
    """Its floor: read those tiles, and write their bytes to plain files of the shards' size."""
    store, levels = _copied(slide, folder)
    target = Path(folder) / "floor"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for level, source in enumerate(levels):
        layout = store.header.layout[level]
        per_side = layout.shard_px // layout.chunk_px
        wanted = chunks_with_tissue(store.tissue, store.grid(), layout)
        with open(slide, "rb", buffering=0) as file:
            for top in range(0, wanted.shape[0], per_side):
                for left in range(0, wanted.shape[1], per_side):
                    inside = np.argwhere(wanted[top : top + per_side, left : left + per_side])
                    if not len(inside):
                        continue
                    parts = []
                    for y, x in inside.tolist():
                        file.seek(int(source.offsets[top + y, left + x]))
                        parts.append(file.read(int(source.byte_counts[top + y, left + x])))
                    (target / f"{level}-{top}-{left}").write_bytes(b"".join(parts))
    return float(bytes_below(target))


@cache
def _copied(slide: str, folder: str) -> tuple[SlideStore, tuple]:  # type: ignore[type-arg]  # a script
    store = SlideStore(Path(folder) / "source-encoding" / "S.zarr")
    with open_slide(Path(slide)) as reader:
        return store, compressed_levels(Path(slide), reader.info)


def _tissue_chunks(store: SlideStore) -> list[tuple[int, int]]:
    wanted = chunks_with_tissue(store.tissue, store.grid(), store.header.layout[0])
    return [(int(row), int(column)) for row, column in np.argwhere(wanted)]


def report(costs: dict[str, Cost], folder: Path) -> str:
    """The results as Markdown."""
    lines = [
        "# Making a store",
        "",
        machine(["openslide-python", "openslide-bin", "zarr", "imagecodecs", "pillow", "numpy"]),
        "",
        "`python benchmarks/store_writing.py`; medians, cases interleaved. Ratios are what counts.",
        "",
        "| case | tiles | tiles/s | wall s | CPU s | cores busy | peak MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, c in costs.items():
        rate = f"{c.result / c.wall_s:,.0f}" if "stage" not in name else "–"
        tiles = f"{c.result:,.0f}" if "stage" not in name else "–"
        lines.append(
            f"| {name} | {tiles} | {rate} | {c.wall_s:.2f} | {c.cpu_s:.2f} | {c.busy:.0%} "
            f"| {c.peak_mb:.0f} |"
        )
    return "\n".join([*lines, "", *_ratios(costs, folder), ""])


def _ratios(costs: dict[str, Cost], folder: Path) -> Sequence[str]:
    def rate(name: str) -> float:
        return costs[name].result / costs[name].wall_s

    copied = bytes_below(folder / "source-encoding" / "S.zarr")
    return [
        f"- source encoding: {rate('source encoding') / rate('loop'):.0f} × the OpenSlide loop "
        "(tissue, index, pyramid and hashes included)",
        f"- its copying stage: {costs['copying stage'].wall_s / costs['floor stage'].wall_s:.1f} × "
        "the time of reading those bytes and writing them to plain files",
        f"- its bytes: {copied / costs['floor stage'].result:.3f} × those of the copied tiles",
        f"- resampled at the same scale: {rate('resampled, same scale') / rate('loop'):.1f} × "
        f"the loop, cores {costs['resampled, same scale'].busy:.0%} busy",
        f"- resampled to half: {rate('resampled, half') / rate('loop, half'):.1f} × the loop that "
        f"does the same, cores {costs['resampled, half'].busy:.0%} busy",
    ]


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slide", type=Path, help="made by mirrored_slide.py")
    parser.add_argument("--out", type=Path, required=True, help="Markdown to write")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    slide = str(options.slide)
    with tempfile.TemporaryDirectory(dir=options.slide.parent) as folder:
        source, half = "source encoding", "resampled, half"
        costs = medians(
            {
                source: (ours, (slide, folder, source)),
                "resampled, same scale": (ours, (slide, folder, "resampled, same scale")),
                half: (ours, (slide, folder, half)),
                "loop": (loop, (slide, folder, source, 1)),
                "loop, half": (loop, (slide, folder, half, 2)),
                "copying stage": (copying, (slide, folder)),
                "floor stage": (floor, (slide, folder)),
            },
            options.repeats,
        )
        text = report(costs, Path(folder))
    options.out.write_text(text, "utf8")
    print(text)


if __name__ == "__main__":
    main()
