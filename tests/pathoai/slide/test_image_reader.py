"""Plain images: conformance, what their pixels mean, and what is refused."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pathoai.errors import DamagedSlideError, MissingMppError, NotASlideError, SlideError
from pathoai.geometry import Mpp, Size
from pathoai.slide.image_reader import LARGEST_IMAGE_PX, ImageBackend
from pathoai.slide.open_slide import describe_slide, open_slide
from pathoai.slide.reader import SlideReader
from pathoai.testing.icc_profile import matrix_profile
from pathoai.testing.slide_readers import KnownSlide, SlideReaderTests

_HALF = Mpp.square(0.5)
_EXIF_ORIENTATION = 0x0112


def _noise(height: int, width: int, channels: int = 3) -> NDArray[np.uint8]:
    shape = (height, width, channels)
    return np.random.default_rng(height).integers(0, 256, shape, dtype=np.uint8)


def _read(path: Path) -> NDArray[np.uint8]:
    with open_slide(path, mpp=_HALF) as reader:
        assert describe_slide(path).levels == reader.info.levels
        return reader.read_region(0, 0, 0, reader.info.size)


class TestPng(SlideReaderTests):
    """A PNG with an ICC profile."""

    @pytest.fixture
    def truth(self) -> KnownSlide:
        return KnownSlide(_noise(70, 90), mpp=0.5, icc_profile=matrix_profile(1.8))

    @pytest.fixture
    def reader(self, truth: KnownSlide, tmp_path: Path) -> Iterator[SlideReader]:
        path = tmp_path / "image.png"
        Image.fromarray(truth.pixels).save(path, icc_profile=truth.icc_profile)
        with open_slide(path, mpp=_HALF, slide_id="CODE") as reader:
            assert reader.info.slide_id == "CODE"
            yield reader


def test_a_real_image_is_described_and_needs_the_users_scale(real_data: Path) -> None:
    path = real_data / "wsi" / "tiny" / "boxes.png"
    found = describe_slide(path)
    assert (found.reader, found.compression, found.stated_mpp) == ("image", "PNG", (None, None))
    with pytest.raises(MissingMppError, match=r"^the slide: .*--mpp"):
        open_slide(path)
    assert _read(path).shape == (250, 300, 3)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "PPM", "WEBP", "JPEG2000", "GIF", "JPEG"])
def test_every_format_gives_the_pixels_that_were_saved(kind: str, tmp_path: Path) -> None:
    pixels = np.repeat(np.repeat(_noise(6, 8), 16, axis=0), 16, axis=1)
    lossless: dict[str, dict[str, Any]] = {
        "WEBP": {"lossless": True},
        "JPEG": {"quality": 100, "subsampling": 0},
    }
    Image.fromarray(pixels).save(tmp_path / "image", format=kind, **lossless.get(kind, {}))
    found = _read(tmp_path / "image")
    assert np.abs(found.astype(int) - pixels).max() <= (4 if kind == "JPEG" else 0)


def test_resolution_tags_are_not_believed(tmp_path: Path) -> None:
    """A camera's 300 dpi is that of a print: 85 µm per pixel of paper."""
    Image.fromarray(_noise(9, 9)).save(tmp_path / "photo.jpg", dpi=(25400, 25400))
    with pytest.raises(MissingMppError):
        open_slide(tmp_path / "photo.jpg")


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_lies_on_white(mode: str, tmp_path: Path) -> None:
    pixels = _noise(40, 50, len(mode) if mode == "LA" else 4)
    Image.fromarray(pixels, mode).save(tmp_path / "image.png")
    alpha = pixels[..., -1:] / 255
    truth = pixels[..., :-1] * alpha + 255 * (1 - alpha)
    assert np.abs(_read(tmp_path / "image.png") - truth).max() <= 1


def test_palettes_and_their_transparent_colour(tmp_path: Path) -> None:
    indexed = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3), "P")
    palette = [200, 10, 20, 0, 255, 0, 0, 0, 255, 9, 9, 9, 80, 80, 80, 1, 2, 3]
    indexed.putpalette(palette)
    indexed.save(tmp_path / "image.png", transparency=3)
    truth = np.array(palette, np.uint8).reshape(2, 3, 3)
    truth[1, 0] = 255
    np.testing.assert_array_equal(_read(tmp_path / "image.png"), truth)


def test_a_transparent_colour_of_an_rgb_image_is_white(tmp_path: Path) -> None:
    pixels = _noise(5, 5)
    Image.fromarray(pixels).save(tmp_path / "i.png", transparency=tuple(map(int, pixels[2, 3])))
    pixels[2, 3] = 255
    np.testing.assert_array_equal(_read(tmp_path / "i.png"), pixels)


