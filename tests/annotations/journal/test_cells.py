"""What may touch a view is found by ranges of numbers, and nothing that touches it is missed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pathoai.geometry import Region
from pathoai_annotations.journal.cells import cells_of, cells_touching

_places = st.one_of(
    st.floats(-3000, 3000),
    # On edges of cells, far out, and beyond what the tree covers.
    st.sampled_from([0.0, 128.0, -128.0, 127.999, 1024.0, 2.0**20, -(2.0**20), 3e6, -3e6]),
    st.floats(0, 300_000),
)
_sizes = st.one_of(st.just(0.0), st.floats(0, 500), st.floats(0, 100_000))
_boxes = st.tuples(_places, _places, _sizes, _sizes)
_regions = st.builds(Region, _places, _places, st.floats(0.1, 100_000), st.floats(0.1, 100_000))


@settings(max_examples=300)
@given(st.lists(_boxes, min_size=1, max_size=30), _regions)
def test_whatever_touches_a_region_is_in_its_ranges(
    boxes: list[tuple[float, float, float, float]], region: Region
) -> None:
    bounds = np.array([(x, y, x + width, y + height) for x, y, width, height in boxes])
    ranges = cells_touching(region)
    assert all(first <= last for first, last in ranges)
    assert all(a[1] + 1 < b[0] for a, b in pairwise(ranges))
    for (left, top, right, bottom), cell in zip(bounds, cells_of(bounds), strict=True):
        touches = left <= region.right and right >= region.x
        if touches and top <= region.bottom and bottom >= region.y:
            assert any(first <= cell <= last for first, last in ranges)


def test_a_view_looks_at_few_ranges_and_few_annotations() -> None:
    rng = np.random.default_rng(3)
    corners = rng.uniform(0, 40_000, (100_000, 2))
    cells = cells_of(np.hstack([corners, corners + 20]))
    for x, y in rng.uniform(0, 32_000, (20, 2)):
        ranges = cells_touching(Region(x, y, 8000, 8000))
        looked_at = sum(int(((cells >= a) & (cells <= b)).sum()) for a, b in ranges)
        assert len(ranges) <= 60
        assert looked_at <= 0.16 * len(cells)  # the view itself has 0.04 of them


def test_numbers_are_for_ever() -> None:
    """They are stored: another numbering would need a new revision of the schema."""
    bounds = np.array(
        [[0, 0, 1, 1], [100, 100, 200, 200], [-5, 3, 5, 9], [0, 0, 2e6, 1], [40_000, 30_000] * 2]
    )
    assert cells_of(bounds.astype(float)).tolist() == [268435469, 268435468, 0, 0, 268582163]
