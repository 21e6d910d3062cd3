"""The files are what OpenSlide and tifffile take them for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openslide
import pytest
import tifffile
from numpy.typing import NDArray

from pathoai.testing.pyramid_tiff import PyramidDescription, write_pyramid


def gradient(x: int, y: int, width: int, height: int) -> NDArray[Any]:
    """A smooth picture that depends on absolute position."""
    column, row = np.meshgrid(np.arange(x, x + width), np.arange(y, y + height))
    channels = [80 + 60 * np.sin(column / 300), 90 + 60 * np.cos(row / 200), column * 0 + 120]
    return np.stack(channels, axis=-1).astype(np.uint8)


def described(vendor: str, *, width: int = 4500, height: int = 2300) -> PyramidDescription:
    """A description with given size."""
    return PyramidDescription(
        width=width, height=height, mpp=0.2525, vendor=vendor, objective_power=40, code="GEN-1"
    )


@pytest.mark.parametrize("vendor", ["aperio", "generic-tiff"])
def test_openslide_reads_vendor_scale_and_levels(tmp_path: Path, vendor: str) -> None:
    path = tmp_path / "slide.tif"
    write_pyramid(path, description=described(vendor), paint=gradient)
    with openslide.OpenSlide(path) as slide:
        assert slide.properties["openslide.vendor"] == vendor
        assert float(slide.properties["openslide.mpp-x"]) == pytest.approx(0.2525, rel=1e-4)
        assert float(slide.properties["openslide.mpp-y"]) == pytest.approx(0.2525, rel=1e-4)
        assert slide.level_dimensions == ((4500, 2300), (1125, 575))
        if vendor == "aperio":
            assert slide.properties["openslide.objective-power"] == "40"
            assert set(slide.associated_images) == {"thumbnail", "label"}
        small = np.asarray(slide.read_region((0, 0), 1, (1125, 575)).convert("RGB")).astype(int)
    blocks = gradient(0, 0, 4500, 2300).reshape(575, 4, 1125, 4, 3)
    assert np.abs(small - blocks.mean(axis=(1, 3))).mean() < 3.0


def test_page_order_is_that_of_aperio(tmp_path: Path) -> None:
    path = tmp_path / "slide.svs"
    write_pyramid(path, description=described("aperio"), paint=gradient)
    with tifffile.TiffFile(path) as file:
        assert file.is_svs
        pages = [page for page in file.pages if isinstance(page, tifffile.TiffPage)]
        assert [page.is_tiled for page in pages] == [True, False, True, False]
        assert pages[0].tile == (256, 256)
        assert "label" in pages[3].description
        level = tifffile.imread(path, level=0)
    assert level.shape == (2300, 4500, 3)
    assert np.abs(level.astype(int) - gradient(0, 0, 4500, 2300)).mean() < 3.0


@pytest.mark.parametrize(
    ("width", "height", "levels"),
    [(256, 256, 1), (1000, 777, 1), (2049, 300, 2), (10_000, 10_000, 3), (3000, 3, 1)],
)
def test_levels_stop_at_a_small_one(width: int, height: int, levels: int) -> None:
    assert len(described("aperio", width=width, height=height).level_sizes()) == levels


def test_label_bears_the_code_and_nothing_personal(tmp_path: Path) -> None:
    path = tmp_path / "slide.svs"
    write_pyramid(path, description=described("aperio", width=600, height=500), paint=gradient)
    with openslide.OpenSlide(path) as slide:
        label = np.asarray(slide.associated_images["label"].convert("L"))
        text = slide.properties["tiff.ImageDescription"]
    assert (label < 80).sum() > 200
    assert "Filename = GEN-1" in text
    assert not {"Date", "User", "Time"} & {part.split(" = ")[0] for part in text.split("|")}