def test_grey_and_black_and_white_become_colours(tmp_path: Path) -> None:
    grey = _noise(20, 30)[..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(_read(tmp_path / "grey.png"), np.dstack([grey] * 3))
    Image.fromarray(grey > 99).save(tmp_path / "bits.png")
    truth = np.dstack([(grey > 99) * np.uint8(255)] * 3)
    np.testing.assert_array_equal(_read(tmp_path / "bits.png"), truth)


def test_sixteen_bit_colour_keeps_its_high_bytes(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 2**16, (12, 14, 3)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    path = tmp_path / "deep.png"
    path.write_bytes(_png(14, 12, depth=16, colour_type=2, rows=rows))
    np.testing.assert_array_equal(_read(path), (pixels >> 8).astype(np.uint8))


def test_what_is_not_eight_bit_colour_is_refused(tmp_path: Path) -> None:
    """Whose black, white and inks are a matter of choice."""
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "deep.png")
    Image.new("CMYK", (4, 4)).save(tmp_path / "inks.jpg")
    for name in ("deep.png", "inks.jpg"):
        for ask in (describe_slide, open_slide):
            with pytest.raises(DamagedSlideError, match=r"not 8-bit colour.*export it as 8-bit"):
                ask(tmp_path / name)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_a_photograph_is_applied(orientation: int, tmp_path: Path) -> None:
    """The picture stands as every viewer shows it (Exif 2.32, tag 274)."""
    upright = _noise(20, 30)
    # What a camera stores, so that the orientation brings it upright.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright.transpose(1, 0, 2)[::-1, ::-1],
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[_EXIF_ORIENTATION] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "photo.png", exif=exif)
    np.testing.assert_array_equal(_read(tmp_path / "photo.png"), upright)


def test_an_animation_is_refused(tmp_path: Path) -> None:
    frames = [Image.fromarray(_noise(9, 9 + i)).resize((9, 9)) for i in range(3)]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(DamagedSlideError, match=r"animation.*Remedy"):
        describe_slide(tmp_path / "film.gif")


def _png(width: int, height: int, *, depth: int = 8, colour_type: int = 2, rows: bytes) -> bytes:
    """A PNG by its definition, for what Pillow does not write (ISO/IEC 15948)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    ("width", "height"),
    [(LARGEST_IMAGE_PX // 8 + 1, 8), (100_000, 100_000), (2**31 - 1, 2**31 - 1)],
)
def test_a_bomb_is_refused_before_memory_is_asked_for(
    width: int, height: int, tmp_path: Path
) -> None:
    """Below and above the sizes at which Pillow itself warns and refuses."""
    path = tmp_path / "bomb.png"
    path.write_bytes(_png(width, height, rows=b"\0"))
    for ask in (describe_slide, open_slide):
        with pytest.raises(DamagedSlideError, match=r"too large.*tiled, pyramidal TIFF"):
            ask(path)


def test_an_image_cut_short_gives_our_error(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(_noise(64, 64)).save(buffer, format="JPEG")
    path = tmp_path / "cut.jpg"
    for share in (0.3, 0.6, 0.9):
        path.write_bytes(buffer.getvalue()[: int(share * len(buffer.getvalue()))])
        with pytest.raises(DamagedSlideError, match=r"cannot be decoded.*Remedy"):
            open_slide(path, mpp=_HALF)


@pytest.mark.parametrize(
    "content", [b"", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"%PDF-1.4\n", b"II*\0" * 9]
)
def test_what_other_programs_would_draw_is_no_image(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file.png").write_bytes(content)
    with pytest.raises(NotASlideError, match="no PNG, JPEG or other"):
        ImageBackend().describe(tmp_path / "file.png")
    with pytest.raises(NotASlideError, match="a folder"):
        ImageBackend().describe(tmp_path)


def test_errors_do_not_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "DUPONT_Jeanne.png"
    Image.fromarray(_noise(30, 30)).save(path)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(SlideError) as raised:
        open_slide(path, mpp=_HALF, slide_id="CODE")
    assert "DUPONT" not in str(raised.value)


def test_size_stated_before_decoding_is_that_of_the_pixels(tmp_path: Path) -> None:
    exif: Any = Image.Exif()
    exif[_EXIF_ORIENTATION] = 6
    Image.fromarray(_noise(20, 30)).save(tmp_path / "photo.jpg", exif=exif)
    assert describe_slide(tmp_path / "photo.jpg").levels[0].size_px == Size(20, 30)
