"""Blocks of one raster made of another, on a ramp: the value says where it was taken."""

from __future__ import annotations

import numpy as np
import pytest

from pathoai.geometry import Size
from pathoai.slide.source_window import SourceWindow


@pytest.mark.parametrize("ratio", [0.5, 0.95, 0.975, 0.98, 0.99, 1.0, 1.02, 1.9])
@pytest.mark.parametrize("start", [3.0, 10.3])
@pytest.mark.parametrize("count", [100, 200])
def test_a_ramp_stays_where_it_is(ratio: float, start: float, count: int) -> None:
    """Also where the window, with its margin, happens to be as large as the block."""
    window = SourceWindow.of(start, start, Size(count, 3), ratio_x=ratio, ratio_y=1.0)
    ramp = np.arange(window.x_px, window.x_px + window.span_px.width) / 2
    source = np.broadcast_to(ramp[None, :, None], (window.span_px.height, len(ramp), 3))
    found = window.resampled(np.clip(source, 0, 255).astype(np.uint8))
    assert found.shape == (3, count, 3)
    centres = start + (np.arange(count) + 0.5) * ratio - 0.5
    np.testing.assert_allclose(found[1, :, 0], np.clip(centres / 2, 0, 255), atol=1.01)


def test_one_axis_may_be_at_its_place_already() -> None:
    window = SourceWindow.of(5.0005, 7.0, Size(40, 40), ratio_x=1.0, ratio_y=1.03)
    assert (window.x_px, window.span_px.width) == (5, 40)
    pixels = np.zeros((window.span_px.height, 40, 3), np.uint8)
    assert window.resampled(pixels).shape == (40, 40, 3)
