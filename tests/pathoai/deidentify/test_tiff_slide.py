"""TIFF slides: what is planted is gone, pixels stay, and other readers open the copy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import openslide
import pytest
import tifffile

from pathoai.deidentify.deidentified import Deidentified
from pathoai.deidentify.deidentify_slide import deidentify_slide
from pathoai.errors import DamagedSlideError, DeidentificationError, NotASlideError, PathoaiError
from pathoai.slide.open_slide import describe_slide
from pathoai.testing.canaries import CANARIES, canaries_in
from pathoai.testing.icc_profile import matrix_profile
from tests.pathoai.deidentify.planted_tiff import APERIO, OME_XML, PIXELS, write_planted_tiff

_CODE = "7Q9K2M4N6P8R0S1T"
_KEY = bytes(range(32))
_NAME, _IPP, _DAY, _REMARK, _NIR, _BLOCK, _DOCTOR, _MAIL, _SERIAL, _BARCODE, _PLACE, _TEL = CANARIES


def _deidentify(source: Path, out: Path) -> Deidentified:
    return deidentify_slide(source, out, code=_CODE, uid_key=_KEY)


@pytest.mark.parametrize("big", [False, True])
def test_nothing_planted_leaves_with_an_svs(tmp_path: Path, big: bool) -> None:
    source = tmp_path / _PLACE / f"{_NAME} {_IPP}.svs"
    write_planted_tiff(source, description=APERIO, big=big)
    # The canaries are where the search can find them.
    assert len(canaries_in(tmp_path)) >= 10
    done = _deidentify(source, tmp_path / "out")
    assert canaries_in(tmp_path / "out") == []
    assert [path.name for path in done.paths] == [f"{_CODE}.svs"]
    with openslide.OpenSlide(source) as before, openslide.OpenSlide(done.path) as after:
        assert list(before.associated_images) == ["label", "macro"]
        assert dict(after.associated_images) == {}
        assert after.level_dimensions == before.level_dimensions
        for name in (openslide.PROPERTY_NAME_MPP_X, openslide.PROPERTY_NAME_OBJECTIVE_POWER):
            assert after.properties[name] == before.properties[name]
        for level, size in enumerate(before.level_dimensions):
            old, new = (v.read_region((0, 0), level, size) for v in (before, after))
            assert old.tobytes() == new.tobytes()


def test_the_report_tells_kinds_and_counts(tmp_path: Path) -> None:
    source = tmp_path / "slide.svs"
    write_planted_tiff(source, description=APERIO)
    report = _deidentify(source, tmp_path / "out").report
    left = report["left_behind"]
    assert left["TIFF tag 700"] == left["TIFF tag 65001"] == 2
    assert left["picture that is no level"] == 3
    assert left["JPEG comment"] == left["JPEG APP1"] == left["bytes after a JPEG"] == 16
    assert left["ICC header"] == 2
    saved = json.loads((tmp_path / "out" / _CODE / "report.json").read_text("utf8"))
    assert saved == report


def test_colours_stay_and_the_profile_loses_its_date(tmp_path: Path) -> None:
    from pathoai.slide.icc import to_srgb

    source = tmp_path / "slide.svs"
    write_planted_tiff(source, description=APERIO)
    done = _deidentify(source, tmp_path / "out")
    with tifffile.TiffFile(done.path) as tiff:
        profile = tiff.pages.first.iccprofile or b""
    assert profile[24:36] == bytes(12)
    np.testing.assert_array_equal(to_srgb(PIXELS, profile), to_srgb(PIXELS, matrix_profile(1.8)))


def test_nothing_planted_leaves_with_an_ome_tiff(tmp_path: Path) -> None:
    source = tmp_path / _NAME / "slide.ome.tiff"
    write_planted_tiff(source, description=OME_XML)
    done = _deidentify(source, tmp_path / "out")
    assert canaries_in(tmp_path / "out") == []
    assert done.path.name == f"{_CODE}.ome.tiff"
    described = describe_slide(done.path)
    assert (described.vendor, described.stated_mpp) == ("ome-tiff", ("0.25", "0.25"))
    assert described.objective_power == "40"
    with tifffile.TiffFile(done.path) as tiff:
        assert tiff.is_ome
        assert tiff.series[0].shape == (300, 420, 3)


@pytest.mark.parametrize("compression", ["deflate", "lzw", None, "webp"])
def test_other_compressions_hide_nothing_behind_the_pixels(
    tmp_path: Path, compression: str | None
) -> None:
    """The stream of each tile is made longer by a word that no decoder shows."""
    path = tmp_path / "slide.tiff"
    options: dict[str, Any] = {"compression": compression}
    if compression == "webp":
        options["compressionargs"] = {"level": -1}
    tifffile.imwrite(
        path, PIXELS, tile=(128, 128), photometric="rgb", metadata=None, software=False, **options
    )
    plain = _deidentify(path, tmp_path / "plain")
    if compression is not None:
        _lengthen_tiles(path, _SERIAL.encode())
        assert canaries_in(tmp_path) != []
    done = deidentify_slide(path, tmp_path / "out", code=_CODE, uid_key=_KEY)
    assert canaries_in(tmp_path / "out") == []
    assert done.level_sha256 == plain.level_sha256
    np.testing.assert_array_equal(tifffile.imread(done.path), PIXELS)


def _lengthen_tiles(path: Path, word: bytes) -> None:
    """Every tile is moved to the end of the file, with a word behind it."""
    with tifffile.TiffFile(path, mode="r+") as tiff:
        page: Any = tiff.pages.first
        file, offsets, counts = tiff.filehandle, [], []
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            file.seek(offset)
            tile = file.read(count)
            file.seek(0, 2)
            offsets.append(file.tell())
            file.write(tile + word)
            counts.append(count + len(word))
        page.tags["TileOffsets"].overwrite(offsets)
        page.tags["TileByteCounts"].overwrite(counts)


def test_levels_that_lie_below_the_first_stay_there(tmp_path: Path) -> None:
    path = tmp_path / "slide.ome.tiff"
    with tifffile.TiffWriter(path) as tiff:
        options: dict[str, Any] = {"tile": (128, 128), "photometric": "rgb"}
        tiff.write(PIXELS, subifds=1, metadata={"axes": "YXS", "Name": _NAME}, **options)
        tiff.write(np.ascontiguousarray(PIXELS[::2, ::2]), subfiletype=1, **options)
    done = _deidentify(path, tmp_path / "out")
    assert canaries_in(tmp_path / "out") == []
    with tifffile.TiffFile(done.path) as tiff:
        series: Any = tiff.series[0]
        assert [level.shape for level in series.levels] == [(300, 420, 3), (150, 210, 3)]
        np.testing.assert_array_equal(series.levels[1].asarray(), PIXELS[::2, ::2])


def test_a_file_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "slide.svs"
    write_planted_tiff(source, description=APERIO)
    whole = source.read_bytes()
    for share in (0.1, 0.5, 0.8):
        source.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(PathoaiError) as caught:
            _deidentify(source, tmp_path / "out")
        assert isinstance(caught.value, DamagedSlideError | NotASlideError)
        assert "\n" not in str(caught.value)
        assert not list((tmp_path / "out").glob("*"))


def test_a_scale_that_is_no_number_goes_into_quarantine(tmp_path: Path) -> None:
    source = tmp_path / "slide.svs"
    write_planted_tiff(source, description=APERIO.replace("AppMag = 20", f"AppMag = {_NAME}"))
    with pytest.raises(DeidentificationError) as caught:
        _deidentify(source, tmp_path / "out")
    assert _NAME not in str(caught.value)
    assert not list((tmp_path / "out").glob("*"))


def test_a_jpeg_segment_that_nobody_allowed_goes_into_quarantine(tmp_path: Path) -> None:
    path = tmp_path / "slide.tiff"
    tile = bytes(imagecodecs.jpeg8_encode(np.ascontiguousarray(PIXELS[:128, :128])))
    word = _NAME.encode()
    # JPG extension segments (F0 to FD) are skipped by decoders.
    hidden = tile[:2] + b"\xff\xf3" + (len(word) + 2).to_bytes(2, "big") + word + tile[2:]
    tifffile.imwrite(
        path, iter([hidden]), shape=(128, 128, 3), dtype=np.uint8, tile=(128, 128),
        compression="jpeg", photometric="ycbcr", metadata=None,
    )  # fmt: skip
    with pytest.raises(PathoaiError) as caught:
        _deidentify(path, tmp_path / "out")
    assert _NAME not in str(caught.value)
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize(
    "name",
    ["cmu-1-small-region.svs", "CMU-1-Small-Region.jp2.tiff", "CMU-1-Small-Region.webp.tiff",
     "ome/XYC_-compression_LZW_-tilex_128_-tiley_128_-pyramid-scale_2_-merge.ome.tiff"],
)  # fmt: skip
def test_real_slides(real_data: Path, name: str, tmp_path: Path) -> None:
    source = real_data / "wsi" / name
    done = _deidentify(source, tmp_path)
    before, after = describe_slide(source), describe_slide(done.path)
    assert (after.levels, after.objective_power) == (before.levels, before.objective_power)
    assert not after.associated_images
