"""The way of a GPU from a slide's tiles to a store, run on torch's CPU device."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError, StoreError
from pathoai.geometry import Size
from pathoai.preprocess import device_resampling
from pathoai.preprocess.device_blocks import BlockSource, TileBlocks, Window, WindowBlocks
from pathoai.preprocess.device_making import DeviceMaking
from pathoai.preprocess.device_pictures import PictureDecoder
from pathoai.preprocess.device_resampling import DeviceLevelWriting
from pathoai.preprocess.resampled_pixels import Resampling
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.slide_windows import TileWindows
from pathoai.preprocess.stage_clock import StageClock
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.slide.compressed_tiles import CompressedLevel, compressed_levels
from pathoai.slide.open_slide import open_slide
from pathoai.store.chunk_coding import ChunkCoding
from pathoai.store.header import StoreHeader
from pathoai.store.image_writer import ImageWriter
from pathoai.store.level_writing import LevelsWriting
from pathoai.store.write_journal import DamagedChunk
from pathoai.testing.generated_slide import SlideTruth
from pathoai.tiling.spec import TileSpec

_CPU = torch.device("cpu")
_RATIO, _SIZE = 1.4, Size(2300, 2100)


@pytest.fixture
def level_0(two_level_slide: tuple[Path, SlideTruth]) -> CompressedLevel:
    """The tiles of the slide's finest level."""
    with closing(open_slide(two_level_slide[0])) as reader:
        return compressed_levels(two_level_slide[0], reader.info)[0]


def _writer(folder: Path) -> ImageWriter:
    return ImageWriter(folder / "A.zarr", StoreHeader("A", 2300, 2100, 0.5, 0.5, 0.7))


def _wanted() -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    wanted = np.ones((6, 7), np.bool_)
    wanted[2, 3] = wanted[5, :4] = wanted[:, 6] = False
    return wanted


def _on_device(
    blocks: BlockSource, folder: Path, threads: int, clock: StageClock | None = None
) -> tuple[ImageWriter, list[DamagedChunk]]:
    writer = _writer(folder)
    ratio, making = (_RATIO, _RATIO), DeviceMaking(_CPU)
    way = DeviceLevelWriting(blocks, ratio, writer.finest, _wanted(), making, clock=clock)
    with ThreadPoolExecutor(threads) as pool:
        shards = list(way.run(pool))
    assert len(shards) == len(writer.finest.shards)
    return writer, [damage for shard in shards for damage in shard]


def _tile_blocks(source: CompressedLevel, *, on_device: bool = False) -> TileBlocks:
    decoder = PictureDecoder(ChunkCoding("jpeg"), source.tile_px, _CPU, on_device=on_device)
    return TileBlocks(source, _SIZE, decoder)


def _hashes(writer: ImageWriter) -> dict[str, str]:
    return dict(writer.journal.hashes("0"))


def test_tiles_put_together_there_make_the_pixels_of_the_cpu(
    level_0: CompressedLevel, tmp_path: Path
) -> None:
    """Within one grey level: Pillow rounds between the axes, torch does not."""
    expected = _writer(tmp_path / "cpu")
    with closing(TileWindows(level_0, _SIZE)) as windows, ThreadPoolExecutor(2) as pool:
        make = Resampling(windows, _RATIO, _RATIO).chunk
        list(LevelsWriting(0, [expected.finest], make, _wanted()).run(pool))
    clock = StageClock(_CPU)
    found, damaged = _on_device(_tile_blocks(level_0), tmp_path / "tiles", 2, clock)
    assert not damaged
    assert {"wait for reading", "decode", "resample", "encode", "write"} <= set(clock.seconds)
    pixels = [np.asarray(one.finest.array[:]).astype(int) for one in (expected, found)]
    assert np.abs(pixels[0] - pixels[1]).max() <= 1
    assert (pixels[1][:, 512:768, 768:1024] == 255).all()


