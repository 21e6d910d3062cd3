"""Tiling on a GPU beside the same on all cores: rates, the share of each stage, and how alike.

python benchmarks/device_tiling.py REAL.svs --slide slide.svs --out device_tiling.md

Runs on the CPU too (``--device cpu --side 4096``), to try the script out. Each part prints as it
ends; one that fails is reported and leaves the others.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from device_report import Report, seconds_of
from mirrored_slide import mirrored_slide

from pathoai.geometry import Size
from pathoai.preprocess import nvjpeg
from pathoai.preprocess.device_making import DeviceMaking
from pathoai.preprocess.device_pictures import PictureDecoder
from pathoai.preprocess.device_resampling import DeviceLevelWriting
from pathoai.preprocess.resampled_pixels import Resampling
from pathoai.preprocess.slide_normalisation import SlideNormalisation
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.slide_windows import TileWindows
from pathoai.preprocess.stage_clock import StageClock
from pathoai.preprocess.stain.estimation import profile_of_pixels
from pathoai.preprocess.stain.normalisation import normalise_batch
from pathoai.preprocess.stain.reference import reference_profile
from pathoai.preprocess.stain.stain_jitter import change_stains
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.slide.compressed_tiles import CompressedLevel, compressed_levels
from pathoai.slide.open_slide import open_slide
from pathoai.store.chunk_coding import ChunkCoding
from pathoai.store.copy_tiles import read_tile
from pathoai.store.image_writer import ImageWriter
from pathoai.store.jpeg_frame import JpegFrame
from pathoai.store.level_writing import LevelsWriting, WriteLevels
from pathoai.store.slide_store import SlideStore
from pathoai.store.tissue_chunks import chunks_with_tissue


@dataclass(frozen=True)
class Bench:
    """What all parts need.

    Args:
        device: Under test.
        real: A real slide.
        slide: A large one, made of its pixels.
        folder: For stores; emptied by who made it.
        workers: Threads.
        report: Where results go.
    """

    device: torch.device
    real: Path
    slide: Path
    folder: Path
    workers: int
    report: Report


def _level_0(slide: Path) -> CompressedLevel:
    with closing(open_slide(slide)) as reader:
        return compressed_levels(slide, reader.info)[0]


def _tiles(slide: Path, count: int) -> tuple[CompressedLevel, list[bytes]]:
    """Compressed tiles from the middle of a slide."""
    source = _level_0(slide)
    present = np.argwhere(source.byte_counts > 0)
    middle = present[np.argsort(np.abs(present - present.mean(0)).sum(1), kind="stable")]
    with source.file.open("rb") as file:
        read = [read_tile(source, file, *place) for place in middle[:count].tolist()]
    return source, [tile for tile in read if tile is not None]


def _differences(found: torch.Tensor, expected: torch.Tensor) -> str:
    apart = (found.cpu().int() - expected.cpu().int()).abs()
    return f"largest {int(apart.max())}, mean {apart.float().mean():.3f}"


def decoding(bench: Bench) -> None:
    """NvJPEG beside libjpeg-turbo on three kinds of JPEG: how alike and how fast."""
    report, cpu = bench.report, torch.device("cpu")
    able = nvjpeg.can_decode(bench.device)
    report.line(f"nvJPEG decodes here: {able}; encodes: {nvjpeg.can_encode(bench.device)}")
    source, own = _tiles(bench.slide, 1024)
    whole = PictureDecoder(ChunkCoding("jpeg"), source.tile_px, cpu).decode(own).pixels
    stored = [ChunkCoding("jpeg").encode(one) for one in whole.numpy()]
    kinds = {"mirrored slide": (source.tile_px, own), "our chunks": (source.tile_px, stored)}
    kinds["real slide"] = (lambda found: (found[0].tile_px, found[1]))(_tiles(bench.real, 1024))
    rows = []
    for name, (side, pictures) in kinds.items():
        frame = JpegFrame.of(pictures[0])
        here = PictureDecoder(ChunkCoding("jpeg"), side, bench.device)
        there = replace(here, on_device=able)
        with ThreadPoolExecutor(bench.workers) as pool:
            expected = here.decode(pictures, pool).pixels
            by_cores = seconds_of(lambda h=here, p=pictures: h.decode(p, pool), bench.device)
        found = there.decode(pictures).pixels
        by_device = seconds_of(lambda t=there, p=pictures: t.decode(p), bench.device)
        rows.append(
            [
                name,
                f"{side} px, {'YCbCr' if frame.ycbcr else 'RGB'} {frame.subsampling}",
                f"{len(pictures) / by_cores:,.0f}",
                f"{len(pictures) / by_device:,.0f}",
                _differences(found, expected),
                "yes" if able and there.is_proven(pictures[:8]) else "no",
            ]
        )
    head = ["tiles", "kind", f"{bench.workers} threads, tiles/s", "device, tiles/s"]
    report.table("Decoding", [*head, "grey levels apart", "used by pathoai"], rows)


def encoding(bench: Bench) -> None:
    """NvJPEG's pictures beside libjpeg-turbo's: what they are, how alike, how fast."""
    report, coding = bench.report, ChunkCoding("jpeg")
    source, tiles = _tiles(bench.slide, 512)
    batch = PictureDecoder(coding, source.tile_px, bench.device).decode(tiles).pixels.contiguous()
    arrays = [one.transpose(1, 2, 0) for one in batch.cpu().numpy()]
    with ThreadPoolExecutor(bench.workers) as pool:
        own = list(pool.map(coding.encode_rgb, arrays))
        by_cores = seconds_of(lambda: list(pool.map(coding.encode_rgb, arrays)), bench.device)
    rows = [["libjpeg-turbo", *_encoded(own, batch), f"{len(own) / by_cores:,.0f}"]]
    if nvjpeg.can_encode(bench.device):
        there = nvjpeg.encode(batch, coding.quality)
        by_device = seconds_of(lambda: nvjpeg.encode(batch, coding.quality), bench.device)
        rows.append(["nvJPEG", *_encoded(there, batch), f"{len(there) / by_device:,.0f}"])
        tables = [_quantisation(one[0]) for one in (own, there)]
        report.line(f"the same quantisation tables: {tables[0] == tables[1]}")
    head = ["encoder", "kind", "bytes a tile", "grey levels from what was encoded", "tiles/s"]
    report.table("Encoding, quality 90", head, rows)


def _encoded(pictures: Sequence[bytes], batch: torch.Tensor) -> list[str]:
    frame = JpegFrame.of(pictures[0])
    decoder = PictureDecoder(ChunkCoding("jpeg"), batch.shape[-1], torch.device("cpu"))
    found = decoder.decode(pictures).pixels
    kind = f"{'YCbCr' if frame.ycbcr else 'RGB'} {frame.subsampling}"
    size = sum(map(len, pictures)) / len(pictures)
    return [kind, f"{size:,.0f}", _differences(found, batch)]


def _quantisation(picture: bytes) -> list[bytes]:
    """The 8-bit tables of a JPEG, by their number."""
    found, at = {}, 2
    while picture[at + 1] != 0xDA:
        length = int.from_bytes(picture[at + 2 : at + 4])
        if picture[at + 1] == 0xDB:
            body = picture[at + 4 : at + 2 + length]
            found.update({body[i]: body[i + 1 : i + 65] for i in range(0, len(body), 65)})
        at += 2 + length
    return [table for _, table in sorted(found.items())]


def stains(bench: Bench) -> None:
    """Every operation on stains, device beside CPU, on real pixels and on noise."""
    source, tiles = _tiles(bench.slide, 64)
    decoder = PictureDecoder(ChunkCoding("jpeg"), source.tile_px, torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    real = decoder.decode(tiles).pixels.contiguous()
    noise = torch.randint(256, real.shape, generator=generator, dtype=torch.uint8)
    sample = real.permute(0, 2, 3, 1).reshape(-1, 3).numpy()[::37]
    scale = 1 + 0.3 * torch.rand(len(real), 3, generator=generator)
    shift = 0.1 * torch.rand(len(real), 3, generator=generator)
    operations: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {}
    for method in ("macenko", "vahadane", "reinhard"):
        own, target = profile_of_pixels(sample, method), reference_profile(method)
        operations[f"normalise, {method}"] = lambda batch, own=own, target=target: normalise_batch(  # type: ignore[misc]  # a script
            batch, own, target
        )
    operations["jitter"] = lambda batch: change_stains(batch, scale, shift)
    rows, worst = [], 0
    for name, operation in operations.items():
        for kind, batch in (("real", real), ("noise", noise)):
            found, expected = operation(batch.to(bench.device)).cpu(), operation(batch)
            worst = max(worst, int((found.int() - expected.int()).abs().max()))
            rows.append([name, kind, _differences(found, expected)])
    bench.report.table("Stains, device beside CPU", ["operation", "pixels", "apart"], rows)
    bench.report.check("stain operations agree within one grey level", worst <= 1)


def _source(slide: Path) -> SlideSource:
    return SlideSource(lambda: open_slide(slide, slide_id="S"), slide)


def _settings(bench: Bench, mpp: float, **other: object) -> TilingSettings:
    given = {"device": str(bench.device), "workers": bench.workers, "mpp": mpp} | other
    return TilingSettings(normalisation=reference_profile("macenko").to_dict(), **given)  # type: ignore[arg-type]  # a script


def whole_command(bench: Bench, mpp: float, name: str) -> None:
    """Tissue, pixels, pyramid, index and hashes: by all cores, then with the device."""
    rows, stores = [], {}
    for device in ("cpu", str(bench.device)):
        path = bench.folder / f"{name}-{device}" / "S.zarr"
        shutil.rmtree(path.parent, ignore_errors=True)
        cpu, start = time.process_time(), time.perf_counter()
        store = tile_slide(_source(bench.slide), path, _settings(bench, mpp, device=device))
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        stores[device] = store
        layout = store.header.layout[0]
        tiles = int(chunks_with_tissue(store.tissue, store.grid(), layout).sum())
        busy = cpu / wall / (os.cpu_count() or 1)
        rows.append(
            [device, store.header.made_on, f"{tiles:,}", f"{tiles / wall:,.0f}", f"{wall:.2f}"]
        )
        rows[-1].append(f"{busy:.0%}")
        bench.report.line(f"{name}, {device}: {tiles / wall:,.0f} tiles/s, cores {busy:.0%} busy")
    head = ["device", "made on", "tiles", "tiles/s", "wall s", "cores busy"]
    bench.report.table(f"Whole command, {name}", head, rows)
    first, second = stores["cpu"], stores[str(bench.device)]
    mean, largest = _stores_apart(first, second)
    bench.report.line(f"the two stores: mean {mean:.2f}, largest {largest} grey levels apart")
    bench.report.check(f"{name}: stores alike in the mean within 3 grey levels", mean <= 3)


def _stores_apart(first: SlideStore, second: SlideStore) -> tuple[float, int]:
    size = first.header.layout[0].size_px
    means, largest = [], 0
    for x, y in np.random.default_rng(0).integers(0, (size.width, size.height), (64, 2)).tolist():
        one, other = (store.read(0, x, y, Size(512, 512)) for store in (first, second))
        apart = np.abs(one.astype(np.int16) - other)
        means.append(float(apart.mean()))
        largest = max(largest, int(apart.max()))
    return float(np.mean(means)), largest


def _way(
    bench: Bench,
    writer: ImageWriter,
    wanted: np.ndarray,
    making: DeviceMaking | None,  # type: ignore[type-arg]  # a script
) -> tuple[WriteLevels, TileWindows]:
    """The making of the finest level: by threads where no device is given."""
    source, header = _level_0(bench.slide), writer.header
    size = Size(header.slide_width, header.slide_height)
    windows = TileWindows(source, size)
    pixels = Resampling(windows, header.grid.downsample_x, header.grid.downsample_y)
    change = _change(bench, pixels, writer)
    if making is None:
        coloured = replace(pixels, change_colours=change.pixels)
        return LevelsWriting(0, writer.levels_from(0)[:1], coloured.chunk, wanted), windows
    blocks = making.blocks(windows, source, size)
    ratio = (pixels.ratio_x, pixels.ratio_y)
    way = DeviceLevelWriting(blocks, ratio, writer.finest, wanted, making, change.batch)
    return way, windows


def _change(bench: Bench, pixels: Resampling, writer: ImageWriter) -> SlideNormalisation:
    grid = writer.header.grid.size_px
    centre = pixels.chunk(grid.width // 2, grid.height // 2, Size(512, 512))
    profile = profile_of_pixels(centre.reshape(-1, 3), "macenko")
    return SlideNormalisation(profile, reference_profile("macenko"))


def stages(bench: Bench, mpp: float, name: str) -> None:
    """The finest level alone, with each part of JPEG there or here; then the time of each stage."""
    store = SlideStore(bench.folder / f"{name}-cpu" / "S.zarr")
    wanted = chunks_with_tissue(store.tissue, store.grid(), store.header.layout[0])
    encodes, decodes = nvjpeg.can_encode(bench.device), nvjpeg.can_decode(bench.device)
    ways: dict[str, DeviceMaking | None] = {"all cores": None}
    for there in [True, False] if decodes else [False]:
        for out in [True, False] if encodes else [False]:
            ways[f"device; decodes {there}, encodes {out}"] = DeviceMaking(bench.device, there, out)
    rows = []
    for label, making in [*ways.items(), *ways.items()]:  # twice: the first warms caches up
        seconds = _written(bench, store, wanted, making, None)
        rows.append([label, f"{wanted.sum() / seconds:,.0f}", f"{seconds:.2f}"])
        bench.report.line(f"{name}: {label}: {wanted.sum() / seconds:,.0f} tiles/s")
    head = ["way", "tiles/s", "wall s"]
    bench.report.table(f"The finest level alone, {name}", head, rows[len(ways) :])
    shares = []
    for label, making in list(ways.items())[1:]:
        clock = StageClock(bench.device)
        wall = _written(bench, store, wanted, making, clock)
        total = sum(clock.seconds.values())
        for stage, spent in clock.seconds.items():
            shares.append([label, stage, f"{spent:.2f}", f"{spent / total:.0%}", f"{wall:.2f}"])
    head = ["way", "stage", "s", "share of the work", "wall s of the run"]
    bench.report.table(f"Stages, {name} (each waits for the device; they overlap)", head, shares)


def _written(
    bench: Bench,
    store: SlideStore,
    wanted: np.ndarray,  # type: ignore[type-arg]  # a script
    making: DeviceMaking | None,
    clock: StageClock | None,
) -> float:
    path = bench.folder / "level" / "S.zarr"
    shutil.rmtree(path.parent, ignore_errors=True)
    writer = ImageWriter(path, store.header)
    writer.journal.forget()
    way, windows = _way(bench, writer, wanted, making)
    if isinstance(way, DeviceLevelWriting):
        way = replace(way, clock=clock)
    with ThreadPoolExecutor(bench.workers) as pool, closing(windows):
        start = time.perf_counter()
        for _ in way.run(pool):
            """Each shard is written."""
        return time.perf_counter() - start


def lossless(bench: Bench) -> None:
    """Pixels before JPEG: a store without loss, made by cores and with the device."""
    slide = bench.folder / "small.svs"
    mirrored_slide(bench.real, slide, 4096)
    rows, small = [], replace(bench, slide=slide)
    for name, path in (("mirrored", slide), ("real", bench.real)):
        for normalisation in (None, reference_profile("macenko").to_dict()):
            made = []
            for device in ("cpu", str(bench.device)):
                target = bench.folder / f"lossless-{device}" / "S.zarr"
                shutil.rmtree(target.parent, ignore_errors=True)
                settings = _settings(small, 0.8, device=device, compression="blosc-zstd")
                settings = replace(settings, normalisation=normalisation)
                made.append(tile_slide(_source(path), target, settings))
            mean, largest = _stores_apart(*made)
            what = "normalised" if normalisation else "resampled"
            rows.append([name, what, made[1].header.made_on, f"{mean:.3f}", f"{largest}"])
            bench.report.check(f"lossless, {name}, {what}: mean ≤ 3 grey levels", mean <= 3)
    head = ["slide", "pixels", "made on", "mean apart", "largest apart"]
    bench.report.table("Stores without loss, device beside cores", head, rows)


def _parts(bench: Bench, options: argparse.Namespace) -> dict[str, Callable[[], None]]:
    with closing(open_slide(bench.slide)) as reader:
        own = reader.info.mpp.mean
    return {
        "decoding": lambda: decoding(bench),
        "encoding": lambda: encoding(bench),
        "stains": lambda: stains(bench),
        "half, whole": lambda: whole_command(bench, 2 * own, "half"),
        "half, stages": lambda: stages(bench, 2 * own, "half"),
        "lossless": lambda: lossless(bench),
        "same, whole": lambda: whole_command(bench, own * 1.0001, "same scale"),
        "same, stages": lambda: stages(bench, own * 1.0001, "same scale"),
    }


def main() -> None:
    """Run every part; what fails is reported and leaves the others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("real", type=Path, help="a real slide")
    parser.add_argument("--slide", type=Path, help="made by mirrored_slide.py; made here if absent")
    parser.add_argument("--side", type=int, default=28_672, help="of the slide made here")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, required=True, help="Markdown to write")
    options = parser.parse_args()
    device = torch.device(options.device)
    # The cores are ours to share out: each thread of the pool keeps to one.
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        slide = options.slide or Path(folder) / "slide.svs"
        if not slide.exists():
            mirrored_slide(options.real, slide, options.side)
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
        about = f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}, torch "
        report = Report(options.out, "Tiling on a device", about + torch.__version__)
        bench = Bench(device, options.real, slide, Path(folder), options.workers, report)
        for part, run in _parts(bench, options).items():
            report.run(part, run)
    report.finish()


if __name__ == "__main__":
    main()
