from __future__ import annotations

import numpy as np
import pytest
import shapely
from shapely import Polygon, box

from pathoai.metrics.outline_overlap import outline_areas, outline_dice, outline_iou, united


def test_exact_areas_with_holes() -> None:
    ring = Polygon(box(0, 0, 10, 10).exterior, [box(2, 2, 8, 8).exterior])
    areas = outline_areas(ring, box(0, 0, 5, 10))
    # Half of the ring: 64 − … = (100 − 36) / 2.
    assert areas == pytest.approx([32, 64, 50])
    assert outline_dice(areas) == pytest.approx(64 / 114)
    assert outline_iou(areas) == pytest.approx(32 / 82)


def test_slides_are_summed_and_nothing_is_not_a_number() -> None:
    areas = np.stack([outline_areas(box(0, 0, 2, 2), box(1, 0, 3, 2)), [0, 0, 5]])
    assert outline_dice(areas.sum(0)) == pytest.approx(2 * 2 / 13)
    assert outline_dice(areas) == pytest.approx([0.5, 0])
    nothing = outline_areas(Polygon(), Polygon())
    assert np.isnan(outline_dice(nothing))
    assert np.isnan(outline_iou(nothing))


def test_overlapping_outlines_of_one_reader_count_once() -> None:
    both = united([box(0, 0, 2, 2), box(1, 0, 3, 2)])
    assert shapely.area(both) == pytest.approx(6)
    assert united([]).is_empty
