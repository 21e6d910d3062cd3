"""Whoever gives tiles of the benchmark's slide: our store, OpenSlide, files, HDF5, zarr-python."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import imagecodecs
import numpy as np
import openslide
from numpy.typing import NDArray
from PIL import Image

from pathoai.store.slide_store import SlideStore

TILE_PX = 256
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
    return lambda origins: store.read_tiles(0, origins, TILE_PX)


def pathoai_store_pool(places: Places) -> Read:
    """Ours, the chunks of a batch in two threads."""
    store, pool = SlideStore(places.store), ThreadPoolExecutor(2)
    return lambda origins: store.read_tiles(0, origins, TILE_PX, pool)


def openslide_slide(places: Places) -> Read:
    """The slide itself."""
    slide = openslide.OpenSlide(places.slide)
    size = (TILE_PX, TILE_PX)
    return _one_by_one(lambda x, y: np.asarray(slide.read_region((x, y), 0, size).convert("RGB")))


def jpeg_by_pillow(places: Places) -> Read:
    """A folder of files, as it is commonly read."""
    return _one_by_one(lambda x, y: np.asarray(Image.open(places.jpeg / file_name(x, y))))


def jpeg_by_imagecodecs(places: Places) -> Read:
    """The same files by the decoder that we use too."""

    def read_one(x: int, y: int) -> NDArray[np.uint8]:
        return imagecodecs.jpeg8_decode((places.jpeg / file_name(x, y)).read_bytes())

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
        return np.moveaxis(np.asarray(array[:, y : y + TILE_PX, x : x + TILE_PX]), 0, -1)

    return _one_by_one(read_one)


def _one_by_one(read_one: Callable[[int, int], NDArray[np.uint8]]) -> Read:
    def read(origins: Origins) -> NDArray[np.uint8]:
        tiles = np.empty((len(origins), TILE_PX, TILE_PX, 3), np.uint8)
        for tile, (x, y) in zip(tiles, origins.tolist(), strict=True):
            tile[:] = read_one(x, y)
        return tiles

    return read


def file_name(x: int, y: int) -> str:
    """The JPEG file of a tile."""
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
