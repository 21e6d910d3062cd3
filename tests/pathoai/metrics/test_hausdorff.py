from __future__ import annotations

import numpy as np
import pytest
import shapely
from shapely import MultiPolygon, Point, Polygon, box
from shapely.geometry.base import BaseGeometry

from pathoai.metrics.hausdorff import hausdorff_95_um


def _brute(first: BaseGeometry, second: BaseGeometry, step: float) -> float:
    """Every point against every point, both boundaries finely sampled."""

    def points(
        shape: BaseGeometry, every: float
    ) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        found = []
        for ring in shapely.get_parts(shape.boundary):
            at = np.arange(0, ring.length, every)
            found.append(shapely.get_coordinates(shapely.line_interpolate_point(ring, at)))
        return np.concatenate(found)

    def directed(source: BaseGeometry, target: BaseGeometry) -> float:
        one, other = points(source, step), points(target, 0.1)
        return float(np.percentile(np.linalg.norm(one[:, None] - other, axis=2).min(axis=1), 95))

    return max(directed(first, second), directed(second, first))


def test_concentric_circles_lie_apart_by_their_radii() -> None:
    one, other = Point(0, 0).buffer(50, 64), Point(0, 0).buffer(58, 64)
    assert hausdorff_95_um(one, other) == pytest.approx(8, abs=0.05)


def test_a_shifted_square_is_off_by_the_shift() -> None:
    assert hausdorff_95_um(box(0, 0, 100, 100), box(10, 0, 110, 100)) == pytest.approx(10)


def test_a_twentieth_of_a_boundary_may_lie_out() -> None:
    plain = box(0, 0, 100, 100)
    # A spike whose two sides are 4 % of the boundary.
    spike = shapely.union_all([plain, Polygon([(49, 100), (51, 100), (50, 108)])])
    assert hausdorff_95_um(plain, spike) < 1
    assert shapely.hausdorff_distance(plain, spike) == pytest.approx(8)


@pytest.mark.parametrize("seed", range(3))
def test_against_brute_force_with_holes_and_parts(seed: int) -> None:
    draw = np.random.default_rng(seed)
    hole = Polygon(box(0, 0, 40, 40).exterior, [box(10, 10, 20, 20).exterior])
    one = MultiPolygon([hole, box(60, 0, 80, 30)])
    other = shapely.affinity.translate(
        shapely.affinity.rotate(hole, draw.uniform(-20, 20)), *draw.uniform(-6, 6, 2)
    )
    found = hausdorff_95_um(one, other, step_um=0.5)
    assert found == pytest.approx(_brute(one, other, 0.5), abs=0.6)
    assert found == pytest.approx(hausdorff_95_um(other, one, step_um=0.5))


def test_without_a_boundary_there_is_no_distance() -> None:
    assert np.isnan(hausdorff_95_um(box(0, 0, 1, 1), Polygon()))
    assert np.isnan(hausdorff_95_um(Polygon(), Polygon()))
