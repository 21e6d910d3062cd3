"""The resampled encoding: pixels at a scale, of stated colours, the same wherever they are made."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import repeat
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pathoai.deidentify.icc_profile import without_history
from pathoai.deidentify.left_behind import LeftBehind
from pathoai.errors import InvalidValueError
from pathoai.geometry import Mpp, Size
from pathoai.preprocess.device_blocks import WindowBlocks
from pathoai.preprocess.device_making import DeviceMaking
from pathoai.preprocess.device_resampling import DeviceLevelWriting
from pathoai.preprocess.resampled_pixels import Resampling
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.slide_windows import ReaderWindows, TileWindows
from pathoai.preprocess.stain.estimation import estimate_stains
from pathoai.preprocess.stain.reference import reference_profile
from pathoai.preprocess.stain.stain_profile import StainProfile
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings, WantedEncoding
from pathoai.slide.compressed_tiles import compressed_levels
from pathoai.slide.memory_reader import MemoryReader
from pathoai.slide.open_slide import open_slide
from pathoai.store.chunk_coding import ChunkCoding
from pathoai.store.compressed_chunks import CompressedChunks
from pathoai.store.header import StoreHeader
from pathoai.store.image_writer import ImageWriter
from pathoai.store.jpeg_frame import JpegFrame
from pathoai.store.level_writing import LevelsWriting
from pathoai.store.slide_store import SlideStore
from pathoai.testing.generated_slide import SlideTruth
from pathoai.testing.icc_profile import matrix_profile, srgb_by_definition
from pathoai.tiling.spec import TileSpec

_LOSSLESS = TilingSettings(TileSpec(128, 0.5), mpp=0.5, compression="blosc-zstd", device="cpu")
_CPU = torch.device("cpu")


def _mean_under_triangle(
    line: NDArray[np.float64], position: float, ratio: float
) -> NDArray[np.float64]:
    """One output pixel by the definition, float64; `line` is `(length, …)`."""
    centre, reach = (position + 0.5) * ratio - 0.5, max(ratio, 1.0)
    index = np.arange(len(line))
    weight = np.maximum(0.0, 1.0 - np.abs(index - centre) / reach)
    return np.asarray(np.tensordot(weight / weight.sum(), line, axes=1))


@settings(max_examples=20)
@given(
    ratio=st.one_of(st.just(1.0), st.just(2.0), st.floats(1.0, 5.0)),
    x=st.integers(20, 60),
    y=st.integers(20, 60),
)
def test_pixels_are_within_one_grey_level_of_the_definition(ratio: float, x: int, y: int) -> None:
    side = int(75 * ratio) + 12
    pixels = np.random.default_rng(1).integers(0, 256, (side, side, 3), dtype=np.uint8)
    reader = MemoryReader(pixels, mpp=Mpp.square(0.5))
    found = Resampling(ReaderWindows(lambda: reader, 0), ratio, ratio).chunk(x, y, Size(6, 5))
    rows = np.stack([_mean_under_triangle(pixels.astype(float), y + i, ratio) for i in range(5)])
    expected = np.stack(
        [_mean_under_triangle(rows.transpose(1, 0, 2), x + i, ratio) for i in range(6)], axis=1
    )
    assert np.abs(found - expected).max() <= 1.01


@pytest.mark.parametrize(("ratio", "width"), [(1.9, 40), (0.9, 45)])
def test_a_window_of_the_size_of_a_simple_one_is_still_resampled(ratio: float, width: int) -> None:
    """Twice the block and two pixels, or just the block, may be what another scale needs too."""
    pixels = np.random.default_rng(1).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    reader = MemoryReader(pixels, mpp=Mpp.square(0.5))
    making = Resampling(ReaderWindows(lambda: reader, 0), ratio, ratio)
    found = making.chunk(10, 10, Size(width, width)).astype(int)
    parts = making.chunk(10, 10, Size(5, 5))
    assert np.abs(found[:5, :5] - parts).max() <= 2


def test_tiles_decoded_directly_are_what_the_reader_gives(
    two_level_slide: tuple[Path, SlideTruth],
) -> None:
    """Anywhere, at every level, from several threads; the edge of the slide included."""
    rng = np.random.default_rng(2)
    with open_slide(two_level_slide[0]) as reader:
        for source in compressed_levels(two_level_slide[0], reader.info):
            level = reader.info.levels[source.level]
            windows = TileWindows(source, level.size_px)
            whole = reader.read_region(0, 0, source.level, level.size_px)
            padded = np.full((whole.shape[0] + 800, whole.shape[1] + 800, 3), 255, np.uint8)
            padded[400 : 400 + whole.shape[0], 400 : 400 + whole.shape[1]] = whole
            places = rng.integers(-390, level.size_px.width, (40, 2)).tolist()
            columns, rows = zip(*places, strict=True)
            with closing(windows), ThreadPoolExecutor(4) as pool:
                found = list(pool.map(windows.read, columns, rows, repeat(Size(300, 270))))
            for (x, y), pixels in zip(places, found, strict=True):
                expected = padded[y + 400 : y + 670, x + 400 : x + 700]
                np.testing.assert_array_equal(pixels[: expected.shape[0]], expected)


def test_cpu_threads_and_torch_make_the_same_store(
    two_level_slide: tuple[Path, SlideTruth], tmp_path: Path
) -> None:
    """Within one grey level: Pillow rounds between the axes, torch does not."""
    found = []
    with open_slide(two_level_slide[0]) as reader:
        info = reader.info
        header = StoreHeader("A", info.size.width, info.size.height, 0.5, 0.5, 0.7)
        pixels, cpu = Resampling(ReaderWindows(lambda: reader, 0), 1.4, 1.4), DeviceMaking(_CPU)
        for name in ("threads", "torch"):
            writer = ImageWriter(tmp_path / name / "A.zarr", header)
            wanted = np.ones((6, 7), np.bool_)
            wanted[2, 3] = False
            way = (
                LevelsWriting(0, [writer.finest], pixels.chunk, wanted)
                if name == "threads"
                else DeviceLevelWriting(
                    WindowBlocks(pixels.windows, cpu.device), (1.4, 1.4), writer.finest, wanted, cpu
                )
            )
            # One thread, because one reader serves them all.
            with ThreadPoolExecutor(1) as pool:
                assert not [damage for shard in way.run(pool) for damage in shard]
            writer.finish()
            found.append(np.asarray(writer.finest.array[:]).astype(int))
    assert np.abs(found[0] - found[1]).max() <= 1
    assert (found[0][:, 512:768, 768:1024] == 255).all()


@pytest.mark.parametrize("compression", ["jpeg", "jpegxl", "blosc-zstd"])
def test_any_compression_serves(
    two_level_slide: tuple[Path, SlideTruth], tmp_path: Path, compression: str
) -> None:
    source = SlideSource(lambda: open_slide(two_level_slide[0], slide_id="A"), two_level_slide[0])
    store = tile_slide(
        source,
        tmp_path / "A.zarr",
        replace(_LOSSLESS, mpp=1.0, compression=compression, quality=95),
    )
    assert store.header.compression == compression
    exact = tile_slide(source, tmp_path / "B.zarr", replace(_LOSSLESS, mpp=1.0))
    size = store.header.layout[0].size_px
    difference = np.abs(
        store.read(0, 0, 0, size).astype(int) - exact.read(0, 0, 0, size).astype(int)
    )
    assert difference.mean() <= (2.0 if compression == "jpeg" else 0)
    store.verify()


def test_a_store_can_be_normalised_to_a_target(
    generated: tuple[Path, SlideTruth], tmp_path: Path
) -> None:
    """Its stains, estimated anew, are the target's; the header says so."""
    target, fixed = reference_profile("macenko"), reference_profile("hematoxylin-eosin")
    assert isinstance(target, StainProfile)
    assert isinstance(fixed, StainProfile)
    source = SlideSource(lambda: open_slide(generated[0], slide_id="A"), generated[0])
    changed = replace(target, maximum=(2.0, 0.9), matrix=(fixed.matrix[0], target.matrix[1]))
    settings = replace(_LOSSLESS, normalisation=changed.to_dict())
    path = tmp_path / "A.zarr"
    store = tile_slide(source, path, settings)
    before = (path / "zarr.json").stat().st_mtime_ns
    tile_slide(source, path, settings)
    assert (path / "zarr.json").stat().st_mtime_ns == before
    assert store.header.normalisation == SlideStore(store.path).header.normalisation
    attributes = json.loads((path / "zarr.json").read_text("utf8"))["attributes"]["pathoai"]
    own = StainProfile.from_dict(attributes["stain_profile"])
    assert np.abs(np.subtract(own.maximum, changed.maximum)).max() > 0.3
    found = estimate_stains(store, "macenko")
    np.testing.assert_allclose(found.matrix, changed.matrix, atol=0.08)
    np.testing.assert_allclose(found.maximum, changed.maximum, rtol=0.15)


