"""Directories of TIFF files: exact where they are sound, refused where they lie."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from pathoai.errors import DamagedSlideError, NotASlideError, PathoaiError
from pathoai.slide.tiff_directory import TiffSource

Tag = tuple[int, int, int, int]


def _classic(tags: list[Tag], *, following: int = 0, tail: bytes = b"") -> bytes:
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return (
        b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", following) + tail
    )


def _big(tags: list[Tag], *, order: str = "<") -> bytes:
    head = b"II+\0" if order == "<" else b"MM\0+"
    entries = b"".join(struct.pack(order + "HHQQ", *tag) for tag in tags)
    head += struct.pack(order + "HHQ", 8, 0, 16)
    return head + struct.pack(order + "Q", len(tags)) + entries + struct.pack(order + "Q", 0)


def _saved(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "x.tif"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_values_are_those_that_tifffile_reads(
    tmp_path: Path, bigtiff: bool, byteorder: str
) -> None:
    path = tmp_path / "x.tif"
    with tifffile.TiffWriter(path, bigtiff=bigtiff, byteorder=byteorder) as writer:  # type: ignore[arg-type] # a str of a parameter
        for number in range(3):
            writer.write(
                np.zeros((100, 120, 3), np.uint8),
                tile=(16, 16),
                description=f"picture {number} in µm".encode(),
                resolution=(1234.5, 99.0),
                photometric="rgb",
                metadata=None,
            )
    with TiffSource(path) as source, tifffile.TiffFile(path) as expected:
        directories = source.directories()
        assert len(directories) == len(expected.pages) == 3
        for directory, page in zip(directories, expected.pages, strict=True):
            assert isinstance(page, tifffile.TiffPage)
            assert tuple(directory.integers(324)) == page.dataoffsets
            assert tuple(directory.integers(325)) == page.databytecounts
            assert directory.integers(258).tolist() == [8, 8, 8]
            assert directory.text(270) == page.description
            above, below = page.tags[282].value
            assert directory.ratio(282) == above / below
            assert directory.integer(40_000, 7) == 7
            assert directory.ratio(40_000) is None


def test_a_circle_of_directories_ends(tmp_path: Path) -> None:
    path = _saved(tmp_path, _classic([(256, 4, 1, 5)], following=8))
    with TiffSource(path) as source, pytest.raises(DamagedSlideError, match="circle"):
        source.directories()


def test_a_stack_of_thousands_of_pictures_is_no_slide(tmp_path: Path) -> None:
    one = struct.pack("<HHHII", 1, 256, 4, 1, 5)
    step = len(one) + 4
    chain = b"".join(one + struct.pack("<I", 8 + step * (n + 1)) for n in range(1001))
    path = _saved(tmp_path, b"II*\0" + struct.pack("<I", 8) + chain + one + bytes(4))
    with TiffSource(path) as source, pytest.raises(NotASlideError, match="1000 pictures"):
        source.directories()


def test_values_beyond_the_file_ask_for_no_memory(tmp_path: Path) -> None:
    """Counts of four billion to 1.8e19 in a file of a few bytes."""
    for data in (
        _classic([(324, 4, 0xFFFFFFFF, 8), (270, 2, 0xFFFFFFFF, 8), (330, 4, 0x7FFFFFFF, 8)]),
        _big([(324, 16, 2**64 - 1, 8), (270, 2, 2**64 - 1, 8), (330, 16, 2**62, 8)]),
        _big([(324, 16, 2**40, 8), (270, 2, 2**40, 2**63), (330, 16, 2**62, 2**64 - 1)], order=">"),
    ):
        with TiffSource(_saved(tmp_path, data)) as source:
            (directory,) = source.directories()
            tracemalloc.start()
            with pytest.raises(DamagedSlideError):
                directory.integers(324)
            with pytest.raises(DamagedSlideError):
                directory.text(270)
            with pytest.raises(DamagedSlideError):
                directory.children()
            assert tracemalloc.get_traced_memory()[1] < 2**20
            tracemalloc.stop()


def test_offsets_beyond_what_any_file_has_are_refused(tmp_path: Path) -> None:
    data = _big([(324, 16, 1, 2**63 + 5)])
    with TiffSource(_saved(tmp_path, data)) as source, pytest.raises(DamagedSlideError):
        source.directories()[0].integers(324)


def test_a_text_is_no_number_and_empty_tags_are_absent(tmp_path: Path) -> None:
    data = _classic([(256, 2, 1, 65), (257, 4, 0, 0), (282, 5, 0, 0), (258, 99, 1, 1)])
    with TiffSource(_saved(tmp_path, data)) as source:
        (directory,) = source.directories()
    with pytest.raises(DamagedSlideError, match="256 is no integer"):
        directory.integer(256, 0)
    assert directory.integer(257, 3) == 3
    assert directory.ratio(282) is None
    assert 258 not in directory


def test_a_ratio_over_zero_states_nothing(tmp_path: Path) -> None:
    tail = struct.pack("<II", 5, 0)
    at = 8 + 2 + 12 + 4
    with TiffSource(_saved(tmp_path, _classic([(282, 5, 1, at)], tail=tail))) as source:
        assert source.directories()[0].ratio(282) is None


@given(damage=st.binary(min_size=1, max_size=400))
def test_no_bytes_whatever_give_a_foreign_error(
    tmp_path_factory: pytest.TempPathFactory, damage: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp()
    for head in (b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0"):
        path = folder / "any.tif"
        path.write_bytes(head + damage)
        try:
            with TiffSource(path) as source:
                for directory in source.directories():
                    for tag in directory.fields:
                        directory.ratio(tag)
                        directory.data(tag)
                        directory.integers(tag)
                    directory.children()
        except PathoaiError:
            continue
