"""What OpenSlide's formats do differently: bounds, transparency, missing tiles, odd pyramids, ICC.

An MRXS file cannot be made here. What is special about one is proven on files that share it: a
Leica SCN states bounds far from (0, 0) on a canvas of which little was scanned, and a TIFF with an
alpha channel is partly transparent.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import openslide
import pytest
import tifffile
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.errors import NotASlideError
from pathoai.geometry import Mpp, Region, Size
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.slide.openslide_reader import OpenSlideBackend, OpenSlideReader
from pathoai.slide.reader import SlideReader
from pathoai.testing.icc_profile import matrix_profile
from pathoai.testing.slide_readers import DamagedSlide, KnownSlide, SlideReaderTests
from pathoai.tiling.spec import TileSpec

_MPP = 0.25
_LOSSLESS: dict[str, Any] = {
    "tile": (64, 64),
    "photometric": "rgb",
    "metadata": None,
    "compression": "deflate",
}


@cache
def _tissue(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth colours, so that a pixel read between two is still near both."""
    noise = np.random.default_rng(seed).normal(0, 1, (height, width, 3))
    smooth = ndimage.gaussian_filter(noise, (12, 12, 0))
    pixels = np.asarray(np.clip(150 + 40 * smooth / smooth.std(), 0, 255), dtype=np.uint8)
    pixels.setflags(write=False)
    return pixels