@pytest.mark.parametrize("encoding", ["source", "resampled"])
def test_srgb_is_what_the_profile_says_wherever_it_is_applied(
    two_level_slide: tuple[Path, SlideTruth], tmp_path: Path, encoding: WantedEncoding
) -> None:
    """Copied tiles are converted as they are read, new pixels before they are stored."""
    profile = matrix_profile(1.4)
    path = tmp_path / "with-profile.tiff"
    with open_slide(two_level_slide[0]) as reader:
        pixels = reader.read_region(0, 0, 0, Size(1024, 1024))
    tifffile.imwrite(
        path,
        pixels,
        tile=(256, 256),
        photometric="rgb",
        compression="jpeg",
        compressionargs={"level": 95},
        resolution=(20000, 20000),
        resolutionunit="CENTIMETER",
        iccprofile=profile,
    )
    source = SlideSource(lambda: open_slide(path, slide_id="A"), path)
    kept = replace(_LOSSLESS, encoding=encoding, mpp=None)
    scanner = tile_slide(source, tmp_path / "a.zarr", kept)
    srgb = tile_slide(source, tmp_path / "b.zarr", replace(kept, colour="srgb"))
    assert (scanner.header.encoding, srgb.header.encoding) == (encoding, encoding)
    assert scanner.icc_profile == srgb.icc_profile == without_history(profile, LeftBehind())
    before = scanner.read(0, 200, 300, Size(256, 256))
    after = srgb.read(0, 200, 300, Size(256, 256))
    assert np.abs(after - srgb_by_definition(before, 1.4)).max() <= 2
    assert np.abs(after.astype(int) - before).mean() > 5
    tiles = srgb.read_tiles(0, np.array([[200, 300]]), 256)
    np.testing.assert_array_equal(tiles[0], after)


