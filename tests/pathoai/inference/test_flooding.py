"""A flooded map: reconstruction by dilation as scikit-image has it, to the bit."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import reconstruction

from pathoai.inference.flooding import flooded

_few_levels = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.55, 0.9])
_any_level = st.floats(-1, 1, width=32)


@settings(max_examples=150)
@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=14),
        elements=st.one_of(_few_levels, _any_level).map(np.float32),
    ),
    st.sampled_from([0.0, 0.1, 0.3, 0.8]),
)
def test_levels_are_those_of_the_plain_algorithm(height: NDArray[np.float32], depth: float) -> None:
    expected = reconstruction(height - np.float32(depth), height)
    found = flooded(height, depth)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)


def test_plateaus_and_long_ways_round() -> None:
    """A spiral whose end is flooded from its other end, and a plane where all are equal."""
    spiral = np.zeros((41, 41), np.float32)
    for ring in range(0, 20, 4):
        spiral[ring, ring - 2 if ring else 0 : 41 - ring] = 0.5
        spiral[ring : 41 - ring, 40 - ring] = 0.5
        spiral[40 - ring, ring : 41 - ring] = 0.5
        spiral[ring + 4 : 41 - ring, ring] = 0.5
    spiral[0, 0] = 1
    for height in (spiral, np.full((20, 30), 0.4, np.float32), np.zeros((1, 7), np.float32)):
        expected = reconstruction(height - np.float32(0.1), height)
        np.testing.assert_array_equal(flooded(height, 0.1), expected)
    assert flooded(np.zeros((0, 5), np.float32), 0.1).shape == (0, 5)


def test_a_noisy_map_of_many_summits() -> None:
    rng = np.random.default_rng(0)
    height = ndimage.gaussian_filter(rng.normal(0, 1, (300, 280)).astype(np.float32), 1.2)
    for depth in (0.02, 0.2):
        expected = reconstruction(height - np.float32(depth), height)
        np.testing.assert_array_equal(flooded(height, depth), expected)
