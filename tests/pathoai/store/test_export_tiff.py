"""Stores as TIFF: what OpenSlide and tifffile read from them is what the store holds."""

from __future__ import annotations

import shutil
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import openslide
import pytest
import tifffile
from PIL import ImageCms

from pathoai.errors import InvalidValueError, StoreError
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.slide.open_slide import open_slide
from pathoai.store.compressed_chunks import CompressedChunks
from pathoai.store.export_tiff import export_tiff
from pathoai.store.header import StoreHeader
from pathoai.store.slide_store import SlideStore
from pathoai.testing.generated_slide import SlideTruth
from pathoai.tiling.spec import TileSpec
from tests.pathoai.store.made_stores import (
    SLIDE_ID,
    Pixels,
    copied_header,
    jpeg,
    make_store,
    tiles_of,
    tissue_pixels,
)

_SETTINGS = {
    "source": TilingSettings(TileSpec(128, 0.5), mpp=None),
    "jpeg": TilingSettings(TileSpec(128, 0.6), mpp=0.6),
    "blosc-zstd": TilingSettings(TileSpec(128, 0.6), mpp=0.6, compression="blosc-zstd"),
    "jpegxl": TilingSettings(TileSpec(128, 1.0), mpp=1.0, compression="jpegxl"),
}
_LOSSLESS = {"blosc-zstd", "jpegxl"}


def _stored(store: SlideStore, level: int) -> Pixels:
    return store.read(level, 0, 0, store.header.layout[level].size_px)


def _by_openslide(path: Path, level: int) -> Pixels:
    """A whole level, all of whose pixels must be opaque."""
    with openslide.OpenSlide(path) as slide:
        pixels = np.asarray(slide.read_region((0, 0), level, slide.level_dimensions[level]))
    assert (pixels[..., 3] == 255).all()
    return pixels[..., :3]


def _assert_same_pixels(store: SlideStore, path: Path) -> None:
    """Both readers see every level of the store, to the last pixel."""
    with tifffile.TiffFile(path) as file:
        assert len(file.pages) == len(store.factors)
        for level, page in enumerate(file.pages):
            stored = _stored(store, level)
            np.testing.assert_array_equal(page.asarray(), stored)
            np.testing.assert_array_equal(_by_openslide(path, level), stored)


@pytest.fixture(scope="module", params=sorted(_SETTINGS))
def store(
    request: pytest.FixtureRequest,
    generated: tuple[Path, SlideTruth],
    tmp_path_factory: pytest.TempPathFactory,
) -> SlideStore:
    """A store of each encoding, of a slide whose file bears a patient's name."""
    path = tmp_path_factory.mktemp(request.param) / f"{SLIDE_ID}.zarr"
    slide = generated[0]
    source = SlideSource(lambda: open_slide(slide, slide_id=SLIDE_ID), slide, "f" * 64)
    return tile_slide(source, path, _SETTINGS[request.param])


@pytest.fixture
def exported(store: SlideStore, tmp_path: Path) -> Path:
    path = tmp_path / "new" / "slide.tiff"
    export_tiff(store, path)
    return path


def test_both_readers_see_the_pixels_of_the_store(store: SlideStore, exported: Path) -> None:
    _assert_same_pixels(store, exported)


def test_openslide_knows_scale_and_levels(store: SlideStore, exported: Path) -> None:
    with openslide.OpenSlide(exported) as slide:
        assert slide.properties["openslide.vendor"] == "generic-tiff"
        assert float(slide.properties["openslide.mpp-x"]) == store.header.pixel_mpp.x
        assert float(slide.properties["openslide.mpp-y"]) == store.header.pixel_mpp.y
        sizes = [(s.width, s.height) for s in (lvl.size_px for lvl in store.header.layout)]
        assert list(slide.level_dimensions) == sizes
        assert slide.level_downsamples == pytest.approx(store.factors, rel=0.01)


def test_our_own_reader_accepts_it(store: SlideStore, exported: Path) -> None:
    with open_slide(exported) as reader:
        assert reader.info.mpp == store.header.pixel_mpp
        assert reader.info.size == store.header.grid.size_px


def test_jpeg_chunks_are_copied_and_lossless_ones_stay_lossless(
    store: SlideStore, tmp_path: Path
) -> None:
    how = export_tiff(store, tmp_path / "a.tiff")
    lossless = store.header.layout[0].coding.compression in _LOSSLESS
    assert set(how) == {"adobe_deflate" if lossless else "copied"}
    if lossless:
        return
    chunks = CompressedChunks(store.path / "0", store.header.layout[0], SLIDE_ID)
    with tifffile.TiffFile(tmp_path / "a.tiff") as file, (tmp_path / "a.tiff").open("rb") as raw:
        page = file.pages.first
        for row, column in chunks.present():
            number = row * chunks.columns + column
            raw.seek(page.dataoffsets[number])
            assert raw.read(page.databytecounts[number]) == chunks.read((row, column))


