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
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from importlib.util import find_spec
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import imagecodecs
import numpy as np
import openslide
import torch
from measure import bytes_below, machine
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.slide.open_slide import open_slide
from pathoai.store.compressed_chunks import CompressedChunks
from pathoai.store.slide_store import SlideStore
from pathoai.tiling.spec import TileSpec

_TILE_PX = 256
_BATCH = 64
_WARM_UP = 10
"""Batches that are read before the clock starts."""
_PACKAGES = ["torch", "openslide-bin", "zarr", "h5py", "imagecodecs", "pillow", "numpy"]

Origins = NDArray[np.int64]
Read = Callable[[Origins], NDArray[np.uint8]]
"""From origins ``(N, 2)``, x and y in level-0 pixels, to tiles ``(N, 256, 256, 3)``."""


class Places(NamedTuple):
    """Where everything lies: the slide, and the folder of what was made from it."""

    slide: Path
    folder: Path

    @property
    def store(self) -> Path:
        """Our store, in the source encoding."""
        return self.folder / "S.zarr"

    @property
    def jpeg(self) -> Path:
        """Folder of the store's tiles, a JPEG file each."""
        return self.folder / "jpeg"

    @property
    def hdf5(self) -> Path:
        """File of the same tiles' pixels, a chunk each."""
        return self.folder / "tiles.h5"


def pathoai_store(places: Places) -> Read:
    """Ours, a batch in one thread."""
    store = SlideStore(places.store)
    return lambda origins: store.read_tiles(0, origins, _TILE_PX)


def pathoai_store_pool(places: Places) -> Read:
    """Ours, the chunks of a batch in two threads."""
    store, pool = SlideStore(places.store), ThreadPoolExecutor(2)
    return lambda origins: store.read_tiles(0, origins, _TILE_PX, pool)


def openslide_slide(places: Places) -> Read:
    """The slide itself."""
    slide = openslide.OpenSlide(places.slide)
    size = (_TILE_PX, _TILE_PX)
    return _one_by_one(lambda x, y: np.asarray(slide.read_region((x, y), 0, size).convert("RGB")))


def jpeg_by_pillow(places: Places) -> Read:
    """A folder of files, as it is commonly read."""
    return _one_by_one(lambda x, y: np.asarray(Image.open(places.jpeg / _file_name(x, y))))


def jpeg_by_imagecodecs(places: Places) -> Read:
    """The same files by the decoder that we use too."""

    def read_one(x: int, y: int) -> NDArray[np.uint8]:
        return imagecodecs.jpeg8_decode((places.jpeg / _file_name(x, y)).read_bytes())

    return _one_by_one(read_one)


def hdf5(places: Places) -> Read:
    """One file of raw pixels."""
    import h5py

    file = h5py.File(places.hdf5)
    tiles, rows = file["tiles"], {(x, y): row for row, (x, y) in enumerate(file["origins"][:])}
    return _one_by_one(lambda x, y: tiles[rows[x, y]])


def zarr_python(places: Places) -> Read:
    """Our store by zarr's own reader."""
    array = SlideStore(places.store).array(0)

    def read_one(x: int, y: int) -> NDArray[np.uint8]:
        return np.moveaxis(np.asarray(array[:, y : y + _TILE_PX, x : x + _TILE_PX]), 0, -1)

    return _one_by_one(read_one)


def _one_by_one(read_one: Callable[[int, int], NDArray[np.uint8]]) -> Read:
    def read(origins: Origins) -> NDArray[np.uint8]:
        tiles = np.empty((len(origins), _TILE_PX, _TILE_PX, 3), np.uint8)
        for tile, (x, y) in zip(tiles, origins.tolist(), strict=True):
            tile[:] = read_one(x, y)
        return tiles

    return read


def _file_name(x: int, y: int) -> str:
    return f"{x}_{y}.jpg"


READERS: dict[str, Callable[[Places], Read]] = {
    "pathoai": pathoai_store,
    "pathoai, pool": pathoai_store_pool,
    "OpenSlide": openslide_slide,
    "JPEG files, Pillow": jpeg_by_pillow,
    "JPEG files, imagecodecs": jpeg_by_imagecodecs,
    "HDF5 raw": hdf5,
    "zarr-python": zarr_python,
}


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


WAYS = {
    "two threads": in_threads,
    "two DataLoader workers": in_workers,
    "two threads in a batch": in_reader,
}


class Case(NamedTuple):
    """What is measured: where the tiles lie, who reads them, and how two cores are used."""

    positions: str
    reader: str
    way: str


_SHARED = ("two threads", "two DataLoader workers")
ALIGNED, ARBITRARY = "aligned", "arbitrary"
CASES = [
    *(
        Case(positions, "pathoai, pool", "two threads in a batch")
        for positions in (ALIGNED, ARBITRARY)
    ),
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
    aligned = store.tiles(TileSpec(_TILE_PX, store.mpp)).origins_px
    known = set(map(tuple, aligned.tolist()))
    steps = [(_TILE_PX, 0), (0, _TILE_PX), (_TILE_PX, _TILE_PX)]
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
        ARBITRARY: shifted + random.integers(1, _TILE_PX, shifted.shape),
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
    origins = store.tiles(TileSpec(_TILE_PX, store.mpp)).origins_px
    chunks = CompressedChunks(places.store / "0", store.header.layout[0], store.slide_id)
    places.jpeg.mkdir()
    with h5py.File(places.hdf5, "w") as file:
        shape = (len(origins), _TILE_PX, _TILE_PX, 3)
        pixels = file.create_dataset("tiles", shape, "uint8", chunks=(1, *shape[1:]))
        file["origins"] = origins
        for row, (x, y) in enumerate(origins.tolist()):
            data = chunks.read((y // _TILE_PX, x // _TILE_PX))
            if data is None:
                raise SystemExit(f"the store has no chunk for the tissue tile at x={x}, y={y}")
            # A chunk is a picture, so these are the same tiles at the same quality, byte for byte.
            (places.jpeg / _file_name(x, y)).write_bytes(data)
            pixels[row] = store.read_tiles(0, origins[row : row + 1], _TILE_PX)[0]


def check_same_pixels(places: Places) -> None:
    """Stop where a reader gives other pixels than OpenSlide: it would not do the same work."""
    chosen = _origins(SlideStore(places.store), 1, seed=0)
    expected = {positions: openslide_slide(places)(found[0]) for positions, found in chosen.items()}
    for positions, reader in sorted({case[:2] for case in CASES}):
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
        f"`python benchmarks/store_reading.py`: random tissue tiles of {_TILE_PX} px in batches of",
        f"{_BATCH}, as uint8 tensors `({_BATCH}, {_TILE_PX}, {_TILE_PX}, 3)`; two threads or two",
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
    def best(positions: str, reader: str, ways: Sequence[str] = tuple(WAYS)) -> float:
        """Of the ways, and of the variants of a reader."""
        return max(
            statistics.median(seen)
            for case, seen in found.items()
            if case.positions == positions and case.reader.startswith(reader) and case.way in ways
        )

    lines = [
        "pathoai by its better way, beside each reader by its better way, and beside each by the",
        "DataLoader workers that are common:",
        "",
        "| positions | beside | ratio | goal | to DataLoader workers |",
        "|---|---|---|---|---|",
    ]
    for (positions, reader), goal in GOALS.items():
        ours = best(positions, "pathoai")
        common = best(positions, reader, ["two DataLoader workers"])
        ratio = ours / best(positions, reader)
        lines.append(f"| {positions} | {reader} | {ratio:.2f} | {goal} | {ours / common:.2f} |")
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
