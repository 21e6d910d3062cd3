"""NDPI: made here as documented, judged by OpenSlide before and after."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import openslide
import pytest

from pathoai.deidentify.deidentify_slide import deidentify_slide
from pathoai.deidentify.ndpi_directory import NdpiTag, read_directories, write_directories
from pathoai.errors import DeidentificationError, PathoaiError
from pathoai.testing.canaries import CANARIES, canaries_in
from tests.pathoai.deidentify.planted_ndpi import write_planted_ndpi

_CODE = "7Q9K2M4N6P8R0S1T"
_KEY = bytes(range(32))


def test_nothing_planted_leaves_with_an_ndpi(tmp_path: Path) -> None:
    source = tmp_path / CANARIES[6] / f"{CANARIES[1]}.ndpi"
    write_planted_ndpi(source)
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
        tags = {
            273: NdpiTag(4, struct.pack("<Q", far)),
            305: NdpiTag(2, b"a text\0"),
            65420: NdpiTag(4, struct.pack("<I", 1)),
        }
        write_directories(file, [tags, tags])
        assert read_directories(file, path.stat().st_size) == [tags, tags]


def test_a_jpeg_that_goes_on_behind_its_pixels_goes_into_quarantine(tmp_path: Path) -> None:
    path = tmp_path / "slide.ndpi"
    write_planted_ndpi(path)
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
    write_planted_ndpi(path)
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(PathoaiError) as caught:
        deidentify_slide(path, tmp_path / "out", code=_CODE, uid_key=_KEY)
    assert "\n" not in str(caught.value)