def test_it_says_nothing_of_slide_or_patient(
    store: SlideStore, exported: Path, generated: tuple[Path, SlideTruth]
) -> None:
    content = exported.read_bytes().lower()
    header = store.header
    names = [SLIDE_ID, header.vendor, header.source_sha256, header.quickhash or SLIDE_ID]
    for name in [*names, *generated[0].stem.split("_"), "aperio", str(exported.parent)]:
        assert name.lower().encode() not in content
    with tifffile.TiffFile(exported) as file:
        for page in map(file.pages.get, range(len(file.pages))):
            assert isinstance(page, tifffile.TiffPage)
            assert not {"ImageDescription", "DateTime", "HostComputer", "Artist"} & {
                tag.name for tag in page.tags
            }


@pytest.mark.parametrize(
    "mpp", [(0.499, 0.499), (0.2525, 0.2525), (0.25267, 0.25191), (0.12345678, 0.12345678)]
)
def test_any_scale_is_exact(mpp: tuple[float, float], tmp_path: Path) -> None:
    header = replace(copied_header(512, 512, 256), slide_mpp_x=mpp[0], slide_mpp_y=mpp[1])
    store = make_store(tmp_path, header, tiles_of(tissue_pixels(512, 512), 256, jpeg))
    export_tiff(store, tmp_path / "a.tiff")
    with openslide.OpenSlide(tmp_path / "a.tiff") as slide:
        found = [float(slide.properties[f"openslide.mpp-{axis}"]) for axis in "xy"]
    assert found == pytest.approx(mpp, rel=1e-12)


@pytest.mark.parametrize(
    ("space", "subsampling"), [("YCBCR", "420"), ("YCBCR", "422"), ("YCBCR", "444"), ("RGB", "444")]
)
def test_a_scanners_own_jpegs_are_copied_whatever_their_colours(
    space: str, subsampling: str, tmp_path: Path
) -> None:
    """Tiles of 240 px, as Aperio has them, the last ones hanging over the edge; some absent."""
    pixels = tissue_pixels(960, 1200)
    chunks = tiles_of(pixels, 240, lambda p: jpeg(p, space=space, subsampling=subsampling))
    for absent in ((0, 0), (1, 3), (2, 2)):
        del chunks[absent]
    store = make_store(tmp_path, copied_header(1150, 930, 240), chunks)
    how = export_tiff(store, tmp_path / "a.tiff")
    assert how == ("copied",) * len(store.factors)
    _assert_same_pixels(store, tmp_path / "a.tiff")


def _jpeg_2000(tile: Pixels) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(tile, level=0, codecformat="j2k"))


def _jpeg_440(tile: Pixels) -> bytes:
    return jpeg(tile, subsampling="440")


@pytest.mark.parametrize(
    ("tile_px", "compression", "encode"),
    [
        (248, "jpeg", jpeg),
        (256, "jpeg", _jpeg_440),
        (256, "jpeg2k", _jpeg_2000),
        (248, "jpeg2k", _jpeg_2000),
    ],
)
def test_what_no_tiff_holds_is_encoded_anew(
    tile_px: int, compression: str, encode: Callable[[Pixels], bytes], tmp_path: Path
) -> None:
    pixels = tissue_pixels(4 * tile_px, 4 * tile_px)
    chunks = tiles_of(pixels, tile_px, encode)
    del chunks[3, 3]
    header = copied_header(4 * tile_px, 4 * tile_px, tile_px, compression=compression)
    store = make_store(tmp_path, header, chunks)
    how = export_tiff(store, tmp_path / "a.tiff")
    assert how[0] == "jpeg"
    stored, found = _stored(store, 0), _by_openslide(tmp_path / "a.tiff", 0)
    assert np.abs(stored.astype(np.int16) - found).mean() < 3
    assert (found[-tile_px + 8 :, -tile_px + 8 :] == 255).all()


def test_what_has_no_tissue_is_one_white_tile(tmp_path: Path) -> None:
    """In memory and on disk glass costs nothing: 2.7 GB of pixels, of which one chunk is stored."""
    side = 30_000
    (tile,) = tiles_of(tissue_pixels(256, 256), 256, jpeg).values()
    store = make_store(tmp_path, copied_header(side, side, 256), {(50, 60): tile})
    tracemalloc.start()
    export_tiff(store, tmp_path / "a.tiff")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 * 2**20
    assert (tmp_path / "a.tiff").stat().st_size < 2 * 2**20
    with openslide.OpenSlide(tmp_path / "a.tiff") as slide:
        corner = np.asarray(slide.read_region((60 * 256 - 10, 50 * 256 - 10), 0, (276, 276)))
        far = np.asarray(slide.read_region((side - 300, side - 300), 0, (300, 300)))
    assert (far == 255).all()
    np.testing.assert_array_equal(corner[10:266, 10:266, :3], imagecodecs.jpeg8_decode(tile))
    assert (corner[:10] == 255).all()


