"""What is known of a slide is consistent."""

from __future__ import annotations

import pytest

from pathoai.errors import InvalidValueError
from pathoai.geometry import Mpp, Size
from pathoai.slide.reader import Level, SlideInfo


def _info(*downsamples: float) -> SlideInfo:
    levels = tuple(
        Level(Size(max(1, int(4000 / d)), max(1, int(3000 / d))), d) for d in downsamples
    )
    return SlideInfo("CODE", levels, Mpp.square(0.25))


@pytest.mark.parametrize("downsamples", [(), (2.0, 4.0), (1.0, 4.0, 2.0), (0.5, 1.0)])
def test_contradictory_pyramids_are_refused(downsamples: tuple[float, ...]) -> None:
    with pytest.raises(InvalidValueError):
        _info(*downsamples)


@pytest.mark.parametrize(
    ("downsample", "level"),
    [(0.5, 0), (1.0, 0), (3.9, 0), (3.99, 1), (4.0, 1), (15.0, 1), (16.0, 2), (999.0, 2)],
)
def test_the_coarsest_level_that_is_fine_enough_is_read(downsample: float, level: int) -> None:
    """With 1 % of slack: scanners' 4× levels are 4.0003×."""
    assert _info(1.0, 4.0003, 16.002).level_for(downsample) == level
