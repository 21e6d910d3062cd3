"""TIFF slides read directly: conformance in every packing, OpenSlide's own pixels, and damage."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openslide
import pytest
import tifffile
from numpy.typing import NDArray

from pathoai.errors import DamagedSlideError, NotASlideError, PathoaiError
from pathoai.geometry import Mpp, Size
from pathoai.slide.reader import SlideReader
from pathoai.slide.tiff_reader import TiffBackend
from pathoai.testing.generated_slide import SlideTruth
from pathoai.testing.slide_readers import DamagedSlide, KnownSlide, SlideReaderTests

_HALF_MICROMETRE = {"resolution": (20_000, 20_000), "resolutionunit": "CENTIMETER"}
_TILED: dict[str, Any] = {"tile": (64, 64)}
_STRIPS: dict[str, Any] = {"rowsperstrip": 48}
_LOSSLESS: dict[str, dict[str, Any]] = {
    "raw tiles": _TILED,
    "raw strips": _STRIPS,
    "one raw strip": {"rowsperstrip": 390},
    "LZW tiles": _TILED | {"compression": "lzw"},
    "LZW strips of differences": _STRIPS | {"compression": "lzw", "predictor": True},
    "deflate tiles of differences": _TILED | {"compression": "zlib", "predictor": True},
    "deflate strips": _STRIPS | {"compression": "zlib"},
    "Zstandard tiles": _TILED | {"compression": "zstd"},
    "PackBits strips": _STRIPS | {"compression": "packbits"},
    "JPEG 2000 tiles": _TILED | {"compression": "jpeg2000"},
    "WebP tiles": _TILED | {"compression": "webp", "compressionargs": {"lossless": True}},
}


def _picture() -> NDArray[np.uint8]:
    """A picture `(390, 520, 3)` with something in it at every scale."""
    rng = np.random.default_rng(3)
    coarse = rng.integers(40, 215, (7, 9, 3)).astype(np.uint8)
    smooth = coarse.repeat(64, axis=0).repeat(64, axis=1)[:390, :520]
    return smooth + rng.integers(0, 40, smooth.shape).astype(np.uint8)


def _halved(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = pixels.shape[0] // 2 * 2, pixels.shape[1] // 2 * 2
    blocks = pixels[:height, :width].reshape(height // 2, 2, width // 2, 2, -1)
    halved: NDArray[np.uint8] = np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8)
    return halved


def _write(path: Path, pixels: NDArray[np.uint8], **options: Any) -> Path:  # noqa: ANN401 - tifffile's own
    options = {"photometric": "rgb", "metadata": None} | _HALF_MICROMETRE | options
    with tifffile.TiffWriter(
        path, bigtiff=options.pop("bigtiff", False), byteorder=options.pop("byteorder", "<")
    ) as writer:
        writer.write(pixels, **options)
    return path


def _write_ome(path: Path, pixels: NDArray[np.uint8], **options: Any) -> Path:  # noqa: ANN401 - tifffile's own
    """An OME-TIFF of three levels, the coarser two in SubIFDs."""
    metadata = {
        "axes": "YXS",
        "PhysicalSizeX": 500.0,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 0.0005,
        "PhysicalSizeYUnit": "mm",
    }
    half = _halved(pixels)
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(pixels, subifds=2, photometric="rgb", metadata=metadata, **options)
        for level in (half, _halved(half)):
            writer.write(level, subfiletype=1, photometric="rgb", **options)
    return path


def _opened(path: Path, slide_id: str = "CODE") -> SlideReader:
    return TiffBackend().open(path, Mpp.square(0.5), slide_id)


class TestEveryLosslessPacking(SlideReaderTests):
    """One level; some in the other byte order and in BigTIFF."""

    @pytest.fixture(params=_LOSSLESS)
    def path(self, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
        other = {"byteorder": ">", "bigtiff": True} if "strips" in request.param else {}
        return _write(tmp_path / "slide.tif", _picture(), **_LOSSLESS[request.param] | other)

    @pytest.fixture
    def reader(self, path: Path) -> Iterator[SlideReader]:
        with _opened(path) as reader:
            yield reader

    @pytest.fixture
    def truth(self) -> KnownSlide:
        return KnownSlide(_picture(), mpp=0.5)

    @pytest.fixture
    def damaged(self, path: Path) -> Iterator[DamagedSlide]:
        """Its first tile or strip says to have 3 bytes."""
        with tifffile.TiffFile(path, mode="r+") as tiff:
            page = tiff.pages.first
            counts = [3, *page.databytecounts[1:]]
            sound = (200, 200) if len(counts) > 1 else (0, 400)
            name = "TileByteCounts" if page.is_tiled else "StripByteCounts"
            page.tags[name].overwrite(counts, dtype="I")
        with _opened(path) as reader:
            yield DamagedSlide(reader, damaged=(0, 0), sound=sound)


class TestOmePyramid(SlideReaderTests):
    """Three levels in SubIFDs, as OME-TIFF keeps them."""

    @pytest.fixture
    def reader(self, tmp_path: Path) -> Iterator[SlideReader]:
        path = tmp_path / "slide.ome.tif"
        with _opened(_write_ome(path, _picture(), tile=(64, 64), compression="zlib")) as reader:
            assert [v.downsample for v in reader.info.levels] == pytest.approx([1, 2, 4], rel=0.01)
            yield reader

    @pytest.fixture
    def truth(self) -> KnownSlide:
        return KnownSlide(_picture(), mpp=0.5)


class TestGeneratedSvs(SlideReaderTests):
    """An Aperio slide of two levels, with thumbnail and label beside them."""

    @pytest.fixture
    def reader(self, two_level_slide: tuple[Path, SlideTruth]) -> Iterator[SlideReader]:
        with _opened(two_level_slide[0]) as reader:
            assert len(reader.info.levels) == 2
            yield reader

    @pytest.fixture
    def truth(self, two_level_slide: tuple[Path, SlideTruth]) -> KnownSlide:
        with openslide.OpenSlide(two_level_slide[0]) as slide:
            pixels = np.asarray(slide.read_region((0, 0), 0, slide.dimensions))[..., :3]
        return KnownSlide(pixels, mpp=0.5)


@pytest.mark.parametrize("name", ["CMU-1-Small-Region.jp2.tiff", "CMU-1-Small-Region.webp.tiff"])
def test_real_slides_that_openslide_refuses_show_what_the_svs_shows(
    real_data: Path, name: str
) -> None:
    """Same slide in other compressions: JPEG 2000 keeps every pixel, WebP most of each."""
    with (
        openslide.OpenSlide(real_data / "wsi" / "cmu-1-small-region.svs") as svs,
        _opened(real_data / "wsi" / name) as reader,
    ):
        expected = np.asarray(svs.read_region((0, 0), 0, svs.dimensions))[..., :3]
        found = reader.read_region(0, 0, 0, reader.info.size)
    difference = np.abs(found.astype(np.int16) - expected)
    assert difference.mean() < (1 if "jp2" in name else 8)
    np.testing.assert_array_equal(found, tifffile.imread(real_data / "wsi" / name))


def test_real_ome_tiffs_of_bio_formats_are_read_as_tifffile_reads_them(real_data: Path) -> None:
    """Their JPEG tiles are YCbCr and say so, while the TIFF tag says RGB."""
    files = sorted((real_data / "wsi").glob("ome*/*.tif*")) + sorted(
        (real_data / "wsi" / "openslide_crops").glob("*.tif")
    )
    assert len(files) == 7
    for path in files:
        with _opened(path) as reader:
            found = reader.read_region(0, 0, 0, reader.info.size)
        assert np.array_equal(found, tifffile.imread(path)), path.name


def _same_as_openslide(path: Path) -> int:
    """Compare all tiles of all levels; returns how many there were."""
    compared = 0
    with _opened(path) as reader, openslide.OpenSlide(path) as slide:
        assert [(v.size_px.width, v.size_px.height) for v in reader.info.levels] == [
            *slide.level_dimensions
        ]
        assert [v.downsample for v in reader.info.levels] == [*slide.level_downsamples]
        for index, level in enumerate(reader.info.levels):
            assert level.downsample == round(level.downsample)
            for y in range(0, level.size_px.height, 256):
                for x in range(0, level.size_px.width, 256):
                    by = round(level.downsample)
                    place = (x * by, y * by)
                    found = reader.read_region(*place, index, Size(256, 256))
                    rgba = np.asarray(slide.read_region(place, index, (256, 256)))
                    expected = np.where(rgba[..., 3:] == 255, rgba[..., :3], 255)
                    np.testing.assert_array_equal(found, expected)
                    compared += 1
    return compared


def test_pixels_are_openslides_own_at_every_level(
    two_level_slide: tuple[Path, SlideTruth], real_data: Path, tmp_path: Path
) -> None:
    generic = _write(tmp_path / "j.tif", _picture(), **_TILED, compression="jpeg")
    assert _same_as_openslide(two_level_slide[0]) > 80
    assert _same_as_openslide(real_data / "wsi" / "cmu-1-small-region.svs") > 100
    assert _same_as_openslide(real_data / "wsi" / "CMU-1-Small-Region.jpeg.tiff") > 100
    assert _same_as_openslide(generic) == 6


@pytest.mark.parametrize("compression", ["jpeg", "lzw"])
def test_grey_is_shown_as_grey(tmp_path: Path, compression: str) -> None:
    grey = _picture()[..., 0]
    path = _write(
        tmp_path / "g.tif", grey, photometric="minisblack", **_TILED, compression=compression
    )
    with _opened(path) as reader:
        found = reader.read_region(0, 0, 0, reader.info.size)
    assert (found == found[..., :1]).all()
    np.testing.assert_array_equal(found[..., 0], tifffile.imread(path))


def test_grey_whose_zero_is_white_is_turned_round(tmp_path: Path) -> None:
    grey = _picture()[..., 0]
    path = _write(tmp_path / "g.tif", grey, photometric="miniswhite", **_TILED)
    with _opened(path) as reader:
        found = reader.read_region(0, 0, 0, reader.info.size)
    np.testing.assert_array_equal(found[..., 1], 255 - grey)


@pytest.mark.parametrize("kind", ["assocalpha", "unassalpha"])
def test_transparency_lies_over_white(tmp_path: Path, kind: str) -> None:
    rgb, alpha = _picture(), np.full((390, 520, 1), 255, np.uint8)
    alpha[:100], alpha[100:200] = 0, 128
    stored = rgb if kind == "unassalpha" else np.rint(rgb * (alpha / 255)).astype(np.uint8)
    path = _write(
        tmp_path / "a.tif", np.concatenate([stored, alpha], axis=2), extrasamples=[kind], **_TILED
    )
    with _opened(path) as reader:
        found = reader.read_region(0, 0, 0, reader.info.size).astype(int)
    assert (found[:100] == 255).all()
    assert (found[200:] == rgb[200:]).all()
    halfway = rgb[100:200] * (128 / 255) + 255 * (1 - 128 / 255)
    assert np.abs(found[100:200] - halfway).max() <= 1


def test_what_the_slide_says_of_itself_is_told(real_data: Path, tmp_path: Path) -> None:
    found = TiffBackend().describe(real_data / "wsi" / "cmu-1-small-region.svs")
    assert (found.reader, found.vendor, found.compression) == ("tiff", "aperio", "JPEG")
    assert found.stated_mpp == ("0.4990", "0.4990")
    assert found.objective_power == "20"
    assert dict(found.associated_images) == {
        "label": Size(387, 463),
        "macro": Size(1280, 431),
        "thumbnail": Size(574, 768),
    }
    path = _write(tmp_path / "p.tif", _picture(), iccprofile=b"a profile", **_TILED)
    with _opened(path) as reader:
        assert reader.info.icc_profile == b"a profile"
        assert reader.info.vendor == "generic-tiff"


def test_a_missing_tile_is_white_and_its_neighbours_are_not(tmp_path: Path) -> None:
    path = _write(tmp_path / "m.tif", _picture(), **_TILED, compression="zlib")
    with tifffile.TiffFile(path, mode="r+") as tiff:
        counts = list(tiff.pages.first.databytecounts)
        counts[1] = 0
        tiff.pages.first.tags["TileByteCounts"].overwrite(counts, dtype="I")
    with _opened(path) as reader:
        found = reader.read_region(0, 0, 0, Size(192, 64))
    np.testing.assert_array_equal(found[:, :64], _picture()[:64, :64])
    assert (found[:, 64:128] == 255).all()
    np.testing.assert_array_equal(found[:, 128:], _picture()[:64, 128:192])


def _spoil(path: Path, number: int, data: bytes) -> None:
    """Overwrite the start of a tile."""
    with tifffile.TiffFile(path) as tiff:
        start = tiff.pages.first.dataoffsets[number]
    with path.open("r+b") as file:
        file.seek(start)
        file.write(data)


@pytest.mark.parametrize("compression", ["jpeg", "jpeg2000", "webp", "zlib", "zstd", "lzw"])
def test_a_damaged_tile_is_named_and_the_others_stay_readable(
    tmp_path: Path, compression: str
) -> None:
    path = _write(tmp_path / "d.tif", _picture(), **_TILED, compression=compression)
    with _opened(path) as whole:
        expected = whole.read_region(64, 0, 0, Size(456, 390))
    _spoil(path, 0, b"\x07" * 64)
    with _opened(path) as reader:
        for _ in range(2):
            with pytest.raises(DamagedSlideError, match=r"CODE at level-0 x=0, y=0, .*Remedy"):
                reader.read_region(10, 10, 0, Size(5, 5))
        np.testing.assert_array_equal(reader.read_region(64, 0, 0, Size(456, 390)), expected)


def test_a_jpeg_tile_cut_short_is_no_grey_tile(tmp_path: Path) -> None:
    """libjpeg alone would fill what is missing with grey, silently."""
    path = _write(tmp_path / "c.tif", _picture(), **_TILED, compression="jpeg")
    with tifffile.TiffFile(path, mode="r+") as tiff:
        counts = list(tiff.pages.first.databytecounts)
        counts[0] //= 2
        tiff.pages.first.tags["TileByteCounts"].overwrite(counts, dtype="I")
    with _opened(path) as reader, pytest.raises(DamagedSlideError, match="cut short"):
        reader.read_region(0, 0, 0, Size(5, 5))


@pytest.mark.parametrize("percent", [0.001, 0.1, 1, 10, 50, 90, 99, 99.9])
@pytest.mark.parametrize("name", ["cmu-1-small-region.svs", "CMU-1-Small-Region.webp.tiff"])
def test_a_truncated_slide_gives_our_error(
    real_data: Path, tmp_path: Path, percent: float, name: str
) -> None:
    whole = (real_data / "wsi" / name).read_bytes()
    path = tmp_path / "cut.tif"
    path.write_bytes(whole[: int(len(whole) * percent / 100)])

    def read_all() -> None:
        with _opened(path) as reader:
            reader.read_region(0, 0, 0, reader.info.size)

    with pytest.raises(PathoaiError):
        read_all()


def test_bytes_changed_anywhere_give_our_errors_only(
    real_data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Headers with random damage: no foreign exception, nothing printed, no text of the file."""
    rng = np.random.default_rng(11)
    messages, path = [], tmp_path / "damaged.tif"
    for name in ("tiny/small.svs", "tiny/boxes.tiff"):
        whole = (real_data / "wsi" / name).read_bytes()
        for _ in range(150):
            damaged = bytearray(whole)
            for place in rng.integers(0, min(len(whole), 1500), 4):
                damaged[place] = int(rng.choice([0, 1, 127, 128, 255, int(rng.integers(256))]))
            path.write_bytes(damaged)
            try:
                TiffBackend().describe(path)
                with _opened(path) as reader:
                    reader.read_region(0, 0, len(reader.info.levels) - 1, Size(64, 64))
            except PathoaiError as error:
                messages.append(str(error))
    assert len(messages) > 60
    assert not [message for message in messages if "ScanScope" in message]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"planarconfig": "separate"}, "each colour lies apart"),
        ({"dtype": np.uint16}, "its values have 16 bits"),
        ({"photometric": "palette"}, "neither grey nor RGB nor YCbCr"),
        ({"compression": "jpegxl"}, "its compression is"),
    ],
)
def test_pictures_of_another_kind_are_refused_with_the_cause(
    tmp_path: Path, options: dict[str, Any], cause: str
) -> None:
    options = dict(options)
    pixels = _picture().astype(options.pop("dtype", np.uint8))
    if options.get("photometric") == "palette":
        pixels = pixels[..., 0]
        options["colormap"] = np.zeros((3, 256), np.uint16)
    if options.get("planarconfig") == "separate":
        pixels = np.ascontiguousarray(np.moveaxis(pixels, 2, 0))
    path = _write(tmp_path / "o.tif", pixels, **_TILED | options)
    with pytest.raises(NotASlideError, match=cause):
        TiffBackend().describe(path)


