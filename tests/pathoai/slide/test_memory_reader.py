"""Slides in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.geometry import Mpp
from pathoai.slide.memory_reader import MemoryReader
from pathoai.slide.reader import SlideReader
from pathoai.testing.slide_readers import KnownSlide, SlideReaderTests


class TestMemoryReader(SlideReaderTests):
    @pytest.fixture
    def truth(self) -> KnownSlide:
        pixels = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
        return KnownSlide(pixels, mpp=0.25)

    @pytest.fixture
    def reader(self, truth: KnownSlide) -> SlideReader:
        return MemoryReader(truth.pixels.copy(), mpp=Mpp.square(truth.mpp))


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((5, 5), np.uint8),
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((5, 5, 3), np.float32),
        np.zeros((0, 5, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused(pixels: NDArray[Any]) -> None:
    with pytest.raises(InvalidValueError):
        MemoryReader(pixels, mpp=Mpp.square(0.5))
