"""NDPI: made here as documented, judged by OpenSlide before and after."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import openslide
import pytest
from PIL import Image

from pathoai.deidentify.deidentify_slide import deidentify_slide
from pathoai.deidentify.ndpi_directory import NdpiTag, read_directories, write_directories
from pathoai.errors import DeidentificationError, PathoaiError
from pathoai.testing.canaries import CANARIES, canaries_in

_CODE = "7Q9K2M4N6P8R0S1T"
_KEY = bytes(range(32))
_LENS = 20.0


def _jpeg(width: int, height: int, *, restart: int = 0, word: str = CANARIES[0]) -> bytes:
    """Smooth colours, with a comment and EXIF."""
    small = np.random.default_rng(width).integers(60, 220, (6, 8, 3)).astype(np.uint8)
    picture = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    picture.save(
        buffer, "JPEG", quality=90, subsampling=0, comment=word.encode(),
        exif=b"Exif\0\0" + word.encode(), restart_marker_blocks=restart,
    )  # fmt: skip
    return buffer.getvalue()


def _short(value: int) -> NdpiTag:
    return NdpiTag(3, struct.pack("<H", value))


def _long(*values: int) -> NdpiTag:
    return NdpiTag(4, struct.pack(f"<{len(values)}I", *values))


def _text(value: str) -> NdpiTag:
    return NdpiTag(2, value.encode() + b"\0")


def _mcu_starts(jpeg: bytes) -> list[int]:
    """Where the first and every following restart interval begins."""
    scan = jpeg.index(b"\xff\xda")
    at = scan + 2 + int.from_bytes(jpeg[scan + 2 : scan + 4], "big")
    starts = [at]
    while (at := jpeg.index(b"\xff", at)) >= 0 and jpeg[at + 1] != 0xD9:
        at += 2
        if 0xD0 <= jpeg[at - 1] <= 0xD7:
            starts.append(at)
    return starts


def _picture(place: int, jpeg: bytes, width: int, height: int, lens: float) -> dict[int, NdpiTag]:
    starts = _mcu_starts(jpeg)
    per_cm = struct.pack("<II", round(10_000 / 0.5 * abs(lens) / _LENS), 1)
    return {
        254: _long(0),
        256: _long(width),
        257: _long(height),
        258: NdpiTag(3, struct.pack("<3H", 8, 8, 8)),
        259: _short(7),
        262: _short(6),
        271: _text(CANARIES[10]),
        272: _text(CANARIES[2]),
        273: _long(place),
        277: _short(3),
        278: _long(height),
        279: _long(len(jpeg)),
        282: NdpiTag(5, per_cm),
        283: NdpiTag(5, per_cm),
        284: _short(1),
        296: _short(3),
        305: _text(CANARIES[5]),
        306: _text("1947:03:21 10:15:00 " + CANARIES[3]),
        65420: _long(1),
        65421: NdpiTag(11, struct.pack("<f", lens)),
        65422: NdpiTag(9, struct.pack("<i", 1000)),
        65423: NdpiTag(9, struct.pack("<i", -2000)),
        65424: NdpiTag(9, struct.pack("<i", 0)),
        **({65426: _long(*starts)} if len(starts) > 1 else {}),
        65427: _text(CANARIES[9]),
        65442: _text(CANARIES[8]),
        65449: _text(f"Patient={CANARIES[1]}\r\nName={CANARIES[0]}\r\nTel={CANARIES[11]}"),
        65477: NdpiTag(7, CANARIES[4].encode("utf-16-le")),
        65499: _text(CANARIES[7]),
    }


def _write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    kinds = [(1024, 768, _LENS, 16), (256, 192, 5.0, 0), (300, 100, -1.0, 0), (150, 100, -2.0, 0)]
    with path.open("wb+") as file:
        file.write(bytes(12))
        pictures = []
        for width, height, lens, restart in kinds:
            jpeg = _jpeg(width, height, restart=restart)
            pictures.append(_picture(file.seek(0, 2), jpeg, width, height, lens))
            file.write(jpeg)
        write_directories(file, pictures)


def test_nothing_planted_leaves_with_an_ndpi(tmp_path: Path) -> None:
    source = tmp_path / CANARIES[6] / f"{CANARIES[1]}.ndpi"
    _write(source)
    assert len(canaries_in(tmp_path)) >= 12
    done = deidentify_slide(source, tmp_path / "out", code=_CODE, uid_key=_KEY)
    assert canaries_in(tmp_path / "out") == []
    assert done.path.name == f"{_CODE}.ndpi"
    with openslide.OpenSlide(source) as before, openslide.OpenSlide(done.path) as after:
        assert before.properties["openslide.vendor"] == "hamamatsu"
        assert list(before.associated_images) == ["macro"]
        assert dict(after.associated_images) == {}
        assert after.level_dimensions == before.level_dimensions
        assert len(after.level_dimensions) >= 2
        for name in (
            openslide.PROPERTY_NAME_VENDOR,
            openslide.PROPERTY_NAME_MPP_X,
            openslide.PROPERTY_NAME_OBJECTIVE_POWER,
        ):
            assert after.properties[name] == before.properties[name]
        for level, size in enumerate(before.level_dimensions):
            old, new = (v.read_region((0, 0), level, size) for v in (before, after))
            assert old.tobytes() == new.tobytes()
            assert np.asarray(old)[..., :3].std() > 10
    assert done.report["left_behind"]["picture that is no level"] == 2


def test_offsets_beyond_4_gib_are_read_and_written(tmp_path: Path) -> None:
    """In a file with a hole: the second picture lies behind it."""
    path = tmp_path / "large.ndpi"
    far = 2**32 + 5000
    with path.open("wb+") as file:
        file.write(bytes(12))
        file.seek(far)
        file.write(b"strip")
        tags = {273: NdpiTag(4, struct.pack("<Q", far)), 305: _text("a text"), 65420: _long(1)}
        write_directories(file, [tags, tags])
        assert read_directories(file, path.stat().st_size) == [tags, tags]


def test_a_jpeg_that_goes_on_behind_its_pixels_goes_into_quarantine(tmp_path: Path) -> None:
    path = tmp_path / "slide.ndpi"
    _write(path)
    data = path.read_bytes()
    with path.open("rb") as file:
        tags = read_directories(file, len(data))[0]
    at, count = tags[273].integers()[0], tags[279].integers()[0]
    end = data.index(b"\xff\xd9", at + count - 30)
    # The last pixels are followed by a comment, where no reader looks.
    path.write_bytes(data[:end] + b"\xff\xfe" + data[end + 2 :])
    with pytest.raises(DeidentificationError, match="behind its pixels"):
        deidentify_slide(path, tmp_path / "out", code=_CODE, uid_key=_KEY)
    assert not list((tmp_path / "out").glob("*"))


def test_an_ndpi_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "slide.ndpi"
    _write(path)
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(PathoaiError) as caught:
        deidentify_slide(path, tmp_path / "out", code=_CODE, uid_key=_KEY)
    assert "\n" not in str(caught.value)