def test_only_coarser_copies_of_the_first_picture_are_levels(tmp_path: Path) -> None:
    """Not those of another shape, in strips, of a size that is there already, or unmarked."""
    picture, path = _picture(), tmp_path / "many.tif"
    options: dict[str, Any] = {"photometric": "rgb", "metadata": None} | _TILED
    with tifffile.TiffWriter(path) as writer:
        writer.write(picture, **options)
        writer.write(picture[::4, ::4], subfiletype=1, **options)
        writer.write(picture[::2, ::2], subfiletype=1, **options)
        writer.write(picture[::2, ::2], subfiletype=1, **options)
        writer.write(picture[::2, ::4], subfiletype=1, **options)
        writer.write(picture[::3, ::3], **options)
        writer.write(picture[::5, ::5], subfiletype=1, photometric="rgb", metadata=None)
    found = TiffBackend().describe(path)
    sizes = [(v.size_px.width, v.size_px.height) for v in found.levels]
    assert sizes == [(520, 390), (260, 195), (130, 98)]
    assert list(found.associated_images) == [f"picture {number}" for number in (3, 4, 5, 6)]


def test_channels_and_focal_planes_are_not_guessed_from(tmp_path: Path) -> None:
    for axes, shape, cause in (("CYX", (3, 200, 200), "3 channels"), ("ZYX", (5, 200, 200), "5 ")):
        path = tmp_path / f"{axes}.ome.tif"
        planes = np.zeros(shape, np.uint8)
        tifffile.imwrite(
            path, planes, tile=(64, 64), photometric="minisblack", metadata={"axes": axes}
        )
        with pytest.raises(NotASlideError, match=cause):
            TiffBackend().describe(path)