def test_the_profile_of_the_colours_goes_with_them(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    chunks = tiles_of(tissue_pixels(512, 512), 256, jpeg)
    store = make_store(tmp_path, copied_header(512, 512, 256), chunks, icc_profile=profile)
    export_tiff(store, tmp_path / "a.tiff")
    with openslide.OpenSlide(tmp_path / "a.tiff") as slide:
        found = slide.color_profile
    assert found is not None
    assert found.tobytes() == profile


def test_pixels_converted_to_srgb_bear_no_scanner_profile(tmp_path: Path) -> None:
    header = StoreHeader(SLIDE_ID, 512, 512, 0.5, 0.5, 0.5, compression="jpeg", colour="srgb")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    chunks = tiles_of(tissue_pixels(512, 512), 256, jpeg)
    store = make_store(tmp_path, header, chunks, icc_profile=profile)
    export_tiff(store, tmp_path / "a.tiff")
    with openslide.OpenSlide(tmp_path / "a.tiff") as slide:
        assert slide.color_profile is None


def test_progress_ends_at_its_total(store: SlideStore, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    export_tiff(store, tmp_path / "a.tiff", advance=lambda *n: told.append(n))
    total = told[0][1]
    assert told == [(n, total) for n in range(1, total + 1)]


def test_what_is_there_already_is_refused_and_kept(store: SlideStore, tmp_path: Path) -> None:
    (tmp_path / "a.tiff").write_text("precious")
    with pytest.raises(InvalidValueError, match=r"a\.tiff.*Remedy"):
        export_tiff(store, tmp_path / "a.tiff")
    assert (tmp_path / "a.tiff").read_text() == "precious"


def test_an_export_into_the_store_is_refused(store: SlideStore) -> None:
    with pytest.raises(InvalidValueError, match="in what is exported"):
        export_tiff(store, store.path / "0" / "a.tiff")


def test_an_interrupted_export_leaves_nothing(store: SlideStore, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == total - 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_tiff(store, tmp_path / "a.tiff", advance=stop)
    assert not list(tmp_path.iterdir())


def test_a_damaged_store_is_not_handed_on(store: SlideStore, tmp_path: Path) -> None:
    """Not even where the altered bytes still decode: a JPEG takes much before a decoder objects."""
    copy = Path(shutil.copytree(store.path, tmp_path / "copy" / store.path.name))
    file = copy / "0/c/0/0/0"
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 1
    file.write_bytes(content)
    with pytest.raises(StoreError, match=r"damaged.*0/c/0/0/0.*altered"):
        export_tiff(SlideStore(copy), tmp_path / "out" / "a.tiff")
    assert not (tmp_path / "out").exists()


def test_tiles_that_are_no_jpeg_or_another_are_refused_with_their_place(tmp_path: Path) -> None:
    chunks = tiles_of(tissue_pixels(512, 512), 256, jpeg)
    chunks[1, 0] = jpeg(tissue_pixels(256, 256), subsampling="444")
    store = make_store(tmp_path, copied_header(512, 512, 256), chunks)
    with pytest.raises(StoreError, match=r"row 1, column 0.*Remedy"):
        export_tiff(store, tmp_path / "a.tiff")
    assert not (tmp_path / "a.tiff").exists()


def test_a_real_slide_keeps_its_pixels(real_data: Path, tmp_path: Path) -> None:
    """From the scanner's file through the store to the export: the same pixels to OpenSlide."""
    slide = real_data / "wsi" / "cmu-1-small-region.svs"
    source = SlideSource(lambda: open_slide(slide, slide_id=SLIDE_ID), slide)
    settings = TilingSettings(TileSpec(240, 0.499), mpp=None, tissue_method="whole")
    store = tile_slide(source, tmp_path / f"{SLIDE_ID}.zarr", settings)
    assert store.header.encoding == "source"
    export_tiff(store, tmp_path / "a.tiff")
    np.testing.assert_array_equal(_by_openslide(tmp_path / "a.tiff", 0), _by_openslide(slide, 0))
    with openslide.OpenSlide(slide) as before, openslide.OpenSlide(tmp_path / "a.tiff") as after:
        assert float(after.properties["openslide.mpp-x"]) == float(
            before.properties["openslide.mpp-x"]
        )
