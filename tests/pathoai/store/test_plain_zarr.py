"""Stores for programs that were never told of pathoai: zarr alone, and the OME-Zarr validators."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import zarr
from ome_zarr_models import v05

from pathoai.store.header import StoreHeader
from pathoai.store.slide_store import SlideStore
from tests.pathoai.store.made_stores import (
    SLIDE_ID,
    Pixels,
    add_prediction,
    copied_header,
    jpeg,
    make_store,
    tiles_of,
    tissue_pixels,
)

_PLAIN = """
import hashlib, sys, zarr
group = zarr.open_group(sys.argv[1], mode="r")
for level in sorted(name for name, _ in group.arrays() if name.isdigit()):
    pixels = group[level][:].transpose(1, 2, 0)
    print(hashlib.sha256(pixels.tobytes()).hexdigest())
"""


def _jpeg_2000(tile: Pixels) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(tile, level=0, codecformat="j2k"))


def _encoded(compression: str, folder: Path) -> SlideStore:
    """A store whose finest level is compressed so; tiles of 240 px, as scanners have them."""
    pixels = tissue_pixels(720, 960)
    if compression in ("jpeg", "jpeg2k"):
        encode = jpeg if compression == "jpeg" else _jpeg_2000
        header = copied_header(940, 700, 240, compression=compression)
        chunks = tiles_of(pixels, 240, encode)
        del chunks[1, 1]
        return make_store(folder, header, chunks)
    header = StoreHeader(SLIDE_ID, 512, 512, 0.5, 0.5, 0.5, compression=compression)
    coding = header.layout[0].coding
    chunks = tiles_of(pixels, 256, lambda tile: coding.encode(tile.transpose(2, 0, 1)))
    return make_store(folder, header, {k: v for k, v in chunks.items() if max(k) < 2})


@pytest.fixture(scope="module", params=["jpeg", "jpeg2k", "jpegxl", "blosc-zstd"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SlideStore:
    found = _encoded(request.param, tmp_path_factory.mktemp(request.param))
    add_prediction(found)
    return SlideStore(found.path)


def test_zarr_alone_reads_the_same_pixels(store: SlideStore) -> None:
    """In a process that never imports pathoai: zarr finds the codecs by their entry points."""
    import hashlib

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _PLAIN, str(store.path)],
        check=True,
        capture_output=True,
        text=True,
    )
    expected = [
        hashlib.sha256(store.read(level, 0, 0, layout.size_px).tobytes()).hexdigest()
        for level, layout in enumerate(store.header.layout)
    ]
    assert done.stdout.split() == expected


def test_zarr_alone_reads_a_corner_without_the_rest(store: SlideStore) -> None:
    """A partial read crosses chunks that are there and, of copied tiles, one that is not."""
    found = np.asarray(store.array(0)[:, 200:300, 210:310]).transpose(1, 2, 0)
    whole = store.read(0, 0, 0, store.header.layout[0].size_px)
    np.testing.assert_array_equal(found, whole[200:300, 210:310])


def test_validators_accept_every_encoding(store: SlideStore) -> None:
    group = zarr.open_group(store.path, mode="r")
    v05.Image.from_zarr(group)
    v05.Labels.from_zarr(group.require_group("labels"))
    v05.ImageLabel.from_zarr(group.require_group("labels/prediction.nuclei"))


def test_only_names_of_public_codecs_stand_in_the_metadata(store: SlideStore) -> None:
    """So that a reader in another language needs our documentation for none of them."""
    metadata = json.loads((store.path / "0" / "zarr.json").read_text("utf8"))
    (sharding,) = metadata["codecs"]
    assert sharding["name"] == "sharding_indexed"
    inner = [codec["name"] for codec in sharding["configuration"]["codecs"]]
    assert inner in (
        ["bytes", "blosc"],
        *(["transpose", f"imagecodecs_{kind}"] for kind in ("jpeg", "jpeg2k", "jpegxl")),
    )
