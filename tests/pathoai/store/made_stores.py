"""Stores made chunk by chunk, as slides of any tile size and colour space would become them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from pathoai.ontology import LabelClass
from pathoai.store.header import CopiedLevel, StoreHeader
from pathoai.store.image_writer import ImageWriter
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.slide_store import SlideStore

SLIDE_ID = "0123456789ABCDEF"
Pixels = NDArray[np.uint8]


def tissue_pixels(height: int, width: int) -> Pixels:
    """Pink noise, smooth enough for JPEG, ``(height, width, 3)`` uint8."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(-40, 40, (height // 8 + 1, width // 8 + 1, 3))
    noise = np.kron(coarse, np.ones((8, 8, 1), np.int64))[:height, :width]
    pixels: Pixels = np.clip(np.array([200, 120, 170]) + noise, 0, 255).astype(np.uint8)
    return pixels


def copied_header(
    width: int, height: int, tile_px: int, *, compression: str = "jpeg"
) -> StoreHeader:
    """Of a slide with one level of tiles, which are copied."""
    level = CopiedLevel(1, width, height, tile_px, compression)
    return StoreHeader(
        SLIDE_ID,
        width,
        height,
        0.5,
        0.5,
        0.5,
        encoding="source",
        compression="jpeg",
        copied=(level,),
    )


def jpeg(pixels: Pixels, *, space: str = "YCBCR", subsampling: str = "420") -> bytes:
    """A tile as a scanner writes it."""
    return bytes(
        imagecodecs.jpeg8_encode(pixels, level=85, outcolorspace=space, subsampling=subsampling)
    )


def tiles_of(
    pixels: Pixels, side: int, encode: Callable[[Pixels], bytes]
) -> dict[tuple[int, int], bytes]:
    """All whole tiles of a picture, encoded, by row and column."""
    rows, columns = pixels.shape[0] // side, pixels.shape[1] // side
    return {
        (row, column): encode(
            np.ascontiguousarray(
                pixels[row * side : (row + 1) * side, column * side : (column + 1) * side]
            )
        )
        for row, column in np.ndindex(rows, columns)
    }


def make_store(
    folder: Path,
    header: StoreHeader,
    chunks: Mapping[tuple[int, int], bytes],
    *,
    icc_profile: bytes = b"",
) -> SlideStore:
    """A finished store whose level 0 has these chunks and no others."""
    path = folder / f"{SLIDE_ID}.zarr"
    writer = ImageWriter(path, header, icc_profile=icc_profile)
    finest = writer.finest
    per_side = finest.shard_px // finest.chunk_px
    for shard in finest.shards:
        top, left = (n * per_side for n in shard)
        places = [(top + y, left + x) for y, x in np.ndindex(per_side, per_side)]
        finest.write_chunks(shard, [chunks.get(place) for place in places])
    with ThreadPoolExecutor(2) as pool:
        writer.finish(pool=pool)
    return SlideStore(path)


def add_prediction(store: SlideStore, *, finish: bool = True) -> None:
    """A class map with probabilities and numbers, of random values, as ``prediction/nuclei``."""
    classes = (LabelClass(1, "tumour", "Tumour", "Tumeur", "#ff0000"),)
    about = {"origin": "model", "status": "proposed"}
    recipe = LabelRecipe(
        "prediction/nuclei",
        classes,
        about,
        probability_channels=("background", "tumour"),
        with_instances=True,
    )
    writer, rng = LabelWriter(store.path, store.header, recipe), np.random.default_rng(2)
    for shard in writer.class_map.shards:
        rows, columns = writer.class_map.slices(shard)
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        writer.class_map.write(shard, rng.integers(0, 2, shape, np.uint8))
        writer.probability.write(shard, rng.integers(0, 256, (2, *shape), np.uint8))
        writer.instance.write(shard, rng.integers(0, 70_000, shape, np.uint32))
    if finish:
        writer.finish()
