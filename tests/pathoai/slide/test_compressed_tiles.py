"""Compressed tiles decode on their own to exactly what the reader shows; others are refused."""

from __future__ import annotations

import struct
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
import tifffile
from numpy.typing import NDArray

from pathoai.errors import DamagedSlideError, NotCopyableError, SlideError
from pathoai.geometry import Mpp, Size
from pathoai.slide.compressed_tiles import CompressedLevel, compressed_levels
from pathoai.slide.open_slide import open_slide
from pathoai.slide.reader import Level, SlideInfo, SlideReader
from pathoai.testing.generated_slide import SlideRecipe, SlideTruth, generate_slide

_APERIO = "Aperio Image Library v12\r\n512x512 [0,0 512x512] (128x128)|AppMag = 20|MPP = 0.5"

_RGB, _YCBCR = {"outcolorspace": "rgb"}, {"outcolorspace": "ycbcr"}


def _decoded(level: CompressedLevel, row: int, column: int) -> NDArray[np.uint8]:
    with level.file.open("rb") as file:
        file.seek(int(level.offsets[row, column]))
        tile = level.standalone(file.read(int(level.byte_counts[row, column])))
    if level.codec == "jpeg":
        return np.asarray(imagecodecs.jpeg8_decode(tile), np.uint8)
    return np.asarray(imagecodecs.jpeg2k_decode(tile), np.uint8)


def _prove(path: Path, reader: SlideReader) -> int:
    """Compare every tile of every level with the reader's pixels; returns how many there were."""
    levels = compressed_levels(path, reader.info)
    for level in levels:
        size, side = reader.info.levels[level.level].size_px, level.tile_px
        by = reader.info.levels[level.level].downsample
        assert level.offsets.shape == (-(-size.height // side), -(-size.width // side))
        for row, column in np.ndindex(level.offsets.shape):
            inside = Size(
                min(side, size.width - column * side), min(side, size.height - row * side)
            )
            x, y = round(column * side * by), round(row * side * by)
            expected = reader.read_region(x, y, level.level, inside)
            found = _decoded(level, row, column)[: inside.height, : inside.width]
            np.testing.assert_array_equal(found, expected)
    return sum(level.offsets.size for level in levels)


def _picture() -> NDArray[np.uint8]:
    rng = np.random.default_rng(8)
    coarse = rng.integers(40, 215, (64, 64, 3)).astype(np.uint8)
    return coarse.repeat(8, axis=0).repeat(8, axis=1)


def _write(path: Path, **options: Any) -> Path:  # noqa: ANN401 - tifffile's own
    options = {"photometric": "rgb", "metadata": None, "tile": (128, 128)} | options
    tifffile.imwrite(path, options.pop("pixels", _picture()), **options)
    return path


@pytest.mark.parametrize(
    ("name", "tiles"),
    [
        ("cmu-1-small-region.svs", 130),
        ("CMU-1-Small-Region.jpeg.tiff", 108),
        ("CMU-1-Small-Region.jp2.tiff", 108),
        ("CMU-1-Small-Region-dicom", 130),
        ("ome/XYC_-compression_JPEG_-tilex_128_-tiley_128_-pyramid-scale_2_-merge.ome.tiff", 16),
        (
            "ome/XYC_-compression_JPEG-2000_-tilex_128_-tiley_128_-pyramid-scale_2_-merge.ome.tiff",
            16,
        ),
        ("openslide_crops/OS-1-detail.ome.tif", 9),
        ("openslide_crops/OS-2-ndpi.ome.tif", 25),
        ("openslide_crops/OS-2-vsi.ome.tif", 9),
        ("tiny/small.svs", 1),
    ],
)
def test_every_tile_of_real_slides_is_what_the_reader_shows(
    real_data: Path, name: str, tiles: int
) -> None:
    path = real_data / "wsi" / name
    with open_slide(path, mpp=Mpp.square(0.5)) as reader:
        assert _prove(path, reader) == tiles


def test_every_tile_of_every_level_of_a_generated_slide(
    two_level_slide: tuple[Path, SlideTruth], tmp_path: Path
) -> None:
    with open_slide(two_level_slide[0]) as reader:
        assert _prove(two_level_slide[0], reader) == 9 * 9 + 3 * 3
    generic = tmp_path / "slide.tif"
    generate_slide(
        generic, SlideRecipe(width=2304, height=2304, mpp=0.5, seed=1, vendor="generic-tiff")
    )
    with open_slide(generic) as reader:
        assert reader.info.vendor == "generic-tiff"
        assert _prove(generic, reader) == 9 * 9 + 3 * 3


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "jpeg", "compressionargs": _RGB},
        {"compression": "jpeg", "compressionargs": _YCBCR},
        {"compression": "jpeg", "compressionargs": _YCBCR, "subsampling": (2, 2)},
        {"compression": "jpeg", "compressionargs": _YCBCR, "bigtiff": True, "byteorder": ">"},
        {"compression": "jpeg2000"},
        {"compression": "aperio_jp2000_rgb", "description": _APERIO},
        {"compression": "jpeg", "compressionargs": _RGB, "description": _APERIO},
        {"compression": "jpeg", "compressionargs": _YCBCR, "description": _APERIO},
    ],
)
def test_colours_are_right_in_every_dialect(tmp_path: Path, options: dict[str, Any]) -> None:
    """RGB and YCbCr, with and without subsampling; OpenSlide decodes all but plain JPEG 2000."""
    path = _write(tmp_path / "slide.tif", **options)
    with open_slide(path, mpp=Mpp.square(0.5)) as reader:
        assert _prove(path, reader) == 16
        with tifffile.TiffFile(path) as tiff:
            ycbcr = options.get("compressionargs") == _YCBCR
            assert tiff.pages.first.photometric == (6 if ycbcr else 2)
        difference = np.abs(reader.read_region(0, 0, 0, Size(512, 512)).astype(int) - _picture())
    assert difference.mean() < 8


