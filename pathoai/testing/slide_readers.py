"""What every slide reader must do: subclass `SlideReaderTests` in a test module of pytest.

::

    from pathoai.testing.slide_readers import KnownSlide, SlideReaderTests

    class TestMyReader(SlideReaderTests):
        @pytest.fixture
        def reader(self):
            with MyReader(...) as reader:
                yield reader

        @pytest.fixture
        def truth(self):
            return KnownSlide(pixels, mpp=0.5)

A backend of files also overrides the fixture `damaged`, with a slide of which one tile is spoilt.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from pathoai.errors import DamagedSlideError, InvalidValueError
from pathoai.geometry import Region, Size
from pathoai.slide.reader import SlideReader

_WHITE = 255
# Levels are shrunk by filters of the scanner's choice, so they agree in the mean, not by pixel.
_COARSE_TOLERANCE = 4.0
_OUTSIDE_PX = 40


@dataclass(frozen=True, eq=False)
class KnownSlide:
    """What is known of the slide under test.

    Attributes:
        pixels: All of level 0, `(height, width, 3)` uint8.
        mpp: Scale of level 0, µm per pixel.
        tolerance: Mean absolute difference in grey levels that the decoder is allowed; 0 for
            lossless slides, about 2 where another JPEG decoder made `pixels`.
        icc_profile: What the reader must record.
        unscanned: A rectangle, level-0 pixels, that the slide has no pixel of: transparent, or
            of tiles that are missing.
    """

    pixels: NDArray[np.uint8]
    mpp: float
    tolerance: float = 0.0
    icc_profile: bytes | None = None
    unscanned: Region | None = None

    @property
    def size(self) -> Size:
        """Width and height of level 0."""
        return Size(self.pixels.shape[1], self.pixels.shape[0])


@dataclass(frozen=True, eq=False)
class DamagedSlide:
    """A slide of which something cannot be decoded.

    Attributes:
        reader: The slide, open.
        damaged: Level-0 position of a pixel that cannot be decoded.
        sound: Level-0 position from which 16 × 16 pixels can.
    """

    reader: SlideReader
    damaged: tuple[int, int]
    sound: tuple[int, int]


def _difference(found: NDArray[np.uint8], expected: NDArray[np.uint8]) -> float:
    """Mean absolute difference in grey levels."""
    return float(np.abs(found.astype(np.int16) - expected.astype(np.int16)).mean())


def _whole(reader: SlideReader) -> NDArray[np.uint8]:
    return reader.read_region(0, 0, 0, reader.info.size)


class SlideReaderTests:
    """Conformance tests of a `SlideReader`; override the fixtures `reader` and `truth`."""

    @pytest.fixture
    def reader(self) -> SlideReader:
        """The reader under test, open."""
        raise NotImplementedError("override the fixture `reader`")

    @pytest.fixture
    def truth(self) -> KnownSlide:
        """What the slide holds."""
        raise NotImplementedError("override the fixture `truth`")

    @pytest.fixture
    def damaged(self) -> DamagedSlide:
        """A slide with a spoilt tile, for backends whose pixels can be spoilt."""
        pytest.skip("no damaged slide was given to this reader")

    def test_is_a_slide_reader(self, reader: SlideReader) -> None:
        """It has all members of the protocol."""
        assert isinstance(reader, SlideReader)

    def test_level_0_is_the_whole_slide(self, reader: SlideReader, truth: KnownSlide) -> None:
        """Its size is the canvas' and its downsample 1."""
        assert reader.info.levels[0].size_px == truth.size
        assert reader.info.levels[0].downsample == 1.0
        assert reader.info.size == truth.size

    def test_levels_go_from_fine_to_coarse(self, reader: SlideReader) -> None:
        """Downsamples grow, sizes shrink, and both tell the same."""
        levels = reader.info.levels
        assert [v.downsample for v in levels] == sorted({v.downsample for v in levels})
        for level in levels:
            assert level.size_px.width == pytest.approx(
                reader.info.size.width / level.downsample, abs=2
            )
            assert level.size_px.height == pytest.approx(
                reader.info.size.height / level.downsample, abs=2
            )

    def test_scale_is_that_of_the_slide(self, reader: SlideReader, truth: KnownSlide) -> None:
        """Micrometres per pixel of level 0, along both axes."""
        assert reader.info.mpp.x == pytest.approx(truth.mpp, rel=1e-3)
        assert reader.info.mpp.y == pytest.approx(truth.mpp, rel=1e-3)

    def test_pixels_are_those_of_the_slide(self, reader: SlideReader, truth: KnownSlide) -> None:
        """All of level 0."""
        assert _difference(_whole(reader), truth.pixels) <= truth.tolerance

    def test_pixels_are_rgb_bytes_of_the_size_asked_for(self, reader: SlideReader) -> None:
        """Height before width, three channels, uint8, at every level; one pixel is enough."""
        for level in range(len(reader.info.levels)):
            for size in (Size(31, 17), Size(1, 1)):
                pixels = reader.read_region(5, 9, level, size)
                assert pixels.shape == (size.height, size.width, 3)
                assert pixels.dtype == np.uint8

    def test_any_region_is_a_crop_of_the_whole(self, reader: SlideReader) -> None:
        """Exactly; tile borders, odd positions and the last pixels included."""
        whole = _whole(reader)
        width, height = reader.info.size.width, reader.info.size.height
        rng = np.random.default_rng(0)
        corners = [(0, 0), (max(0, width - 33), max(0, height - 21)), (1, 3)]
        anywhere = [(int(rng.integers(width)), int(rng.integers(height))) for _ in range(8)]
        for x, y in corners + anywhere:
            size = Size(min(33, width - x), min(21, height - y))
            found = reader.read_region(x, y, 0, size)
            np.testing.assert_array_equal(
                found, whole[y : y + size.height, x : x + size.width], err_msg=f"at x={x}, y={y}"
            )

    def test_left_and_above_the_slide_is_white(self, reader: SlideReader) -> None:
        """Negative positions are allowed; what lies inside the slide stays in place."""
        edge = _OUTSIDE_PX
        inside = Size(min(20, reader.info.size.width), min(20, reader.info.size.height))
        found = reader.read_region(-edge, -edge, 0, Size(edge + inside.width, edge + inside.height))
        assert (found[:edge] == _WHITE).all()
        assert (found[:, :edge] == _WHITE).all()
        np.testing.assert_array_equal(found[edge:, edge:], reader.read_region(0, 0, 0, inside))

    def test_right_of_and_below_the_slide_is_white(self, reader: SlideReader) -> None:
        """A region may reach past the last pixel."""
        width, height = reader.info.size.width, reader.info.size.height
        x, y = max(0, width - 20), max(0, height - 20)
        inside = Size(width - x, height - y)
        size = Size(inside.width + _OUTSIDE_PX, inside.height + _OUTSIDE_PX)
        found = reader.read_region(x, y, 0, size)
        assert (found[inside.height :] == _WHITE).all()
        assert (found[:, inside.width :] == _WHITE).all()
        np.testing.assert_array_equal(
            found[: inside.height, : inside.width], reader.read_region(x, y, 0, inside)
        )

    def test_a_region_beyond_all_edges_holds_the_whole_level(self, reader: SlideReader) -> None:
        """At every level, in one read: the level in its place, and white around it."""
        for index, level in enumerate(reader.info.levels):
            # In whole pixels of the level, so that no reader has to round.
            margin = max(1, round(_OUTSIDE_PX / level.downsample))
            edge = round(margin * level.downsample)
            width, height = level.size_px.width, level.size_px.height
            size = Size(width + 2 * margin, height + 2 * margin)
            found = np.array(reader.read_region(-edge, -edge, index, size))
            inside = found[margin : margin + height, margin : margin + width]
            assert _difference(inside, reader.read_region(0, 0, index, level.size_px)) <= 2.0
            # One pixel of rim where a coarse level ends between two pixels.
            rim = margin - (0 if index == 0 else 1)
            found[rim : height + 2 * margin - rim, rim : width + 2 * margin - rim] = _WHITE
            assert (found == _WHITE).all(), f"level {index}"

    def test_what_was_not_scanned_is_white(self, reader: SlideReader, truth: KnownSlide) -> None:
        """Never black, whatever lies under the transparency; at every level."""
        if truth.unscanned is None:
            pytest.skip("all of this slide was scanned")
        region = truth.unscanned
        for index, level in enumerate(reader.info.levels):
            # Away from the border, where a coarse pixel may mix with what was scanned.
            inset = 2 * level.downsample
            width = int((region.width - 2 * inset) / level.downsample)
            height = int((region.height - 2 * inset) / level.downsample)
            if width > 0 and height > 0:
                found = reader.read_region(
                    round(region.x + inset), round(region.y + inset), index, Size(width, height)
                )
                assert (found == _WHITE).all(), f"level {index}"

    def test_the_icc_profile_is_that_of_the_file(
        self, reader: SlideReader, truth: KnownSlide
    ) -> None:
        """Byte by byte, or None where the file holds none."""
        assert reader.info.icc_profile == truth.icc_profile

    def test_damage_is_an_error_there_and_nowhere_else(self, damaged: DamagedSlide) -> None:
        """It names the position, comes again, and what is sound is read between and after."""
        size = Size(16, 16)
        x, y = damaged.damaged
        before = damaged.reader.read_region(*damaged.sound, 0, size)
        for _ in range(2):
            with pytest.raises(DamagedSlideError, match=rf"x={x}, y={y}.*Remedy"):
                damaged.reader.read_region(x, y, 0, Size(1, 1))
            np.testing.assert_array_equal(
                damaged.reader.read_region(*damaged.sound, 0, size), before
            )

    def test_far_from_the_slide_all_is_white(self, reader: SlideReader) -> None:
        """On each side, at every level."""
        width, height = reader.info.size.width, reader.info.size.height
        far = [(-9 * width, 0), (0, -9 * height), (9 * width, 0), (0, 9 * height)]
        for level in range(len(reader.info.levels)):
            for x, y in far:
                assert (reader.read_region(x, y, level, Size(16, 16)) == _WHITE).all()

    def test_coarse_levels_show_the_same_slide(
        self, reader: SlideReader, truth: KnownSlide
    ) -> None:
        """The mean colour of every ninth of the slide agrees with level 0."""
        for index, level in enumerate(reader.info.levels[1:], start=1):
            width, height = level.size_px.width // 3, level.size_px.height // 3
            for row in range(3):
                for column in range(3):
                    x = round(column * width * level.downsample)
                    y = round(row * height * level.downsample)
                    found = reader.read_region(x, y, index, Size(width, height))
                    covered = truth.pixels[
                        y : y + round(height * level.downsample),
                        x : x + round(width * level.downsample),
                    ]
                    assert np.allclose(
                        found.mean(axis=(0, 1)),
                        covered.mean(axis=(0, 1)),
                        atol=_COARSE_TOLERANCE + truth.tolerance,
                    ), f"level {index}, row {row}, column {column}"

    def test_positions_are_level_0_pixels_at_every_level(self, reader: SlideReader) -> None:
        """A coarse region starts where the level-0 region of the same position does."""
        for index, level in enumerate(reader.info.levels):
            step = 8
            x, y = round(step * level.downsample), round(step * level.downsample)
            whole = reader.read_region(0, 0, index, level.size_px)
            found = reader.read_region(x, y, index, Size(step, step))
            assert _difference(found, whole[step : 2 * step, step : 2 * step]) <= 2.0

    def test_unknown_levels_are_refused(self, reader: SlideReader) -> None:
        """Neither counted from the end nor taken for the last one."""
        for level in (-1, len(reader.info.levels), 99):
            with pytest.raises(InvalidValueError, match="no such level"):
                reader.read_region(0, 0, level, Size(8, 8))

    def test_repeated_reads_give_the_same_pixels(self, reader: SlideReader) -> None:
        """Whatever was read in between, and whatever was done to the array."""
        size = Size(min(64, reader.info.size.width), min(48, reader.info.size.height))
        first = reader.read_region(0, 0, 0, size).copy()
        spoilt = np.array(reader.read_region(0, 0, 0, size))
        spoilt[:] = 0
        reader.read_region(reader.info.size.width - 8, reader.info.size.height - 8, 0, Size(8, 8))
        np.testing.assert_array_equal(reader.read_region(0, 0, 0, size), first)

    def test_pixels_belong_to_the_caller(self, reader: SlideReader) -> None:
        """Writing into them changes no slide."""
        size = Size(8, 8)
        found = reader.read_region(0, 0, 0, size)
        before = found.copy()
        if found.flags.writeable:
            found[:] = 0
        np.testing.assert_array_equal(reader.read_region(0, 0, 0, size), before)

    def test_closing_twice_does_nothing(self, reader: SlideReader) -> None:
        """As often as the context manager and the caller please."""
        reader.close()
        reader.close()

    def test_is_its_own_context_manager(self, reader: SlideReader) -> None:
        """It is closed at the end, and errors pass through."""

        def fail_inside() -> None:
            with reader as entered:
                assert entered is reader
                raise KeyError("passes through")

        with pytest.raises(KeyError, match="passes through"):
            fail_inside()
        reader.close()
