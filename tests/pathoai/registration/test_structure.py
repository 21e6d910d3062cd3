"""Structure is what does not depend on the stain, on the pixels of any scale."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pathoai.errors import AlignmentError, InvalidValueError
from pathoai.geometry import Size
from pathoai.preprocess.stain.stain_matrix import DAB, EOSIN, HEMATOXYLIN, unit_vectors
from pathoai.registration import structure as structure_module
from pathoai.registration.structure import (
    StructureImage,
    picture_structure,
    structure_image,
    structure_of,
)
from pathoai.store.slide_store import SlideStore
from tests.pathoai.registration.twin_pictures import TwinPictures, placed, structure

_RED = (0.21, 0.85, 0.48)  # a fast red
_BODY = 0.5


def _stained(*amounts: tuple[tuple[float, float, float], float]) -> NDArray[np.uint8]:
    """One pixel that holds amounts of stains, `(1, 1, 3)`."""
    density = sum(unit_vectors(np.array([vector]))[0] * amount for vector, amount in amounts)
    light = np.rint(256 * np.exp(-density) - 1).clip(0, 255)
    return np.asarray(light[None, None], np.uint8)


@given(amount=st.floats(0.3, 1.5), other=st.floats(0, 1.5))
@example(amount=0.35, other=1.39)
@example(amount=0.3125, other=1.0)
def test_brown_changes_nothing_where_there_is_hematoxylin(amount: float, other: float) -> None:
    alone = structure_of(_stained((HEMATOXYLIN, amount)))
    browned = structure_of(_stained((HEMATOXYLIN, amount), (DAB, other)))
    # On a fine grid 0.144 at most from 0.35 on; fainter hematoxylin gains up to 0.173.
    assert browned == pytest.approx(alone, abs=0.15 if amount >= 0.35 else 0.18)


@pytest.mark.parametrize("stain", [DAB, EOSIN, _RED])
@pytest.mark.parametrize("amount", [0.2, 0.8, 1.6])
def test_other_stains_say_that_there_is_tissue_and_no_more(
    stain: tuple[float, float, float], amount: float
) -> None:
    assert 0.1 < structure_of(_stained((stain, amount))) < _BODY + 0.1
    assert structure_of(_stained((HEMATOXYLIN, amount))) > structure_of(_stained((stain, amount)))


def test_small_holes_become_tissue_and_nothing_else_changes() -> None:
    tissue = np.ones((60, 60), bool)
    tissue[10:14, 10:14] = False  # 64 µm² at 2 µm per pixel
    tissue[30:50, 30:50] = False
    values = np.where(tissue, 0.5, 0.0).astype(np.float32)
    image = StructureImage(values, tissue, 2.0, placed("holes", values, 2.0))
    filled = image.without_holes(200.0)
    assert filled.tissue[10:14, 10:14].all()
    assert not filled.tissue[30:50, 30:50].any()
    assert filled.values is image.values


def test_glass_has_no_structure() -> None:
    assert structure_of(np.full((2, 2, 3), 255, np.uint8)) == pytest.approx(0)


def test_both_stains_of_a_section_look_alike(breast: TwinPictures) -> None:
    he, ihc = structure(breast.he), structure(breast.ihc)
    values = []
    for image, places in ((he, breast.places), (ihc, breast.found)):
        columns, rows = np.floor(places / 4).astype(np.intp).T
        values.append(image.coarser(4).values[rows, columns])
    assert np.corrcoef(*values)[0, 1] > 0.6


@given(
    shape=st.tuples(st.integers(1, 23), st.integers(1, 23)),
    factor=st.integers(1, 6),
    seed=st.integers(0, 99),
)
def test_coarser_pixels_are_means(shape: tuple[int, int], factor: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    values = generator.uniform(0, 1, shape).astype(np.float32)
    image = StructureImage(values, np.ones(shape, bool), 2.0, placed("s", values))
    coarse = image.coarser(factor)
    height, width = -(-shape[0] // factor), -(-shape[1] // factor)
    assert coarse.values.shape == (height, width)
    assert coarse.mpp == pytest.approx(2.0 * factor)
    for row in range(height):
        for column in range(width):
            inside = values[row * factor : (row + 1) * factor, column * factor :][:, :factor]
            assert coarse.values[row, column] == pytest.approx(inside.sum() / factor**2, abs=1e-5)


def test_a_store_has_the_structure_of_its_pixels(
    tiled_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(structure_module, "_BLOCK_PX", 200)  # so that there are many
    store = SlideStore(tiled_store)
    found = structure_image(store, store.mpp * 2)
    size = Size(found.values.shape[1], found.values.shape[0])
    pixels = store.read_grid(store.grid().coarser(2), 0, 0, size)
    expected = structure_of(pixels)
    assert found.of.slide_id == store.slide_id
    np.testing.assert_allclose(found.values[found.tissue], expected[found.tissue], atol=0.2)
    assert np.abs(found.values - expected)[found.tissue].mean() < 0.01
    assert not found.values[~found.tissue].any()


def test_the_box_about_the_tissue_is_in_micrometres() -> None:
    tissue = np.zeros((20, 30), bool)
    tissue[4:9, 10:25] = True
    image = StructureImage(tissue.astype(np.float32), tissue, 4.0, placed("s", tissue))
    assert image.tissue_box_um == pytest.approx((40, 16, 100, 36))
    assert image.extent_um == 60
    assert image.tissue_um2 == 75 * 16


def test_a_slide_without_tissue_cannot_be_aligned() -> None:
    glass = np.full((300, 300, 3), 250, np.uint8)
    with pytest.raises(AlignmentError, match="no tissue"):
        picture_structure(glass, placed("blank", glass))


def test_planes_must_fit_together() -> None:
    with pytest.raises(InvalidValueError, match="structure"):
        StructureImage(
            np.zeros((3, 4), np.float32), np.ones((3, 5), bool), 1.0, placed("s", np.zeros((3, 4)))
        )