def test_a_pyramid_in_subifds_is_found(tmp_path: Path) -> None:
    path = tmp_path / "slide.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        options: dict[str, Any] = {
            "photometric": "rgb",
            "tile": (128, 128),
            "compression": "jpeg",
        }
        writer.write(_picture(), subifds=2, metadata={"axes": "YXS"}, **options)
        writer.write(_picture()[::2, ::2], subfiletype=1, **options)
        writer.write(_picture()[::4, ::4], subfiletype=1, **options)
    with open_slide(path, mpp=Mpp.square(0.5)) as reader:
        assert _prove(path, reader) == 16 + 4 + 1


_PHILIPS_LEVEL = (
    '<DataObject ObjectType="PixelDataRepresentation">'
    '<Attribute Name="DICOM_PIXEL_SPACING" Group="0x0028" Element="0x0030" PMSVR="IDoubleArray">'
    "&quot;{mm}&quot; &quot;{mm}&quot;</Attribute></DataObject>"
)
_PHILIPS = (
    '<?xml version="1.0" encoding="UTF-8" ?><DataObject ObjectType="DPUfsImport">'
    '<Attribute Name="PIM_DP_SCANNED_IMAGES" Group="0x301D" Element="0x1003" '
    'PMSVR="IDataObjectArray"><Array><DataObject ObjectType="DPScannedImage">'
    '<Attribute Name="PIM_DP_IMAGE_TYPE" Group="0x301D" Element="0x1004" '
    'PMSVR="IString">WSI</Attribute>'
    '<Attribute Name="PIIM_PIXEL_DATA_REPRESENTATION_SEQUENCE" Group="0x1001" '
    f'Element="0x8B01" PMSVR="IDataObjectArray"><Array>{_PHILIPS_LEVEL.format(mm=0.00025)}'
    f"{_PHILIPS_LEVEL.format(mm=0.0005)}</Array></Attribute></DataObject></Array></Attribute>"
    "</DataObject>"
)


def test_a_padded_level_of_philips_is_left_out(tmp_path: Path) -> None:
    """Its TIFF is as wide as its tiles, so OpenSlide's size of the level is another."""
    path = tmp_path / "slide.tiff"
    options: dict[str, Any] = {
        "tile": (128, 128),
        "compression": "jpeg",
        "photometric": "rgb",
        "metadata": None,
        "software": "Philips DP v1.0",
    }
    with tifffile.TiffWriter(path) as writer:
        writer.write(_picture()[:, :384], description=_PHILIPS, **options)
        padded = np.pad(_picture()[::2, :384:2], ((0, 0), (0, 64), (0, 0)))
        writer.write(padded, subfiletype=1, description="level=1", **options)
    with open_slide(path, mpp=Mpp.square(0.25)) as reader:
        assert reader.info.vendor == "philips"
        assert reader.info.levels[1].size_px == Size(192, 256)
        assert _prove(path, reader) == 4 * 3


