"""OpenSlide's slides: conformance, damage, and what other files give instead of a slide."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from pathoai.errors import (
    DamagedSlideError,
    ImplausibleMppError,
    MissingFileError,
    NotASlideError,
    PathoaiError,
    SlideError,
)
from pathoai.geometry import Mpp, Size
from pathoai.slide.open_slide import describe_slide, open_slide
from pathoai.slide.openslide_reader import OpenSlideReader
from pathoai.slide.reader import SlideReader
from pathoai.testing.generated_slide import SlideTruth
from pathoai.testing.slide_readers import KnownSlide, SlideReaderTests

# tifffile and OpenSlide decode JPEG by different libraries.
_DECODERS_DIFFER = 1.5


class TestOneLevel(SlideReaderTests):
    """A generated slide of one level."""

    @pytest.fixture
    def reader(self, generated: tuple[Path, SlideTruth]) -> Iterator[SlideReader]:
        with open_slide(generated[0]) as reader:
            yield reader

    @pytest.fixture
    def truth(self, generated: tuple[Path, SlideTruth]) -> KnownSlide:
        pixels = tifffile.imread(generated[0], level=0)
        return KnownSlide(pixels, mpp=0.5, tolerance=_DECODERS_DIFFER)


class TestTwoLevels(SlideReaderTests):
    """A generated slide with a coarser level."""

    @pytest.fixture
    def reader(self, two_level_slide: tuple[Path, SlideTruth]) -> Iterator[SlideReader]:
        with open_slide(two_level_slide[0]) as reader:
            assert len(reader.info.levels) == 2
            yield reader

    @pytest.fixture
    def truth(self, two_level_slide: tuple[Path, SlideTruth]) -> KnownSlide:
        pixels = tifffile.imread(two_level_slide[0], level=0)
        return KnownSlide(pixels, mpp=0.5, tolerance=_DECODERS_DIFFER)


class TestRealSlide(SlideReaderTests):
    """A real slide of an Aperio scanner, in tiles of 240 px."""

    @pytest.fixture
    def reader(self, real_data: Path) -> Iterator[SlideReader]:
        with open_slide(real_data / "wsi" / "cmu-1-small-region.svs") as reader:
            yield reader

    @pytest.fixture
    def truth(self, real_data: Path) -> KnownSlide:
        pixels = tifffile.imread(real_data / "wsi" / "cmu-1-small-region.svs", level=0)
        return KnownSlide(pixels, mpp=0.499, tolerance=_DECODERS_DIFFER)


def test_the_real_slide_is_described_as_it_is(real_data: Path) -> None:
    found = describe_slide(real_data / "wsi" / "cmu-1-small-region.svs")
    assert found.vendor == "aperio"
    assert found.compression == "JPEG"
    assert found.stated_mpp == ("0.499", "0.499")
    assert [level.size_px for level in found.levels] == [Size(2220, 2967)]
    assert dict(found.associated_images) == {
        "label": Size(387, 463),
        "macro": Size(1280, 431),
        "thumbnail": Size(574, 768),
    }


def test_an_unreadable_associated_image_hides_nothing(real_data: Path) -> None:
    """Its size is stated by the file; that it cannot be decoded concerns whoever decodes it."""
    found = describe_slide(real_data / "wsi" / "tiny" / "unreadable.svs")
    assert found.stated_mpp == ("0.499", "0.499")
    assert dict(found.associated_images) == {"thumbnail": Size(16, 16)}


def test_an_unreadable_tile_is_our_error(real_data: Path) -> None:
    with open_slide(real_data / "wsi" / "tiny" / "unreadable.svs", slide_id="CODE") as reader:
        for _ in range(2):
            with pytest.raises(DamagedSlideError, match=r"CODE.*Remedy"):
                reader.read_region(0, 0, 0, Size(16, 16))


def test_a_compression_that_nobody_knows_gives_our_error(real_data: Path) -> None:
    for ask in (describe_slide, open_slide):
        with pytest.raises(SlideError, match=r"^the slide: no reader .*Remedy"):
            ask(real_data / "wsi" / "tiny" / "unopenable.tiff")


def test_a_scale_in_the_wrong_unit_is_refused_with_its_remedy(real_data: Path) -> None:
    """Real file, whose resolution tag is wrong by 100; the user's scale opens it."""
    path = real_data / "wsi" / "CMU-1-Small-Region.jpeg.tiff"
    with pytest.raises(ImplausibleMppError, match=r"0\.00499.*--mpp"):
        open_slide(path)
    with open_slide(path, mpp=Mpp.square(0.499)) as reader:
        assert reader.info.mpp == Mpp.square(0.499)


def test_every_real_file_gives_a_slide_or_one_of_our_errors(real_data: Path) -> None:
    opened, messages = 0, []
    for path in sorted((real_data / "wsi").rglob("*")):
        try:
            with open_slide(path) as reader:
                reader.read_region(0, 0, 0, Size(8, 8))
            opened += 1
        except SlideError as error:
            messages.append(str(error))
    assert opened >= 3
    assert not [message for message in messages if str(real_data) in message]