def _halved(pixels: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    height, width = (side // factor for side in pixels.shape[:2])
    blocks = pixels[: height * factor, : width * factor].reshape(height, factor, width, factor, 3)
    return np.asarray(np.rint(blocks.mean(axis=(1, 3))), dtype=np.uint8)


def _per_cm(mpp: float) -> dict[str, Any]:
    return {"resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": "CENTIMETER"}


def _opened(path: Path) -> OpenSlideReader:
    return OpenSlideReader(path, mpp=Mpp.square(_MPP), slide_id="CODE")


_SCANNED = Region(2000, 1000, 512, 320)
_CANVAS = Size(4000, 2400)


def _leica_image(name: str, region: Region, power: float, directories: str) -> str:
    """One image of an SCN file; its places are in nanometres."""
    nm = _MPP * 1e3
    x, y, width, height = (round(v * nm) for v in (region.x, region.y, region.width, region.height))
    return (
        f'<image name="{name}"><pixels sizeX="{round(region.width)}" '
        f'sizeY="{round(region.height)}">{directories}</pixels>'
        f'<view sizeX="{width}" sizeY="{height}" offsetX="{x}" offsetY="{y}" spacingZ="0"/>'
        f"<scanSettings><objectiveSettings><objective>{power}</objective></objectiveSettings>"
        "<illuminationSettings><numericalAperture>0.65</numericalAperture>"
        "<illuminationSource>brightfield</illuminationSource></illuminationSettings>"
        "</scanSettings></image>"
    )


def _write_leica(path: Path, pixels: NDArray[np.uint8]) -> None:
    """An SCN file: a small scanned area somewhere on a large canvas, in two levels."""
    nm = _MPP * 1e3
    places = [f'<dimension sizeX="{w}" sizeY="{h}" r="{r}" ifd="{i}"/>' for w, h, r, i in (
        (200, 120, 0, 0), (512, 320, 0, 1), (128, 80, 1, 2))]  # fmt: skip
    whole = Region(0, 0, _CANVAS.width, _CANVAS.height)
    xml = (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01"><collection name="slide" '
        f'sizeX="{round(_CANVAS.width * nm)}" sizeY="{round(_CANVAS.height * nm)}">'
        + _leica_image("macro", whole, 0.6, places[0])
        + _leica_image("scan", _SCANNED, 40, places[1] + places[2])
        + "</collection></scn>"
    )
    with tifffile.TiffWriter(path, bigtiff=True) as tiff:
        tiff.write(_tissue(120, 200), description=xml, software=False, **_LOSSLESS)
        tiff.write(pixels, software=False, **_per_cm(_MPP), **_LOSSLESS)
        tiff.write(_halved(pixels, 4), software=False, **_per_cm(4 * _MPP), **_LOSSLESS)


class TestScannedPartly(SlideReaderTests):
    """A Leica slide: bounds far from (0, 0), the rest of the canvas transparent."""

    @pytest.fixture
    def scanned(self) -> NDArray[np.uint8]:
        return _tissue(320, 512)

    @pytest.fixture
    def reader(self, scanned: NDArray[np.uint8], tmp_path: Path) -> Iterator[SlideReader]:
        path = tmp_path / "slide.scn"
        _write_leica(path, scanned)
        with _opened(path) as reader:
            yield reader

    @pytest.fixture
    def truth(self, scanned: NDArray[np.uint8]) -> KnownSlide:
        canvas = np.full((_CANVAS.height, _CANVAS.width, 3), 255, np.uint8)
        canvas[1000:1320, 2000:2512] = scanned
        return KnownSlide(canvas, mpp=_MPP, unscanned=Region(0, 0, 4000, 900))

    def test_its_bounds_are_where_it_was_scanned(self, reader: SlideReader) -> None:
        assert reader.info.vendor == "leica"
        assert reader.info.bounds == _SCANNED


class TestTransparency(SlideReaderTests):
    """A TIFF with an alpha channel: opaque above, nothing in the middle, a ramp below."""

    @pytest.fixture
    def rgba(self) -> NDArray[np.uint8]:
        alpha = np.full((300, 260, 1), 255, np.uint8)
        alpha[100:200] = 0
        alpha[200:] = np.linspace(0, 255, 260).astype(np.uint8)[:, None]
        # What lies under full transparency is black, as scanners leave it.
        return np.concatenate([_tissue(300, 260) * (alpha > 0), alpha], axis=-1)

    @pytest.fixture
    def reader(self, rgba: NDArray[np.uint8], tmp_path: Path) -> Iterator[SlideReader]:
        path = tmp_path / "alpha.tiff"
        tifffile.imwrite(path, rgba, extrasamples=["unassalpha"], **_LOSSLESS)
        with _opened(path) as reader:
            yield reader

    @pytest.fixture
    def truth(self, rgba: NDArray[np.uint8]) -> KnownSlide:
        return KnownSlide(_on_white(rgba), _MPP, 0.5, unscanned=Region(0, 100, 260, 100))

    def test_partly_transparent_pixels_are_mixed_with_white(
        self, reader: SlideReader, rgba: NDArray[np.uint8]
    ) -> None:
        """To the rounding of colours that were multiplied by alpha and divided again."""
        found = reader.read_region(0, 200, 0, Size(260, 100))
        assert np.abs(found.astype(int) - _on_white(rgba)[200:]).max() <= 2


def _on_white(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """By definition, in float64."""
    weight = rgba[..., 3:] / 255.0
    return np.asarray(np.rint(rgba[..., :3] * weight + 255 * (1 - weight)), dtype=np.uint8)


class TestMissingTiles(SlideReaderTests):
    """A TIFF that leaves out the tiles nobody scanned, and holds an ICC profile."""

    _PROFILE = matrix_profile(1.8)

    @pytest.fixture
    def truth(self) -> KnownSlide:
        pixels = _tissue(256, 320).copy()
        pixels[64:128, 64:256] = 255
        return KnownSlide(
            pixels, _MPP, icc_profile=self._PROFILE, unscanned=Region(64, 64, 192, 64)
        )

    @pytest.fixture
    def reader(self, truth: KnownSlide, tmp_path: Path) -> Iterator[SlideReader]:
        path = tmp_path / "sparse.tiff"
        tifffile.imwrite(path, truth.pixels, iccprofile=self._PROFILE, **_LOSSLESS)
        _spoil_tiles(path, [(1, column) for column in (1, 2, 3)], missing=True)
        with _opened(path) as reader:
            yield reader

    @pytest.fixture
    def damaged(self, truth: KnownSlide, tmp_path: Path) -> Iterator[DamagedSlide]:
        """One tile in the middle is noise; the two beside it are sound."""
        path = tmp_path / "damaged.tiff"
        tifffile.imwrite(path, truth.pixels, **_LOSSLESS)
        _spoil_tiles(path, [(2, 2)], missing=False)
        with _opened(path) as reader:
            yield DamagedSlide(reader, damaged=(150, 140), sound=(200, 140))


def _spoil_tiles(path: Path, places: list[tuple[int, int]], *, missing: bool) -> None:
    """Tiles of level 0 become missing (no bytes), or noise."""
    with tifffile.TiffFile(path, mode="r+") as tiff:
        page: Any = tiff.pages.first
        columns = -(-page.imagewidth // page.tilewidth)
        counts = list(page.databytecounts)
        for row, column in places:
            index = row * columns + column
            if missing:
                counts[index] = 0
            else:
                tiff.filehandle.seek(page.dataoffsets[index])
                tiff.filehandle.write(b"\x55" * counts[index])
        page.tags["TileByteCounts"].overwrite(counts)


class TestLevelGaps(SlideReaderTests):
    """Levels of 1, 4 and 32, as scanners leave them out."""

    @pytest.fixture
    def truth(self) -> KnownSlide:
        return KnownSlide(_tissue(640, 512), _MPP)

    @pytest.fixture
    def reader(self, truth: KnownSlide, tmp_path: Path) -> Iterator[SlideReader]:
        path = tmp_path / "gaps.tiff"
        _write_levels(path, [truth.pixels, _halved(truth.pixels, 4), _halved(truth.pixels, 32)])
        with _opened(path) as reader:
            assert [level.downsample for level in reader.info.levels] == [1.0, 4.0, 32.0]
            yield reader


class TestOddDownsamples(SlideReaderTests):
    """Sizes that do not divide: each level is a little more than three times coarser."""

    @pytest.fixture
    def truth(self) -> KnownSlide:
        return KnownSlide(_tissue(611, 703), _MPP)

    @pytest.fixture
    def reader(self, truth: KnownSlide, tmp_path: Path) -> Iterator[SlideReader]:
        path = tmp_path / "odd.tiff"
        _write_levels(path, [truth.pixels, _halved(truth.pixels, 3), _halved(truth.pixels, 10)])
        with _opened(path) as reader:
            assert reader.info.levels[1].downsample == pytest.approx(3.008, abs=1e-3)
            yield reader


def _write_levels(path: Path, levels: list[NDArray[np.uint8]]) -> None:
    with tifffile.TiffWriter(path) as tiff:
        for level, pixels in enumerate(levels):
            tiff.write(pixels, subfiletype=int(level > 0), **_LOSSLESS)


def test_openslide_gives_unscanned_pixels_as_transparent_black(tmp_path: Path) -> None:
    """So the white of the tests above is of the reader's making."""
    _write_leica(tmp_path / "slide.scn", _tissue(320, 512))
    with openslide.OpenSlide(tmp_path / "slide.scn") as slide:
        assert slide.read_region((0, 0), 0, (1, 1)).getpixel((0, 0)) == (0, 0, 0, 0)


@pytest.mark.parametrize("strips_or_ome", ["strips.tiff", "slide.ome.tiff"])
def test_what_openslide_sees_in_part_is_left_to_other_readers(
    strips_or_ome: str, tmp_path: Path
) -> None:
    """Strips it refuses; of OME-TIFF it would give level 0 alone, at the scale of another tag."""
    path = tmp_path / strips_or_ome
    ome = "ome" in strips_or_ome
    keywords: dict[str, Any] = {**_LOSSLESS, "metadata": {"axes": "YXS"}} if ome else {}
    tifffile.imwrite(path, _tissue(256, 256), **{"photometric": "rgb", **keywords})
    with pytest.raises(NotASlideError):
        OpenSlideBackend().describe(path)


def test_bounds_that_cannot_be_true_are_cut_to_the_canvas_or_dropped() -> None:
    from pathoai.slide.openslide_reader import _bounds

    def bounds(*values: str) -> Region | None:
        names = ("bounds-x", "bounds-y", "bounds-width", "bounds-height")
        stated = {f"openslide.{name}": v for name, v in zip(names, values, strict=False)}
        return _bounds(stated, Size(100, 80))

    assert bounds("10", "20", "30", "40") == Region(10, 20, 30, 40)
    assert bounds("-5", "60", "1e9", "50") == Region(0, 60, 100, 20)
    for broken in (("200", "0", "9", "9"), ("0", "0", "0", "9"), ("x", "0", "9", "9"), ("1", "2")):
        assert bounds(*broken) is None


def test_a_store_knows_the_part_that_was_scanned(tmp_path: Path) -> None:
    path = tmp_path / "slide.scn"
    _write_leica(path, _tissue(320, 512))
    settings = TilingSettings(TileSpec(size_px=64, mpp=2.0), mpp=2.0, tissue_method="whole")
    store = tile_slide(SlideSource(lambda: _opened(path)), tmp_path / "CODE.zarr", settings)
    assert store.slide.bounds == _SCANNED
    assert (store.slide.size, store.slide.mpp) == (_CANVAS, Mpp.square(_MPP))
