"""Pixels of the twin under the pixels of the slide: each is the one that the transform names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pathoai.geometry import Grid, Size
from pathoai.registration.passage import Passage, passage_between
from pathoai.registration.warped_slide import WarpedSlide
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from tests.registered_pair import HE_ID, IHC_ID, make_pair, ramp


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return make_pair(tmp_path_factory.mktemp("pair") / "study")


def stores(pair: Study, near: str, far: str) -> tuple[SlideStore, SlideStore, Passage]:
    one, other = (SlideStore(pair.store_path(slide_id)) for slide_id in (near, far))
    return one, other, passage_between(pair, near, far)


def expected(
    grid: Grid, size: Size, at: tuple[int, int], passage: Passage, far: SlideStore
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """By definition: the colour at the place of each pixel's centre, and where there is one."""
    x = (at[0] + np.arange(size.width) + 0.5) * grid.downsample_x
    y = (at[1] + np.arange(size.height) + 0.5) * grid.downsample_y
    places = passage.to_far_px(np.stack(np.meshgrid(x, y), axis=-1))
    canvas = far.slide.size
    limit = np.array([canvas.width, canvas.height])
    # Within a pixel of its edge the slide's own border is blended in.
    inner = ((places >= 4) & (places <= limit - 4)).all(axis=-1)
    return ramp(canvas.width, canvas.height)(places), np.asarray(inner)


@pytest.mark.parametrize(("near", "far"), [(HE_ID, IHC_ID), (IHC_ID, HE_ID)])
@pytest.mark.parametrize("level", [0, 1])
def test_each_pixel_is_that_at_its_place(pair: Study, near: str, far: str, level: int) -> None:
    store, other, passage = stores(pair, near, far)
    warped, grid = WarpedSlide(other, passage.transform), store.grid(level)
    for at, size in (((0, 0), Size(256, 256)), ((203, 171), Size(100, 37)), ((5, 9), Size(1, 1))):
        found = warped.read_grid(grid, *at, size)
        assert found.shape == (size.height, size.width, 4)
        colours, inner = expected(grid, size, at, passage, other)
        assert (found[inner, 3] == 255).all()
        assert np.abs(found[inner, :3].astype(int) - colours[inner]).max(initial=0) <= 2


def test_beyond_the_twin_there_is_nothing(pair: Study) -> None:
    _, other, passage = stores(pair, HE_ID, IHC_ID)
    warped = WarpedSlide(other, passage.transform)
    grid = Grid(Size(40, 40), 1000.0, 1000.0)
    assert not warped.read_grid(grid, 30, 30, Size(8, 8)).any()
    far_off = warped.read_grid(Grid(Size(9000, 9000), 0.5, 0.5), 8000, 8000, Size(300, 300))
    assert not far_off.any()


def test_blocks_fit_together(pair: Study) -> None:
    """A block is what it is in a larger one, but for the rounding of a grey level."""
    store, other, passage = stores(pair, HE_ID, IHC_ID)
    warped = WarpedSlide(other, passage.transform)
    whole = warped.read_grid(store.grid(), 256, 256, Size(300, 300)).astype(int)
    part = warped.read_grid(store.grid(), 256 + 71, 256 + 33, Size(100, 120)).astype(int)
    assert np.abs(whole[33:153, 71:171] - part).max() <= 1


def test_only_what_a_block_needs_is_read(pair: Study, tmp_path: Path) -> None:
    """From afar a coarse level: never the whole finest one."""

    class Watched(SlideStore):
        largest = 0
        levels: set[int] = set()  # noqa: RUF012 - of one test

        def read(self, level: int, x_px: int, y_px: int, size_px: Size) -> NDArray[np.uint8]:
            Watched.largest = max(Watched.largest, size_px.width * size_px.height)
            Watched.levels.add(level)
            return super().read(level, x_px, y_px, size_px)

    store = SlideStore(pair.store_path(HE_ID))
    other = Watched(pair.store_path(IHC_ID))
    warped = WarpedSlide(other, passage_between(pair, HE_ID, IHC_ID).transform)
    coarsest = len(store.factors) - 1
    warped.read_grid(store.grid(coarsest), 0, 0, store.grid(coarsest).size_px)
    assert coarsest > 0
    assert Watched.levels == {len(other.factors) - 1}
    Watched.largest = 0
    warped.read_grid(store.grid(), 100, 100, Size(256, 256))
    assert Watched.largest <= 2 * (256 * 0.5 / 0.4 + 20) ** 2
