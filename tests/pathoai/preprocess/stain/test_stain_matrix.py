from __future__ import annotations

import numpy as np

from pathoai.preprocess.stain.stain_matrix import (
    DAB,
    EOSIN,
    HEMATOXYLIN,
    hematoxylin_first,
    stain_matrix,
    unit_vectors,
)


def test_rows_are_unit_vectors_and_the_third_is_normal_to_both() -> None:
    matrix = stain_matrix()
    assert np.allclose(np.linalg.norm(matrix, axis=1), 1)
    assert np.allclose(matrix[2] @ matrix[:2].T, 0)


def test_hematoxylin_comes_first_whatever_the_order_and_the_other_stain() -> None:
    for other in (EOSIN, DAB):
        expected = unit_vectors(np.array([HEMATOXYLIN, other]))
        assert np.array_equal(hematoxylin_first(expected), expected)
        assert np.array_equal(hematoxylin_first(expected[::-1]), expected)
