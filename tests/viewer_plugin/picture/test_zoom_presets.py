from __future__ import annotations

import pytest

from napari_pathoai.picture.zoom_presets import (
    MAGNIFICATIONS,
    magnification_at,
    screen_px_um,
)


def test_magnification_times_um_per_screen_pixel_is_ten() -> None:
    assert [screen_px_um(m) for m in MAGNIFICATIONS] == [8.0, 4.0, 2.0, 1.0, 0.5, 0.25]
    for magnification in MAGNIFICATIONS:
        assert magnification_at(1 / screen_px_um(magnification)) == pytest.approx(magnification)
