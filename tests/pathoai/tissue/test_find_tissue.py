"""From a slide to its tissue mask, or to an error that shows the slide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pathoai.errors import InvalidValueError, NoTissueError
from pathoai.geometry import Grid, Mpp, Size
from pathoai.slide.memory_reader import MemoryReader
from pathoai.slide.open_slide import open_slide
from pathoai.testing.generated_slide import SlideTruth
from pathoai.tissue.mask import find_tissue, tissue_grid
from pathoai.tissue.thumbnail import thumbnail_of, write_thumbnail
from pathoai.vector.rasterise import rasterise


@pytest.mark.parametrize("method", ["h-and-e", "otsu", "biopsy"])
@pytest.mark.parametrize("name", ["generated", "two_level_slide"])
def test_tissue_is_found_where_it_is(
    name: str, method: str, request: pytest.FixtureRequest
) -> None:
    path, truth = request.getfixturevalue(name)
    assert isinstance(truth, SlideTruth)
    with open_slide(path) as reader:
        grid, mpp = tissue_grid(reader.info.grid(0.5), 0.5)
        found = find_tissue(reader, grid, mpp=mpp, method=method)
    expected = rasterise([(truth.tissue, 1)], grid) == 1
    overlap = (found.mask & expected).sum() / (found.mask | expected).sum()
    assert overlap > 0.92
    assert found.area_mm2 == pytest.approx(truth.tissue.area * 0.25 / 1e6, rel=0.08)
    assert found.method == method


def test_the_real_slide_is_mostly_tissue(real_data: Path) -> None:
    with open_slide(real_data / "wsi" / "cmu-1-small-region.svs") as reader:
        grid, mpp = tissue_grid(reader.info.grid(0.5), 0.5)
        found = find_tissue(reader, grid, mpp=mpp)
    assert 0.2 < found.mask.mean() < 0.98


@pytest.mark.parametrize("grey", [0, 120, 235, 255])
def test_a_field_of_one_grey_holds_no_tissue_and_the_error_shows_it(
    grey: int, tmp_path: Path
) -> None:
    pixels = np.full((300, 400, 3), grey, np.uint8)
    reader = MemoryReader(pixels, mpp=Mpp.square(0.5), slide_id="C")
    grid, mpp = tissue_grid(reader.info.grid(0.5), 0.5)
    with pytest.raises(NoTissueError, match=r"C: no tissue.*Remedy") as raised:
        find_tissue(reader, grid, mpp=mpp)
    thumbnail = raised.value.thumbnail
    assert thumbnail is not None
    path = tmp_path / "new-folder" / "C.png"
    write_thumbnail(path, thumbnail)
    with Image.open(path) as shown:
        np.testing.assert_array_equal(np.asarray(shown), thumbnail)
        assert (np.asarray(shown) == grey).all()
        assert shown.width / shown.height == pytest.approx(400 / 300, rel=0.02)


def test_thumbnails_are_small_and_keep_their_shape() -> None:
    tall = np.zeros((4096, 1000, 3), np.uint8)
    assert thumbnail_of(tall).shape == (1024, 250, 3)
    assert thumbnail_of(tall[:100, :50]).shape == (100, 50, 3)


def test_an_unknown_method_is_refused() -> None:
    reader = MemoryReader(np.zeros((30, 30, 3), np.uint8), mpp=Mpp.square(0.5))
    with pytest.raises(InvalidValueError, match="did you mean 'fatty-breast'"):
        find_tissue(reader, reader.info.grid(8), mpp=8, method="fatty_breast")


def test_the_grid_is_about_8_um_but_never_too_coarse_for_a_biopsy() -> None:
    large = Grid(Size(100_000, 80_000), 1.0, 1.0)
    assert tissue_grid(large, 0.5)[1] == 8.0
    assert tissue_grid(large, 0.25)[1] == 8.0
    small, mpp = tissue_grid(Grid(Size(1000, 300), 1.0, 1.0), 0.5)
    assert max(small.size_px.width, small.size_px.height) >= 250
    assert mpp == 1.0
