"""Which reader opens a file: the first that can, by what it is; a refusal keeps every cause."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from pathoai import entry_points
from pathoai.errors import DamagedSlideError, MissingFileError, MissingMppError, NotASlideError
from pathoai.geometry import Mpp, Size
from pathoai.slide.open_slide import GROUP, describe_slide, open_slide
from pathoai.slide.reader import SlideBackend
from pathoai.testing.generated_slide import SlideTruth


def _backends() -> list[SlideBackend]:
    return [entry_points.load(GROUP, name)() for name in entry_points.names_in(GROUP)]


def test_backends_are_named_as_registered_and_ranked_apart() -> None:
    backends = _backends()
    assert [b.name for b in backends] == list(entry_points.names_in(GROUP))
    assert len({b.rank for b in backends}) == len(backends)
    ranked = [b.name for b in sorted(backends, key=lambda b: b.rank)]
    assert ranked[0] == "openslide"
    assert ranked[-1] == "image"


@pytest.mark.parametrize("name", ["slide", "slide.png", "slide.zarr", "slide.dcm", "SLIDE.TXT"])
def test_a_slide_opens_under_any_name(
    generated: tuple[Path, SlideTruth], tmp_path: Path, name: str
) -> None:
    shutil.copy(generated[0], tmp_path / name)
    assert describe_slide(tmp_path / name).reader == "openslide"
    with open_slide(tmp_path / name) as reader:
        assert reader.info.vendor == "aperio"


def test_a_photograph_named_as_a_slide_is_a_photograph(tmp_path: Path) -> None:
    path = tmp_path / "slide.svs"
    Image.fromarray(np.full((40, 50, 3), 200, np.uint8)).save(path, format="JPEG", dpi=(96, 96))
    assert describe_slide(path).reader == "image"
    with pytest.raises(MissingMppError, match=r"the slide: .*--mpp"):
        open_slide(path)
    with open_slide(path, mpp=Mpp.square(0.5)) as reader:
        assert reader.info.size == Size(50, 40)


def test_a_file_that_nobody_knows_is_refused_with_the_cause_of_every_reader(
    tmp_path: Path,
) -> None:
    path = tmp_path / "notes.svs"
    path.write_text("not a slide")
    with pytest.raises(NotASlideError) as raised:
        describe_slide(path)
    for backend in _backends():
        with pytest.raises(NotASlideError) as alone:
            backend.describe(path)
        assert f"{backend.name}: {alone.value.what}" in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "cause"), [("u2", "its values have 16 bits"), ("f4", "its values are not whole")]
)
def test_values_larger_than_bytes_are_refused_by_every_reader(
    tmp_path: Path, kind: str, cause: str
) -> None:
    """OpenSlide would keep the upper eight bits: a slide of twelve-bit values would be black."""
    path = tmp_path / "deep.tif"
    pixels = np.linspace(0, 4095, 3 * 256 * 256).reshape(256, 256, 3).astype(kind)
    tifffile.imwrite(path, pixels, tile=(128, 128), photometric="rgb")
    with pytest.raises(NotASlideError, match=cause) as raised:
        open_slide(path, mpp=Mpp.square(0.5))
    assert raised.value.remedy == "save it as a tiled RGB TIFF of 8 bits"


def test_a_damaged_file_is_called_damaged_with_its_readers_remedy(tmp_path: Path) -> None:
    path = tmp_path / "photograph.png"
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DamagedSlideError, match=r"openslide: .*image: .*cut short") as raised:
        describe_slide(path)
    assert str(tmp_path) not in str(raised.value)


@pytest.mark.parametrize("name", ["absent.svs", "a\0b.svs"])
def test_what_does_not_exist_is_missing(tmp_path: Path, name: str) -> None:
    with pytest.raises(MissingFileError):
        describe_slide(tmp_path / name)


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.svs")
    with pytest.raises(NotASlideError, match="neither a file nor a folder"):
        open_slide(tmp_path / "pipe.svs")