def test_what_is_no_tiff_is_no_slide(tmp_path: Path) -> None:
    for content in (b"", b"II", b"II*\0", b"not a TIFF at all", b"II+\0\0\0\0\0\0\0"):
        path = tmp_path / "x.tif"
        path.write_bytes(content)
        with pytest.raises(NotASlideError, match="no TIFF"):
            TiffBackend().describe(path)
    with pytest.raises(NotASlideError, match="cannot be read"):
        TiffBackend().describe(tmp_path)


def test_a_strip_too_large_to_decode_is_refused_before_it_is(tmp_path: Path) -> None:
    """A header of 200 bytes declares one strip of 1.2 GB."""
    path = _write(tmp_path / "s.tif", np.zeros((64, 64, 3), np.uint8), rowsperstrip=64)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        for tag in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            tiff.pages.first.tags[tag].overwrite(20_000, dtype="I")
    with pytest.raises(NotASlideError, match=r"1144 MiB.*tiled"):
        TiffBackend().describe(path)


def test_the_file_is_released_when_the_slide_is_closed(tmp_path: Path) -> None:
    path = _write(tmp_path / "r.tif", _picture(), **_TILED)
    reader = _opened(path)
    reader.read_region(0, 0, 0, Size(4, 4))
    reader.close()
    with pytest.raises(PathoaiError, match="closed"):
        reader.read_region(0, 0, 0, Size(4, 4))
    shutil.rmtree(tmp_path)


def test_missing_tiles_of_openslide_and_ours_agree(tmp_path: Path) -> None:
    """At level 0; OpenSlide leaves them transparent."""
    path = _write(tmp_path / "m.tif", _picture(), **_TILED, compression="jpeg")
    with tifffile.TiffFile(path, mode="r+") as tiff:
        counts = [0, *tiff.pages.first.databytecounts[1:]]
        tiff.pages.first.tags["TileByteCounts"].overwrite(counts, dtype="I")
    with openslide.OpenSlide(path) as slide, _opened(path) as reader:
        rgba = np.asarray(slide.read_region((0, 0), 0, (128, 64)))
        assert (rgba[:, :64] == [255, 255, 255, 255]).all() or (rgba[:, :64, 3] == 0).all()
        found = reader.read_region(0, 0, 0, Size(128, 64))
    assert (found[:, :64] == 255).all()
    np.testing.assert_array_equal(found[:, 64:], rgba[:, 64:, :3])