def test_what_is_no_file_and_what_is_no_slide(tmp_path: Path) -> None:
    text = tmp_path / "notes.svs"
    text.write_text("not a slide")
    empty = tmp_path / "empty.svs"
    empty.touch()
    for path, kind in (
        (tmp_path / "absent.svs", MissingFileError),
        (tmp_path, NotASlideError),
        (text, NotASlideError),
        (empty, NotASlideError),
    ):
        for ask in (describe_slide, open_slide):
            with pytest.raises(kind, match="the slide: ") as caught:
                ask(path)
            assert path.name not in str(caught.value)  # it may be a patient's


def test_errors_name_a_coded_slide_by_its_code_alone(
    generated: tuple[Path, SlideTruth], tmp_path: Path
) -> None:
    """Files are named after patients."""
    whole = generated[0].read_bytes()
    for number, length in enumerate((0, 9, len(whole) // 2)):
        path = tmp_path / f"{number}-{generated[0].name}"
        path.write_bytes(whole[:length])
        with pytest.raises(SlideError, match="CODE") as raised:
            open_slide(path, slide_id="CODE")
        assert "DUPONT" not in str(raised.value)
    with pytest.raises(MissingFileError, match="CODE") as missing:
        open_slide(tmp_path / "DUPONT.svs", slide_id="CODE")
    assert "DUPONT" not in str(missing.value)


@pytest.mark.parametrize("percent", [0.001, 0.1, 1, 10, 50, 90, 99, 99.9])
def test_a_truncated_slide_gives_our_error(real_data: Path, tmp_path: Path, percent: float) -> None:
    whole = (real_data / "wsi" / "cmu-1-small-region.svs").read_bytes()
    path = tmp_path / "cut.svs"
    path.write_bytes(whole[: int(len(whole) * percent / 100)])

    def read_all() -> None:
        with open_slide(path) as reader:
            for y in range(0, 2967, 240):
                reader.read_region(0, y, 0, Size(2220, 240))

    with pytest.raises(SlideError, match="Remedy"):
        read_all()


def test_bytes_changed_anywhere_give_our_errors_only(
    real_data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Headers of a real TIFF with random damage: no foreign exception, and nothing printed."""
    small = (real_data / "wsi" / "tiny" / "small.svs").read_bytes()
    rng = np.random.default_rng(7)
    refused = 0
    path = tmp_path / "damaged.svs"
    for _ in range(120):
        damaged = bytearray(small)
        for place in rng.integers(0, len(small), 3):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            describe_slide(path)
            with open_slide(path) as reader:
                reader.read_region(0, 0, 0, Size(16, 16))
        except PathoaiError:
            refused += 1
    assert refused > 8
    assert capfd.readouterr() == ("", "")


def _damage_first_tile(path: Path) -> None:
    """Overwrite the JPEG stream of the first tile of level 0 with noise."""
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        start, length = page.dataoffsets[0], page.databytecounts[0]
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\xff\xd9" * (length // 2))


def test_after_a_damaged_tile_good_ones_are_still_read(
    generated: tuple[Path, SlideTruth], tmp_path: Path
) -> None:
    """OpenSlide latches errors: the same handle would refuse the whole slide from then on."""
    path = tmp_path / "damaged.svs"
    shutil.copy(generated[0], path)
    _damage_first_tile(path)
    with open_slide(generated[0]) as whole, open_slide(path, slide_id="CODE") as reader:
        size = Size(200, 200)
        with pytest.raises(DamagedSlideError, match=r"CODE at level-0 x=10, y=20.*Remedy"):
            reader.read_region(10, 20, 0, size)
        np.testing.assert_array_equal(
            reader.read_region(600, 600, 0, size), whole.read_region(600, 600, 0, size)
        )
        with pytest.raises(DamagedSlideError):
            reader.read_region(10, 20, 0, size)


def test_reading_after_closing_opens_again(generated: tuple[Path, SlideTruth]) -> None:
    reader = OpenSlideReader(generated[0], mpp=Mpp.square(0.5))
    before = reader.read_region(700, 600, 0, Size(50, 50))
    reader.close()
    np.testing.assert_array_equal(reader.read_region(700, 600, 0, Size(50, 50)), before)
    reader.close()


def test_a_canvas_larger_than_any_glass_is_refused_before_memory_is_asked_for(
    real_data: Path, tmp_path: Path
) -> None:
    """Hostile headers declare billions of pixels."""
    path = tmp_path / "hostile.svs"
    shutil.copy(real_data / "wsi" / "tiny" / "small.svs", path)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages.first.tags["ImageWidth"].overwrite(2_000_000_000, dtype="I")
    with pytest.raises(SlideError, match=r"Remedy"):
        open_slide(path)
