"""Working strip by strip leaves no trace."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.tissue.strips import in_strips


@pytest.mark.parametrize("height", [1, 511, 512, 513, 1400])
def test_strips_leave_no_seam(height: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (height, 40, 3)).astype(np.uint8)

    def blurred(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(ndimage.gaussian_filter(image[..., 1].astype(np.float32), 3))

    np.testing.assert_allclose(in_strips(blurred, pixels, 13), blurred(pixels), atol=1e-3)