def test_the_source_encoding_makes_no_pixels() -> None:
    with pytest.raises(InvalidValueError, match="own pixels"):
        TilingSettings(encoding="source", mpp=0.5)
    with pytest.raises(InvalidValueError, match="own pixels"):
        TilingSettings(encoding="source", normalisation=reference_profile("macenko").to_dict())
    assert ChunkCoding().compression == "blosc-zstd"


@pytest.mark.parametrize("theirs", ["420", "422", "444"])
@pytest.mark.parametrize("mpp", [0.5, 1.0])
def test_colours_are_kept_as_finely_as_the_slide_has_them(
    theirs: str, mpp: float, stained_noise: NDArray[np.uint8], tmp_path: Path
) -> None:
    """At its own scale; at half of it, and on coarser levels, they are whole."""
    path = tmp_path / "slide.tiff"
    tifffile.imwrite(
        path,
        stained_noise,
        photometric="rgb",
        tile=(256, 256),
        compression="jpeg",
        compressionargs={"level": 90, "outcolorspace": "ycbcr"},
        subsampling=(int(4 // int(theirs[1])), 2 if theirs[2] == "0" else 1),
        resolution=(20000, 20000),
        resolutionunit="CENTIMETER",
    )
    source = SlideSource(lambda: open_slide(path), path)
    settings = TilingSettings(
        TileSpec(128, mpp), mpp=mpp, encoding="resampled", device="cpu", tissue_method="whole"
    )
    store = tile_slide(source, tmp_path / "S.zarr", settings)
    expected = theirs if mpp == 0.5 else "444"
    assert store.header.subsampling == expected
    for level, layout in enumerate(store.header.layout):
        chunks = CompressedChunks(store.path / str(level), layout, "S")
        place = next(iter(chunks.present()))
        frame = JpegFrame.of(chunks.read(place) or b"")
        assert frame.subsampling_name == (expected if level == 0 else "444")
