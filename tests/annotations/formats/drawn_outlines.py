"""Outlines that hypothesis draws: never crossing themselves, with holes and several parts."""

from __future__ import annotations

import math

from hypothesis import strategies as st
from shapely import MultiPolygon, Polygon


def star(centre: tuple[float, float], radii: list[float]) -> list[tuple[float, float]]:
    """A ring around its centre that never crosses itself, whatever its radii."""
    angles = [2 * math.pi * i / len(radii) for i in range(len(radii))]
    x, y = centre
    return [(x + r * math.cos(a), y + r * math.sin(a)) for a, r in zip(angles, radii, strict=True)]


@st.composite
def polygons(draw: st.DrawFn, centre: tuple[float, float]) -> Polygon:
    """Polygons 20 to 40 wide with up to two holes."""
    x, y = centre
    shell = star(centre, draw(st.lists(st.floats(10, 20), min_size=8, max_size=12)))
    inner = st.lists(st.floats(0.5, 3), min_size=3, max_size=6)
    holes = [star((x + side, y), draw(inner)) for side in (-4, 4) if draw(st.booleans())]
    return Polygon(shell, holes)


@st.composite
def outlines(draw: st.DrawFn, least: float = 0, most: float = 200_000) -> Polygon | MultiPolygon:
    """One to three polygons beside each other, about a centre between two coordinates."""
    x, y = draw(st.floats(least, most)), draw(st.floats(least, most))
    parts = [draw(polygons((x + 50 * i, y))) for i in range(draw(st.integers(1, 3)))]
    return parts[0] if len(parts) == 1 else MultiPolygon(parts)