def test_missing_tiles_have_no_bytes(tmp_path: Path) -> None:
    path = _write(tmp_path / "m.tif", compression="jpeg")
    with tifffile.TiffFile(path, mode="r+") as tiff:
        counts = [0, *tiff.pages.first.databytecounts[1:]]
        tiff.pages.first.tags["TileByteCounts"].overwrite(counts, dtype="I")
    with open_slide(path, mpp=Mpp.square(0.5)) as reader:
        (level,) = compressed_levels(path, reader.info)
    assert level.byte_counts[0, 0] == 0
    assert level.byte_counts[0, 1:].all()


def test_a_coarse_level_that_openslide_mends_from_the_finer_one_is_left_out(
    two_level_slide: tuple[Path, SlideTruth], tmp_path: Path
) -> None:
    """Aperio's missing tiles: a copy would be white where OpenSlide shows tissue."""
    path = tmp_path / "slide.svs"
    path.write_bytes(two_level_slide[0].read_bytes())
    with tifffile.TiffFile(path, mode="r+") as tiff:
        page = tiff.pages[2]
        assert isinstance(page, tifffile.TiffPage)
        page.tags["TileByteCounts"].overwrite([*page.databytecounts[:-1], 0], dtype="I")
    with open_slide(path) as reader:
        assert len(reader.info.levels) == 2
        missing = reader.read_region(2048, 2048, 1, Size(50, 10))
        assert not (missing == 255).all(axis=2).any()
        assert [level.level for level in compressed_levels(path, reader.info)] == [0]


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"compression": "lzw"}, "tiles are compressed with LZW"),
        ({"compression": "zlib"}, "tiles are compressed with deflate"),
        ({"compression": "webp"}, "tiles are compressed with WebP"),
        ({}, "tiles are not compressed"),
        ({"compression": "jpeg", "tile": (64, 128)}, "tiles of 128 × 64 px are not square"),
        ({"compression": "jpeg", "tile": None, "rowsperstrip": 64}, "lies in strips"),
        (
            {
                "compression": "jpeg",
                "photometric": "minisblack",
                "pixels": np.zeros((512, 512), np.uint8),
            },
            "pixels have 1 values",
        ),
        (
            {"compression": "jpeg2000", "pixels": np.zeros((512, 512, 3), np.uint16)},
            "values have 16 bits",
        ),
        (
            {
                "compression": "jpeg",
                "planarconfig": "separate",
                "pixels": np.zeros((3, 512, 512), np.uint8),
            },
            "each colour lies apart",
        ),
        (
            {"compression": "aperio_jp2000_ycbc", "description": _APERIO},
            "YCbCr without saying so themselves",
        ),
    ],
)
def test_what_cannot_be_copied_is_refused_with_the_cause(
    tmp_path: Path, options: dict[str, Any], cause: str
) -> None:
    path = _write(tmp_path / "slide.tif", **options)
    vendor = "aperio" if "description" in options else "generic-tiff"
    info = SlideInfo("", (Level(Size(512, 512), 1.0),), Mpp.square(0.5), vendor=vendor)
    with pytest.raises(NotCopyableError, match=cause):
        compressed_levels(path, info)


@pytest.mark.parametrize("vendor", ["hamamatsu", "mirax", "leica", "ventana", "memory"])
def test_vendors_whose_tiles_overlap_or_are_no_tiff_are_refused(
    tmp_path: Path, vendor: str
) -> None:
    path = _write(tmp_path / "slide.tif", compression="jpeg")
    info = SlideInfo("", (Level(Size(512, 512), 1.0),), Mpp.square(0.5), vendor=vendor)
    with pytest.raises(NotCopyableError, match=vendor):
        compressed_levels(path, info)


def test_levels_of_another_slide_are_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "slide.tif", compression="jpeg")
    info = SlideInfo("", (Level(Size(600, 512), 1.0),), Mpp.square(0.5), vendor="generic-tiff")
    with pytest.raises(NotCopyableError, match="levels are not those"):
        compressed_levels(path, info)


def _header(width: int, height: int, tiles: int) -> bytes:
    """A TIFF of JPEG tiles of 256 px that consists of its header and index alone."""
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 7)]
    tags += [(262, 3, 1, 2), (277, 3, 1, 3), (322, 3, 1, 256), (323, 3, 1, 256)]
    index = 8 + 2 + 12 * (len(tags) + 2) + 4
    tags += [(324, 4, tiles, index), (325, 4, tiles, index + 4 * tiles)]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0)


