"""Copied tiles: bit for bit what the slide's decoder gives, or not copied at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from pathoai.errors import DamagedSlideError, NotCopyableError, SlideError
from pathoai.geometry import Mpp, Size
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings, WantedEncoding
from pathoai.slide.compressed_tiles import compressed_levels
from pathoai.slide.memory_reader import MemoryReader
from pathoai.slide.open_slide import open_slide
from pathoai.store.copy_tiles import prove
from pathoai.store.slide_store import SlideStore
from pathoai.store.tissue_chunks import chunks_with_tissue
from pathoai.testing.generated_slide import SlideTruth
from pathoai.testing.slide_stores import ExpectedStore, SlideStoreTests
from pathoai.tiling.spec import TileSpec

_ID = "0123456789ABCDEF"
_COPIED = TilingSettings(TileSpec(size_px=128, mpp=0.5), encoding="source")


def _source(path: Path, mpp: float | None = None) -> SlideSource:
    scale = Mpp.square(mpp) if mpp else None
    return SlideSource(lambda: open_slide(path, mpp=scale, slide_id=_ID), path)


def _whole(path: Path, mpp: float | None = None, level: int = 0) -> NDArray[np.uint8]:
    with _source(path, mpp).open_reader() as reader:
        return reader.read_region(0, 0, level, reader.info.levels[level].size_px)


def _files(folder: Path) -> dict[str, bytes]:
    return {
        f.relative_to(folder).as_posix(): f.read_bytes()
        for f in sorted(folder.rglob("*"))
        if f.is_file()
    }


def _stored(store: SlideStore, level: int = 0) -> NDArray[np.bool_]:
    """Pixels of a level whose chunk is stored, `(height, width)` bool."""
    layout = store.header.layout[level]
    wanted = chunks_with_tissue(store.tissue, store.header.grid, layout)
    whole = wanted.repeat(layout.chunk_px, 0).repeat(layout.chunk_px, 1)
    return whole[: layout.size_px.height, : layout.size_px.width]


@pytest.fixture(scope="module")
def copied_store(
    two_level_slide: tuple[Path, SlideTruth], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("copied") / f"{_ID}.zarr"
    tile_slide(_source(two_level_slide[0]), path, _COPIED)
    return path


class TestCopiedStore(SlideStoreTests):
    @pytest.fixture
    def store_path(self, copied_store: Path) -> Path:
        return copied_store

    @pytest.fixture
    def expected(self, two_level_slide: tuple[Path, SlideTruth]) -> ExpectedStore:
        return ExpectedStore(_ID, _whole(two_level_slide[0]), mpp=0.5)


def test_every_level_is_copied_and_the_pyramid_goes_on(
    copied_store: Path, two_level_slide: tuple[Path, SlideTruth]
) -> None:
    store = SlideStore(copied_store)
    assert [level.factor for level in store.header.copied] == [1, 4]
    assert store.factors == (1, 4, 8)
    for level in (0, 1):
        layout = store.header.layout[level]
        found = store.read(level, 0, 0, layout.size_px)
        mask = _stored(store, level)
        expected = _whole(two_level_slide[0], level=level)
        np.testing.assert_array_equal(found[mask], expected[mask])
        assert mask.mean() > 0.3


def test_chunks_are_the_slides_own_tiles(
    copied_store: Path, two_level_slide: tuple[Path, SlideTruth]
) -> None:
    """Entropy-coded bytes and all; only what marks the colours is added."""
    data = two_level_slide[0].read_bytes()
    with tifffile.TiffFile(two_level_slide[0]) as slide:
        page = slide.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        scans = [
            data[start : start + size].split(b"\xff\xda", 1)[1]
            for start, size in zip(page.dataoffsets, page.databytecounts, strict=True)
        ]
    shards = b"".join(f.read_bytes() for f in (copied_store / "0/c").rglob("*") if f.is_file())
    wanted = chunks_with_tissue(
        SlideStore(copied_store).tissue,
        SlideStore(copied_store).grid(),
        SlideStore(copied_store).header.layout[0],
    )
    assert all(scan in shards for scan, keep in zip(scans, wanted.ravel(), strict=True) if keep)
    sizes = sum(f.stat().st_size for f in (copied_store / "0/c").rglob("*") if f.is_file())
    copied = sum(
        size for size, keep in zip(page.databytecounts, wanted.ravel(), strict=True) if keep
    )
    assert sizes < 1.1 * copied + 20_000


def test_torch_is_not_imported(two_level_slide: tuple[Path, SlideTruth], tmp_path: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from pathoai.preprocess.slide_source import SlideSource\n"
        "from pathoai.preprocess.tile_slide import tile_slide\n"
        "from pathoai.preprocess.tiling_settings import TilingSettings\n"
        "from pathoai.slide.open_slide import open_slide\n"
        "slide = Path(sys.argv[1])\n"
        "source = SlideSource(lambda: open_slide(slide, slide_id='A'), slide)\n"
        "tile_slide(source, Path(sys.argv[2]), TilingSettings())\n"
        "assert 'torch' not in sys.modules\n"
        "assert 'skimage' not in sys.modules, 'half a second and 60 MB for one threshold'\n"
    )
    store = tmp_path / "A.zarr"
    subprocess.run([sys.executable, "-c", script, str(two_level_slide[0]), str(store)], check=True)
    assert SlideStore(store).header.encoding == "source"


@pytest.mark.parametrize(
    ("name", "mpp", "compression"),
    [
        ("wsi/cmu-1-small-region.svs", None, "jpeg"),
        ("wsi/CMU-1-Small-Region.jpeg.tiff", 0.499, "jpeg"),
        ("wsi/CMU-1-Small-Region.jp2.tiff", 0.499, "jpeg2k"),
        ("wsi/openslide_crops/OS-1-detail.ome.tif", None, "jpeg"),
        ("wsi/openslide_crops/OS-2-ndpi.ome.tif", None, "jpeg"),
        ("wsi/openslide_crops/OS-2-vsi.ome.tif", None, "jpeg"),
    ],
)
def test_real_slides_are_copied_bit_for_bit(
    real_data: Path, tmp_path: Path, name: str, mpp: float | None, compression: str
) -> None:
    store = tile_slide(_source(real_data / name, mpp), tmp_path / f"{_ID}.zarr", _COPIED)
    assert store.header.copied[0].compression == compression
    found = store.read(0, 0, 0, store.header.layout[0].size_px)
    mask = _stored(store)
    np.testing.assert_array_equal(found[mask], _whole(real_data / name, mpp)[mask])
    assert mask.mean() > 0.2


@pytest.mark.parametrize("name", ["wsi/CMU-1-Small-Region.webp.tiff"])
def test_other_codecs_are_resampled_instead(real_data: Path, tmp_path: Path, name: str) -> None:
    source = _source(real_data / name, 0.499)
    with pytest.raises(NotCopyableError, match="WebP"):
        tile_slide(source, tmp_path / f"{_ID}.zarr", _COPIED)
    store = tile_slide(source, tmp_path / f"{_ID}.zarr", replace(_COPIED, encoding="auto"))
    assert (store.header.encoding, store.mpp) == ("resampled", 0.499)
    found = store.read(0, 0, 0, store.header.layout[0].size_px).astype(int)
    difference = np.abs(found - _whole(real_data / name, 0.499))[_stored(store)]
    assert difference.mean() < 3


def _with_byte_counts(slide: Path, target: Path, change: dict[int, int]) -> None:
    """A copy of a slide with some tiles' byte counts of level 0 changed."""
    target.write_bytes(slide.read_bytes())
    with tifffile.TiffFile(target, mode="r+") as file:
        page = file.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        counts = list(page.databytecounts)
        for tile, count in change.items():
            counts[tile] = count
        page.tags["TileByteCounts"].overwrite(counts)


