"""What a block shows of a store: pixels and probabilities, where they belong."""

from __future__ import annotations

import numpy as np
import pytest

from pathoai.geometry import Size
from pathoai.store.slide_store import SlideStore
from pathoai_annotations.drawing.block import Block
from pathoai_annotations.drawing.slide_window import finest_pixel, read_pixels, read_probability
from tests.viewer_plugin.small_study import MODEL, SQUARE_RGB, make_study, square

PREDICTION = f"prediction/{MODEL}"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SlideStore:
    study = make_study(tmp_path_factory.mktemp("windows") / "study")
    return SlideStore(study.store_path("0123456789ABCDEF"))


@pytest.mark.parametrize("pixel", [1.0, 2.0, 7.3])
def test_a_square_of_the_slide_lies_at_its_place_in_both(store: SlideStore, pixel: float) -> None:
    left, top, right, bottom = square(1).bounds
    block = Block(left - 100, top - 100, pixel, pixel, Size(int(500 / pixel), int(500 / pixel)))
    pixels = read_pixels(store, block)
    probability = read_probability(store.label(PREDICTION), "hsil", block)
    assert probability is not None
    y, x = (np.indices(probability.shape) + 0.5) * pixel - 100
    inside = (x > 0) & (y > 0) & (x < right - left) & (y < bottom - top)
    edge = np.minimum(np.abs(x), np.abs(x - (right - left))) < 2 * pixel + 4
    edge |= np.minimum(np.abs(y), np.abs(y - (bottom - top))) < 2 * pixel + 4
    clear = ~edge
    assert np.array_equal((probability > 0.5)[clear], inside[clear])
    assert np.abs(pixels[inside & clear].astype(int) - SQUARE_RGB).max() <= 2


def test_beyond_the_slide_nothing_is_probable_and_all_is_white(store: SlideStore) -> None:
    block = Block(-500, -500, 2, 2, Size(100, 100))
    assert (read_pixels(store, block) == 255).all()
    probability = read_probability(store.label(PREDICTION), "hsil", block)
    assert probability is not None
    assert not probability.any()


def test_a_class_that_the_model_does_not_tell_has_no_probability(store: SlideStore) -> None:
    block = Block(0, 0, 2, 2, Size(10, 10))
    assert read_probability(store.label(PREDICTION), "lsil", block) is None
    assert finest_pixel(store) == pytest.approx((2.0, 0.5 / 0.252))