def _info(width: int, height: int) -> SlideInfo:
    size = Size(width, height)
    return SlideInfo("", (Level(size, 1.0),), Mpp.square(0.5), vendor="generic-tiff")


@pytest.mark.parametrize(
    ("width", "height", "tiles"),
    [
        (4_000_000_000, 17_000_000, 10),  # 6.8e16 px
        (8_000_000, 8_000_000, 976_562_500),  # 1e9 tiles
        (2_000_000, 2_000_000, 61_042_969),  # plausible, but the file has no such index
        (2560, 2560, 99),
        (2560, 2560, 101),
    ],
)
def test_a_header_that_lies_is_refused_before_memory_is_asked_for(
    tmp_path: Path, width: int, height: int, tiles: int
) -> None:
    path = tmp_path / "hostile.tif"
    path.write_bytes(_header(width, height, tiles))
    tracemalloc.start()
    with pytest.raises(DamagedSlideError, match=r"size|tiles|ends before"):
        compressed_levels(path, _info(width, height))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_a_hundred_thousand_tiles_are_found_in_well_under_a_second(tmp_path: Path) -> None:
    path, tiles = tmp_path / "large.tif", 316 * 317
    index = np.arange(2 * tiles, dtype="<u4")
    path.write_bytes(_header(317 * 256, 316 * 256, tiles) + index.tobytes())
    start = time.process_time()
    (level,) = compressed_levels(path, _info(317 * 256, 316 * 256))
    assert time.process_time() - start < 0.5
    assert level.offsets[-1, -1] == tiles - 1
    assert level.byte_counts[0, 0] == tiles


def test_finding_tiles_needs_neither_torch_nor_zarr_nor_tifffile() -> None:
    code = (
        "import sys, pathoai.slide.compressed_tiles, pathoai.slide.tiff_reader;"
        "sys.exit(any(m in sys.modules for m in ('torch', 'zarr', 'tifffile', 'pydicom')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_jpeg_tables_that_are_damaged_are_our_error(real_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "slide.svs"
    path.write_bytes((real_data / "wsi" / "cmu-1-small-region.svs").read_bytes())
    with tifffile.TiffFile(path) as tiff:
        start = tiff.pages.first.tags["JPEGTables"].valueoffset
    with path.open("r+b") as file:
        file.seek(start)
        file.write(bytes(289))
    info = SlideInfo("", (Level(Size(2220, 2967), 1.0),), Mpp.square(0.5), vendor="aperio")
    with pytest.raises(DamagedSlideError, match=r"JPEG tables.*Remedy"):
        compressed_levels(path, info)


def test_dicom_that_cannot_be_copied_is_refused_with_the_cause(real_data: Path) -> None:
    for name, cause in (("sm_image.dcm", "not compressed"), ("sm_image_jpegls.dcm", "JPEG-LS")):
        path = real_data / "wsi" / "highdicom" / name
        with open_slide(path) as reader, pytest.raises(NotCopyableError, match=cause):
            compressed_levels(path, reader.info)


def test_frames_of_a_truncated_dicom_are_our_error(real_data: Path, tmp_path: Path) -> None:
    (path,) = (real_data / "wsi" / "CMU-1-Small-Region-dicom").glob("*35220*.dcm")
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(path.read_bytes()[:500_000])
    size = Size(2220, 2967)
    info = SlideInfo("", (Level(size, 1.0),), Mpp.square(0.5), vendor="dicom")
    with pytest.raises(SlideError, match="ends before"):
        compressed_levels(cut, info)


def test_jpeg_2000_in_dicom_is_copied(real_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "slide.dcm"
    data = pydicom.dcmread(real_data / "wsi" / "highdicom" / "sm_image.dcm")
    frames = data.pixel_array
    tiles = [bytes(imagecodecs.jpeg2k_encode(v, level=0, codecformat="j2k")) for v in frames]
    data.PixelData = pydicom.encaps.encapsulate([tile + b"\0" * (len(tile) % 2) for tile in tiles])
    data["PixelData"].is_undefined_length = True
    data.PhotometricInterpretation = "YBR_RCT"
    data.file_meta.TransferSyntaxUID = pydicom.uid.JPEG2000Lossless
    data.save_as(path)
    with open_slide(path) as reader:
        assert _prove(path, reader) == 25
        np.testing.assert_array_equal(reader.read_region(10, 0, 0, Size(10, 10)), frames[1])