def _spoil_tile(path: Path, tile: int) -> None:
    """Overwrite the start of one of level 0's tiles."""
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        start = page.dataoffsets[tile]
    with path.open("r+b") as raw:
        raw.seek(start)
        raw.write(b"\0" * 16)


@pytest.fixture
def damaged_slide(two_level_slide: tuple[Path, SlideTruth], tmp_path: Path) -> Path:
    """One tile in the middle of level 0 is spoilt: row 4, column 4 of 9 by 9."""
    path = tmp_path / "damaged.svs"
    path.write_bytes(two_level_slide[0].read_bytes())
    _spoil_tile(path, 4 * 9 + 4)
    return path


@pytest.mark.parametrize("encoding", ["source", "resampled"])
def test_a_damaged_tile_is_absent_with_its_reason(
    damaged_slide: Path, copied_store: Path, tmp_path: Path, encoding: WantedEncoding
) -> None:
    """Beyond the limit the slide fails; within it, everything else is there."""
    settings = replace(
        _COPIED, encoding=encoding, mpp=0.5 if encoding == "resampled" else None, max_damaged=0.001
    )
    path = tmp_path / f"{_ID}.zarr"
    with pytest.raises(
        DamagedSlideError, match=r"first at level-0 x=1024, y=1024: too much.*--max-damaged"
    ):
        tile_slide(_source(damaged_slide), path, settings)
    store = tile_slide(_source(damaged_slide), path, replace(settings, max_damaged=0.05))
    attributes = json.loads((path / "zarr.json").read_text("utf8"))["attributes"]["pathoai"]
    ((level, row, column, reason),) = attributes["damaged"]
    assert (level, row, column) == (0, 4, 4)
    assert reason
    assert [(d.level, d.row, d.column) for d in store.damaged] == [(0, 4, 4)]
    assert (store.read(0, 1024, 1024, Size(256, 256)) == 255).all()
    whole = SlideStore(copied_store)
    for x, y in ((768, 1024), (1280, 1024), (1024, 768), (1024, 1280)):
        found = store.read(0, x, y, Size(256, 256)).astype(int)
        assert np.abs(found - whole.read(0, x, y, Size(256, 256))).mean() < 3


