"""Making a store, beside the way it is commonly done and beside the disk's own limit.

python benchmarks/mirrored_slide.py REAL.svs slide.svs --side 28672
python benchmarks/store_writing.py slide.svs --out benchmarks/results/store_writing.md
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import openslide
import zarr
from measure import Cost, bytes_below, cost_of, machine, medians
from numpy.typing import NDArray
from PIL import Image

from pathoai.geometry import Size
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.slide.compressed_tiles import compressed_levels
from pathoai.slide.open_slide import open_slide
from pathoai.slide.source_window import SourceWindow
from pathoai.store.codecs import JpegCodec
from pathoai.store.copy_tiles import copy_level, read_tile
from pathoai.store.image_writer import ImageWriter
from pathoai.store.slide_store import SlideStore
from pathoai.store.tissue_chunks import chunks_with_tissue

_TILE_PX = 256
_PARTS = 32
"""Into which the floor of resampling is cut, for two threads to share evenly."""
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


def jpeg_alone(slide: str, folder: str, name: str, factor: int) -> float:
    """The floor of resampling: decode the tiles, encode as many chunks of all levels, no more."""
    store = SlideStore(Path(folder) / name.replace(" ", "-") / "S.zarr")
    with open_slide(Path(slide)) as reader:
        source = compressed_levels(Path(slide), reader.info)[0]
    chunks = _tissue_chunks(store)
    encoded = sum(len(_stored_chunks(store, level)) for level in range(len(store.factors)))
    coding = store.header.layout[0].coding

    def work(part: int) -> None:
        with open(slide, "rb", buffering=0) as file:
            for number in range(part, len(chunks), _PARTS):
                row, column = (factor * place for place in chunks[number])
                for y, x in np.ndindex(factor, factor):
                    data = read_tile(source, file, row + y, column + x)
                    if data is not None:
                        pixels = JpegCodec().decode_pixels(data)
                times = (number + 1) * encoded // len(chunks) - number * encoded // len(chunks)
                for _ in range(times):
                    coding.encode_rgb(pixels)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(_PARTS)))
    return len(chunks)


def _stored_chunks(store: SlideStore, level: int) -> NDArray[np.int64]:
    """Places of the chunks that a level holds: those above the tissue's."""
    wanted = chunks_with_tissue(store.tissue, store.grid(), store.header.layout[0])
    return np.unique(np.argwhere(wanted) >> level, axis=0)


def fidelity(slide: str, folder: str, name: str) -> float:
    """PSNR in dB of a resampled store's tissue, beside the same made without loss."""
    store = SlideStore(Path(folder) / name.replace(" ", "-") / "S.zarr")
    factor = round(store.grid().downsample_x)
    errors = []
    side = Size(_TILE_PX, _TILE_PX)
    with open_slide(Path(slide)) as reader:
        for row, column in _tissue_chunks(store)[:: max(1, len(_tissue_chunks(store)) // 200)]:
            x, y = column * _TILE_PX, row * _TILE_PX
            window = SourceWindow.of(x * factor, y * factor, side, ratio_x=factor, ratio_y=factor)
            exact = window.resampled(
                reader.read_region(window.x_px, window.y_px, 0, window.span_px)
            )
            errors.append(np.mean((store.read(0, x, y, side) - exact.astype(float)) ** 2))
    return float(10 * np.log10(255**2 / np.mean(errors)))


@cache
def _copied(slide: str, folder: str) -> tuple[SlideStore, tuple]:  # type: ignore[type-arg]  # a script
    store = SlideStore(Path(folder) / "source-encoding" / "S.zarr")
    with open_slide(Path(slide)) as reader:
        return store, compressed_levels(Path(slide), reader.info)


def _tissue_chunks(store: SlideStore) -> list[tuple[int, int]]:
    wanted = chunks_with_tissue(store.tissue, store.grid(), store.header.layout[0])
    return [(int(row), int(column)) for row, column in np.argwhere(wanted)]


def report(costs: dict[str, Cost], decibel: dict[str, float], folder: Path) -> str:
    """The results as Markdown; ``decibel`` is how true the resampled pixels are stored."""
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
    return "\n".join([*lines, "", *_ratios(costs, decibel, folder), ""])


def _ratios(costs: dict[str, Cost], decibel: dict[str, float], folder: Path) -> Sequence[str]:
    def rate(name: str) -> float:
        return costs[name].result / costs[name].wall_s

    copied = bytes_below(folder / "source-encoding" / "S.zarr")
    return [
        f"- source encoding: {rate('source encoding') / rate('loop'):.0f} × the OpenSlide loop "
        "(tissue, index, pyramid and hashes included)",
        f"- its copying stage: {costs['copying stage'].wall_s / costs['floor stage'].wall_s:.1f} × "
        "the time of reading those bytes and writing them to plain files",
        f"- its bytes: {copied / costs['floor stage'].result:.3f} × those of the copied tiles",
        *(
            _resampling(costs, decibel, *names)
            for names in (("same scale", "loop"), ("half", "loop, half"))
        ),
        f"- beside the loop that leaves the same area at its own scale, resampled, half: "
        f"{costs['loop'].wall_s / costs['resampled, half'].wall_s:.1f} ×",
    ]


def _resampling(costs: dict[str, Cost], decibel: dict[str, float], name: str, loop: str) -> str:
    ours, beside = costs[f"resampled, {name}"], costs[loop]
    alone = costs[f"JPEG alone, {name}"]
    return (
        f"- resampled, {name}: {beside.wall_s / ours.wall_s:.1f} × the loop that does the same "
        f"(in processor time {beside.cpu_s / ours.cpu_s:.1f} ×), cores {ours.busy:.0%} busy. "
        f"Decoding and encoding those JPEG alone, in two threads, would be "
        f"{beside.wall_s / alone.wall_s:.1f} × the loop (in processor time "
        f"{beside.cpu_s / alone.cpu_s:.1f} ×): of that we reach {alone.cpu_s / ours.cpu_s:.0%}. "
        f"Quality 90, colours as the slide has them at its own scale: "
        f"{decibel[f'resampled, {name}']:.1f} dB."
    )


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slide", type=Path, help="made by mirrored_slide.py")
    parser.add_argument("--out", type=Path, required=True, help="Markdown to write")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    slide = str(options.slide)
    with tempfile.TemporaryDirectory(dir=options.slide.parent) as folder:
        source, same, half = "source encoding", "resampled, same scale", "resampled, half"
        costs = medians(
            {
                source: (ours, (slide, folder, source)),
                same: (ours, (slide, folder, same)),
                half: (ours, (slide, folder, half)),
                "loop": (loop, (slide, folder, source, 1)),
                "loop, half": (loop, (slide, folder, half, 2)),
                "JPEG alone, same scale": (jpeg_alone, (slide, folder, same, 1)),
                "JPEG alone, half": (jpeg_alone, (slide, folder, half, 2)),
                "copying stage": (copying, (slide, folder)),
                "floor stage": (floor, (slide, folder)),
            },
            options.repeats,
        )
        decibel = {n: cost_of(fidelity, slide, folder, n).result for n in (same, half)}
        text = report(costs, decibel, Path(folder))
    options.out.write_text(text, "utf8")
    print(text)


if __name__ == "__main__":
    main()