def test_strips_threads_and_sources_do_not_matter(
    level_0: CompressedLevel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bytes, so that a run resumes on a machine with more threads or memory."""
    first, _ = _on_device(_tile_blocks(level_0), tmp_path / "a", 1)
    with closing(TileWindows(level_0, _SIZE)) as windows:
        others = [_on_device(WindowBlocks(windows, _CPU), tmp_path / "b", 3)[0]]
    monkeypatch.setattr(device_resampling, "_STRIP_PX", 1)
    others.append(_on_device(_tile_blocks(level_0, on_device=True), tmp_path / "c", 4)[0])
    assert len(_hashes(first)) == 1
    assert all(_hashes(other) == _hashes(first) for other in others)


def test_damage_spoils_the_chunks_that_need_it_and_no_others(
    level_0: CompressedLevel, tmp_path: Path
) -> None:
    """Told alike whether tiles are decoded on the device or windows in threads."""
    offset = int(level_0.offsets[3, 3])
    data = bytearray(level_0.file.read_bytes())
    data[offset : offset + 2] = b"\0\0"
    copy = tmp_path / "damaged.svs"
    copy.write_bytes(data)
    damaged = replace(level_0, file=copy)
    with closing(TileWindows(damaged, _SIZE)) as windows:
        by_tiles, by_windows = (
            sorted(_on_device(blocks, tmp_path / name, 2)[1])
            for name, blocks in (("a", _tile_blocks(damaged)), ("b", WindowBlocks(windows, _CPU)))
        )
    assert by_tiles == by_windows
    # The tile spans 548 to 731 of the store's pixels, so chunks 2 along each axis.
    assert [(d.level, d.row, d.column) for d in by_tiles] == [(0, 2, 2)]


class _CountedWindows(TileWindows):
    """Counts what is read."""

    count = 0

    def read(self, x_px: int, y_px: int, size_px: Size) -> NDArray[np.uint8]:
        self.count += 1
        return super().read(x_px, y_px, size_px)


def test_a_run_that_fails_leaves_no_thread_at_the_slide(
    level_0: CompressedLevel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is closed next; what was begun is made again, to the same bytes."""
    monkeypatch.setattr(device_resampling, "_STRIP_PX", 1)
    writer, making = _writer(tmp_path), DeviceMaking(_CPU)

    def fail(_: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("out of memory")

    with closing(_CountedWindows(level_0, _SIZE)) as windows:
        blocks, ratio = WindowBlocks(windows, _CPU), (_RATIO, _RATIO)
        way = DeviceLevelWriting(blocks, ratio, writer.finest, _wanted(), making, fail)
        with ThreadPoolExecutor(1) as pool:
            with pytest.raises(RuntimeError, match="out of memory"):
                list(way.run(pool))
            read = windows.count
        assert windows.count == read < _wanted().sum()
        with ThreadPoolExecutor(1) as pool:
            list(replace(way, change=None).run(pool))
    whole, _ = _on_device(_tile_blocks(level_0), tmp_path / "whole", 2)
    assert _hashes(writer) == _hashes(whole)


def test_glass_that_the_file_leaves_out_is_white(level_0: CompressedLevel) -> None:
    empty = replace(level_0, byte_counts=np.zeros_like(level_0.byte_counts))
    window = Window(-10, 30, Size(600, 40))
    with ThreadPoolExecutor(1) as pool:
        block = _tile_blocks(empty).start(window, [window], pool).finish(pool)
    assert block.pixels.shape == (3, 40, 600)
    assert (block.pixels == 255).all()
    assert not block.damaged


def test_what_cannot_be_decoded_is_named(level_0: CompressedLevel) -> None:
    """Its neighbours in the batch are decoded; a device without nvJPEG decodes none itself."""
    pixels = np.random.default_rng(1).integers(0, 256, (4, 32, 32, 3), np.uint8)
    coding = ChunkCoding("jpeg")
    pictures: Sequence[bytes] = [coding.encode_rgb(one) for one in pixels]
    pictures = [pictures[0], b"no picture", pictures[2], coding.encode_rgb(pixels[0][:16])]
    for on_device in (False, True):
        decoder = PictureDecoder(coding, 32, _CPU, on_device=on_device)
        with ThreadPoolExecutor(2) as pool:
            found = decoder.decode(pictures, pool)
        assert sorted(found.damaged) == [1, 3]
        assert found.pixels.shape == (4, 3, 32, 32)
        for i in (0, 2):
            expected = coding.decode_rgb(pictures[i], 32).transpose(2, 0, 1)
            np.testing.assert_array_equal(found.pixels[i].numpy(), expected)
        assert not decoder.is_proven(pictures[:1])
    assert PictureDecoder(coding, 32, _CPU).decode([]).pixels.shape == (0, 3, 32, 32)
    assert DeviceMaking.best("cpu", level_0, coding) == DeviceMaking(_CPU)


@pytest.mark.parametrize(
    ("making", "words"),
    [
        (DeviceMaking(_CPU), "cpu"),
        (DeviceMaking(torch.device("cuda:1")), "cuda"),
        (DeviceMaking(torch.device("cuda"), True, True), "cuda+nvjpeg-decoder+nvjpeg-encoder"),
    ],
)
def test_the_header_says_what_made_the_pixels(making: DeviceMaking, words: str) -> None:
    assert making.words == words
    if not (making.decodes or making.encodes):
        assert DeviceMaking.of_words(words, making.device) == making
    for other in ("cpu+nvjpeg-decoder", "cuda+nvjpeg-encoder", "cuda" if words == "cpu" else "cpu"):
        with pytest.raises(InvalidValueError, match=r"as the store's header says.*begun"):
            DeviceMaking.of_words(other, making.device)


def test_no_store_mixes_the_pixels_of_two_devices(
    generated: tuple[Path, SlideTruth], tmp_path: Path
) -> None:
    """A finished store of another device is taken as it is; an unfinished one is refused."""
    source = SlideSource(lambda: open_slide(generated[0], slide_id="A"), generated[0])
    settings = TilingSettings(TileSpec(128, 0.5), mpp=0.5, compression="blosc-zstd", device="cpu")
    path = tmp_path / "A.zarr"
    assert tile_slide(source, path, settings).header.made_on == "cpu"
    metadata = path / "zarr.json"
    whole = json.loads(metadata.read_text("utf8"))
    whole["attributes"]["pathoai"]["header"]["made_on"] = "cuda+nvjpeg-decoder"
    metadata.write_text(json.dumps(whole), "utf8")
    assert tile_slide(source, path, settings).header.made_on == "cuda+nvjpeg-decoder"
    whole["attributes"]["pathoai"]["complete"] = False
    metadata.write_text(json.dumps(whole), "utf8")
    with pytest.raises(StoreError, match=r"another device.*found cpu.*nvjpeg-decoder.*--device"):
        tile_slide(source, path, settings)
