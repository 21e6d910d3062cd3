"""Random tiles of a store into torch, beside OpenSlide, JPEG files, HDF5 and zarr-python.

python -m pip install h5py
python benchmarks/mirrored_slide.py REAL.svs slide.svs --side 28672
python benchmarks/store_reading.py slide.svs --out benchmarks/results/store_reading.md
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from importlib.util import find_spec
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import imagecodecs
import numpy as np
import torch
from measure import bytes_below, machine
from tile_readers import READERS, TILE_PX, Origins, Places, Read, file_name, openslide_slide
from torch.utils.data import DataLoader, Dataset

from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.slide.open_slide import open_slide
from pathoai.store.chunk_plan import FROM_Y, HEIGHT
from pathoai.store.compressed_chunks import CompressedChunks
from pathoai.store.jpeg_rows import first_rows
from pathoai.store.slide_store import SlideStore
from pathoai.tiling.spec import TileSpec

_BATCH = 64
_WARM_UP = 10
"""Batches that are read before the clock starts."""
_PACKAGES = ["torch", "openslide-bin", "zarr", "h5py", "imagecodecs", "pillow", "numpy"]

THREADS, WORKERS = "two threads", "two DataLoader workers"
IN_BATCH, FLOOR = "two threads in a batch", "two threads, nothing else"


def in_threads(reader: str, places: Places, batches: Origins) -> Iterator[torch.Tensor]:
    """Two threads, whole batches each, with a handle each."""
    own = threading.local()

    def prepare() -> None:
        own.read = READERS[reader](places)

    def tensor(origins: Origins) -> torch.Tensor:
        return torch.from_numpy(own.read(origins))

    with ThreadPoolExecutor(2, initializer=prepare) as pool:
        yield from pool.map(tensor, batches)


def in_workers(reader: str, places: Places, batches: Origins) -> Iterator[torch.Tensor]:
    """Two worker processes of a DataLoader, whole batches each."""
    yield from DataLoader(_Batches(reader, places, batches), batch_size=None, num_workers=2)


class _Batches(Dataset[torch.Tensor]):
    """A data set whose items are batches; each worker opens its own handle."""

    def __init__(self, reader: str, places: Places, batches: Origins) -> None:
        self._reader, self._places, self._batches = reader, places, batches
        self._read: Read | None = None

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, item: int) -> torch.Tensor:
        if self._read is None:
            self._read = READERS[self._reader](self._places)
        return torch.from_numpy(self._read(self._batches[item]))


def in_reader(reader: str, places: Places, batches: Origins) -> Iterator[torch.Tensor]:
    """Batch after batch; the reader has its own two threads."""
    yield from map(torch.from_numpy, map(READERS[reader](places), batches))


def decoded_only(reader: str, places: Places, batches: Origins) -> Iterator[torch.Tensor]:
    """The floor: the JPEGs that the tiles need, decoded to the same place and nothing else."""
    store = SlideStore(places.store)
    pictures = [_needed(store, origins, whole="rows" not in reader) for origins in batches]

    def decode(batch: int) -> torch.Tensor:
        out = np.empty((TILE_PX, TILE_PX, 3), np.uint8)
        for data, height in pictures[batch]:
            imagecodecs.jpeg8_decode(data, out=out[:height])
        return torch.empty(len(batches[batch]), 0)

    with ThreadPoolExecutor(2) as pool:
        yield from pool.map(decode, range(len(batches)))


def _needed(store: SlideStore, origins: Origins, *, whole: bool) -> list[tuple[bytes, int]]:
    """The JPEGs of a batch and their heights, whole or down to the lowest row that is needed."""
    plan = store.chunk_plan(0, origins, TILE_PX)
    chunks, found = store.compressed_chunks(0, plan.chunks), []
    for index, data in enumerate(chunks):
        parts = plan.parts_of(index)
        rows = TILE_PX if whole else int((parts[:, FROM_Y] + parts[:, HEIGHT]).max())
        if data is not None:
            found.append(first_rows(data, rows))
    return found


WAYS = {
    THREADS: in_threads,
    WORKERS: in_workers,
    IN_BATCH: in_reader,
    FLOOR: decoded_only,
}


class Case(NamedTuple):
    """What is measured: where the tiles lie, who reads them, and how two cores are used."""

    positions: str
    reader: str
    way: str


_SHARED = (THREADS, WORKERS)
ALIGNED, ARBITRARY = "aligned", "arbitrary"
CASES = [
    *(Case(positions, "pathoai, pool", IN_BATCH) for positions in (ALIGNED, ARBITRARY)),
    Case(ALIGNED, "decoding of whole chunks", FLOOR),
    Case(ARBITRARY, "decoding of whole chunks", FLOOR),
    Case(ARBITRARY, "decoding of needed rows", FLOOR),
    *(Case(ALIGNED, reader, way) for reader in READERS if "pool" not in reader for way in _SHARED),
    *(
        Case(ARBITRARY, reader, way)
        for reader in ("pathoai", "OpenSlide", "zarr-python")
        for way in _SHARED
    ),
]


def rate(case: Case, places: Places, batches: Origins) -> float:
    """Tiles a second, after the first batches."""
    tensors = WAYS[case.way](case.reader, places, batches)
    for _ in islice(tensors, _WARM_UP):
        pass
    start = time.perf_counter()
    tiles = sum(len(tensor) for tensor in tensors)
    return tiles / (time.perf_counter() - start)


def rates(places: Places, tiles: int, repeats: int) -> dict[Case, list[float]]:
    """The rates of all cases, each time in a fresh process, their repeats interleaved."""
    found: dict[Case, list[float]] = {case: [] for case in CASES}
    for turn in range(repeats):
        chosen = _origins(SlideStore(places.store), _WARM_UP + -(-tiles // _BATCH), seed=turn)
        _warm_page_cache(places)
        for case, seen in found.items():
            # Not a multiprocessing.Pool: its processes may not have workers of their own.
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                seen.append(process.submit(rate, case, places, chosen[case.positions]).result())
            print(f"{turn + 1}/{repeats} {', '.join(case)}: {seen[-1]:,.0f} tiles/s")
    return found


def _origins(store: SlideStore, batches: int, *, seed: int) -> dict[str, Origins]:
    """Tissue tiles in a random order, ``(batches, 64, 2)``: on the grid of chunks, and off it."""
    random = np.random.default_rng(seed)
    aligned = store.tiles(TileSpec(TILE_PX, store.mpp)).origins_px
    known = set(map(tuple, aligned.tolist()))
    steps = [(TILE_PX, 0), (0, TILE_PX), (TILE_PX, TILE_PX)]
    # Where a chunk is absent our reader would have less to do than OpenSlide.
    inner = np.array(
        [(x, y) for x, y in aligned.tolist() if all((x + dx, y + dy) in known for dx, dy in steps)]
    )

    def chosen(origins: Origins) -> Origins:
        count = batches * _BATCH
        picked = random.choice(origins, count, replace=count > len(origins))
        return picked.reshape(batches, _BATCH, 2)

    shifted = chosen(inner)
    return {
        ALIGNED: chosen(aligned),
        ARBITRARY: shifted + random.integers(1, TILE_PX, shifted.shape),
    }


def _warm_page_cache(places: Places) -> None:
    for file in [places.slide, *places.folder.rglob("*")]:
        if file.is_file():
            with file.open("rb") as opened:
                while opened.read(1 << 24):
                    pass


def make(places: Places) -> None:
    """The store, and the same tiles as JPEG files and in HDF5."""
    import h5py

    source = SlideSource(lambda: open_slide(places.slide), places.slide)
    store = tile_slide(source, places.store, TilingSettings(encoding="source"))
    origins = store.tiles(TileSpec(TILE_PX, store.mpp)).origins_px
    chunks = CompressedChunks(places.store / "0", store.header.layout[0], store.slide_id)
    places.jpeg.mkdir()
    with h5py.File(places.hdf5, "w") as file:
        shape = (len(origins), TILE_PX, TILE_PX, 3)
        pixels = file.create_dataset("tiles", shape, "uint8", chunks=(1, *shape[1:]))
        file["origins"] = origins
        for row, (x, y) in enumerate(origins.tolist()):
            data = chunks.read((y // TILE_PX, x // TILE_PX))
            if data is None:
                raise SystemExit(f"the store has no chunk for the tissue tile at x={x}, y={y}")
            # A chunk is a picture, so these are the same tiles at the same quality, byte for byte.
            (places.jpeg / file_name(x, y)).write_bytes(data)
            pixels[row] = store.read_tiles(0, origins[row : row + 1], TILE_PX)[0]


def check_same_pixels(places: Places) -> None:
    """Stop where a reader gives other pixels than OpenSlide: it would not do the same work."""
    chosen = _origins(SlideStore(places.store), 1, seed=0)
    expected = {positions: openslide_slide(places)(found[0]) for positions, found in chosen.items()}
    for positions, reader in sorted({case[:2] for case in CASES if case.way != FLOOR}):
        found = READERS[reader](places)(chosen[positions][0])
        if not np.array_equal(found, expected[positions]):
            raise SystemExit(f"{reader} gives other pixels than OpenSlide at {positions} positions")


def report(found: dict[Case, list[float]], places: Places) -> str:
    """The results as Markdown."""
    lines = [
        "# Reading a store into torch",
        "",
        machine(_PACKAGES),
        "",
        f"`python benchmarks/store_reading.py`: random tissue tiles of {TILE_PX} px in batches of",
        f"{_BATCH}, as uint8 tensors `({_BATCH}, {TILE_PX}, {TILE_PX}, 3)`; two threads or two",
        "processes each. Page cache warm; every run in a fresh process, whose clock starts after",
        f"{_WARM_UP} batches; runs interleaved. All readers were checked to give the pixels that",
        "OpenSlide gives. Ratios are what counts.",
        "",
        "| positions | reader | by | tiles/s, median | lowest to highest |",
        "|---|---|---|---|---|",
    ]
    for case, seen in sorted(found.items(), key=lambda item: item[0].positions):
        middle, spread = statistics.median(seen), f"{min(seen):,.0f} to {max(seen):,.0f}"
        lines.append(f"| {' | '.join(case)} | {middle:,.0f} | {spread} |")
    return "\n".join([*lines, "", *_ratios(found), "", *_sizes(places), ""])


GOALS = {
    (ALIGNED, "OpenSlide"): "≥ 5",
    (ALIGNED, "JPEG files"): "≥ 1.8",
    (ALIGNED, "HDF5 raw"): "≥ 1",
    (ALIGNED, "zarr-python"): "–",
    (ARBITRARY, "OpenSlide"): "≥ 2.5",
    (ARBITRARY, "zarr-python"): "–",
}


def _ratios(found: dict[Case, list[float]]) -> Sequence[str]:
    def best(positions: str, reader: str, *ways: str) -> float:
        """Of the ways, and of the variants of a reader."""
        return max(
            statistics.median(seen)
            for case, seen in found.items()
            if case.positions == positions and case.reader.startswith(reader) and case.way in ways
        )

    lines = [
        "How many times as fast pathoai is. The goals are for ours by threads beside the others by",
        "DataLoader workers, each as it is used; the same way for both stands beside it.",
        "",
        "| positions | beside | both by threads | both by workers | each as used | goal |",
        "|---|---|---|---|---|---|",
    ]
    for (positions, reader), goal in GOALS.items():
        threads = best(positions, "pathoai", THREADS, IN_BATCH)
        same = threads / best(positions, reader, THREADS)
        workers = best(positions, reader, WORKERS)
        ours = best(positions, "pathoai", WORKERS) / workers
        cells = [f"{same:.2f}", f"{ours:.2f}", f"{threads / workers:.2f}", goal]
        lines.append(f"| {positions} | {reader} | {' | '.join(cells)} |")
    for positions in (ALIGNED, ARBITRARY):
        share = best(positions, "pathoai", THREADS, IN_BATCH) / best(positions, "decoding", FLOOR)
        lines += ["", f"Of the rate of decoding alone, pathoai reaches {share:.0%} ({positions})."]
    return lines


def _sizes(places: Places) -> Sequence[str]:
    tiles = len(list(places.jpeg.iterdir()))
    stored, raw = bytes_below(places.jpeg) / tiles, places.hdf5.stat().st_size / tiles
    return [
        f"A tile takes {stored / 1e3:.1f} kB in the store, as in its JPEG file, and in HDF5",
        f"{raw / 1e3:.1f} kB: {raw / stored:.1f} × more (goal: 13).",
    ]


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("slide", type=Path, help="made by mirrored_slide.py")
    parser.add_argument("--out", type=Path, required=True, help="Markdown to write")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--tiles", type=int, default=3200, help="in each run, after the warm-up")
    options = parser.parse_args()
    if find_spec("h5py") is None:
        parser.error("h5py is missing: python -m pip install h5py")
    with tempfile.TemporaryDirectory(dir=options.slide.parent) as folder:
        places = Places(options.slide.absolute(), Path(folder))
        make(places)
        check_same_pixels(places)
        text = report(rates(places, options.tiles, options.repeats), places)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text, "utf8")
    print(text)


if __name__ == "__main__":
    main()