def test_tiles_on_damage_are_not_offered(damaged_slide: Path, tmp_path: Path) -> None:
    path = tmp_path / f"{_ID}.zarr"
    store = tile_slide(_source(damaged_slide), path, replace(_COPIED, max_damaged=0.05))
    tiles = store.tiles(TileSpec(size_px=128, mpp=0.5))
    x, y = tiles.origins_px.T
    on_damage = (x + 128 > 1024) & (x < 1280) & (y + 128 > 1024) & (y < 1280)
    assert not on_damage.any()
    assert len(tiles) > 20


def test_a_slide_cut_short_fails_with_how_much_is_lost(
    two_level_slide: tuple[Path, SlideTruth], tmp_path: Path
) -> None:
    """Its index of tiles comes before them, as in slides whose copy was interrupted."""
    path = tmp_path / "short.svs"
    counts = dict.fromkeys(range(9 * 6, 9 * 9), 1 << 30)
    _with_byte_counts(two_level_slide[0], path, counts)
    with pytest.raises(DamagedSlideError, match=r"too much.*tiles so far"):
        tile_slide(_source(path), tmp_path / f"{_ID}.zarr", _COPIED)


def test_tiles_that_decode_to_other_colours_are_not_copied(
    two_level_slide: tuple[Path, SlideTruth],
) -> None:
    """As where a file marks RGB as YCbCr: the reader's colours are swapped here."""
    with _source(two_level_slide[0]).open_reader() as reader:
        (level, *_) = compressed_levels(two_level_slide[0], reader.info)
        prove(level, reader)
    swapped = MemoryReader(_whole(two_level_slide[0])[..., ::-1], mpp=Mpp.square(0.5))
    with pytest.raises(NotCopyableError, match=r"level 0, row .*other pixels"):
        prove(level, swapped)


def test_srgb_needs_a_profile(two_level_slide: tuple[Path, SlideTruth], tmp_path: Path) -> None:
    with pytest.raises(SlideError, match="no ICC profile"):
        tile_slide(
            _source(two_level_slide[0]), tmp_path / "A.zarr", replace(_COPIED, colour="srgb")
        )


_KILLED_RUN = """
import os, signal, sys
from pathlib import Path
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.slide.open_slide import open_slide
from pathoai.store.write_journal import WriteJournal
from pathoai.tiling.spec import TileSpec

slide, store, last = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
record = WriteJournal.record
written = 0

def counted(*args, **kwargs):
    global written
    written += 1
    if written == last:
        os.kill(os.getpid(), signal.SIGKILL)
    record(*args, **kwargs)

WriteJournal.record = counted
source = SlideSource(lambda: open_slide(slide, slide_id="0123456789ABCDEF"), slide)
settings = TilingSettings(TileSpec(128, 0.5), encoding="source", workers=int(sys.argv[4]))
tile_slide(source, store, settings)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a POSIX signal")
@pytest.mark.parametrize("workers", [1, 4])
def test_killed_at_any_shard_a_copy_resumes_to_the_same_bytes(
    two_level_slide: tuple[Path, SlideTruth], copied_store: Path, tmp_path: Path, workers: int
) -> None:
    for last in (1, 2, 4):
        path = tmp_path / f"{last}" / f"{_ID}.zarr"
        words = [str(two_level_slide[0]), str(path), str(last), str(workers)]
        ended = subprocess.run([sys.executable, "-c", _KILLED_RUN, *words], check=False)
        assert ended.returncode == -signal.SIGKILL
        tile_slide(_source(two_level_slide[0]), path, replace(_COPIED, workers=workers))
        assert _files(path) == _files(copied_store)
    assert os.listdir(tmp_path)


def test_a_one_level_slide_with_damage_still_has_tissue(
    generated: tuple[Path, SlideTruth], tmp_path: Path
) -> None:
    """Its tissue is looked for in level 0 itself, where one tile cannot be read."""
    path = tmp_path / "damaged.svs"
    path.write_bytes(generated[0].read_bytes())
    _spoil_tile(path, 2 * 6 + 2)
    settings = replace(_COPIED, max_damaged=0.2)
    whole = tile_slide(_source(generated[0]), tmp_path / "whole.zarr", settings)
    store = tile_slide(_source(path), tmp_path / "damaged.zarr", settings)
    assert [(d.row, d.column) for d in store.damaged] in ([], [(2, 2)])
    assert store.tissue.area_mm2 == pytest.approx(whole.tissue.area_mm2, rel=0.15)


def test_a_slide_of_which_nothing_can_be_read_is_refused(
    generated: tuple[Path, SlideTruth], tmp_path: Path
) -> None:
    path = tmp_path / "damaged.svs"
    path.write_bytes(generated[0].read_bytes())
    for tile in range(30):
        _spoil_tile(path, tile)
    with pytest.raises(DamagedSlideError, match="more than half"):
        tile_slide(_source(path), tmp_path / "A.zarr", _COPIED)
