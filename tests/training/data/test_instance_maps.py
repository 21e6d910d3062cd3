"""Targets of networks of instances are exact, and the same on every machine."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from pathoai_training.data.instance_maps import instance_maps


@pytest.mark.parametrize("side", [96, 257])
def test_distances_are_exact_whatever_the_number_of_threads(side: int) -> None:
    y, x = np.mgrid[:side, :side]
    numbers = (np.hypot(y - side / 2, x - side / 2.3) < side / 2.6).astype(np.int32)
    depth = np.where(numbers > 0, distance_transform_edt(_inner(numbers)) + 1, 0)
    wanted = (depth / depth.max()).astype(np.float32)
    before, made = cv2.getNumThreads(), set()
    try:
        for threads in (1, 2, 4):
            cv2.setNumThreads(threads)
            maps = instance_maps(numbers)
            np.testing.assert_allclose(maps[0], wanted, rtol=1e-6)
            made.add(maps.tobytes())
    finally:
        cv2.setNumThreads(before)
    assert len(made) == 1


def _inner(numbers: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Pixels of the object that have no neighbour outside, along rows and columns."""
    inside = np.pad(numbers > 0, 1)
    core = inside[1:-1, 1:-1]
    for rows, columns in ((0, 1), (2, 1), (1, 0), (1, 2)):
        core = core & inside[rows:, columns:][: numbers.shape[0], : numbers.shape[1]]
    return core
