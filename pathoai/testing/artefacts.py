"""What goes wrong in the laboratory and at the scanner: pen, fold, blur and air bubble."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pathoai.testing.texture_noise import FloatGrid, sample_grid
from pathoai.testing.tissue_layout import Grid

if TYPE_CHECKING:
    from shapely import Polygon
    from shapely.geometry.base import BaseGeometry

ARTEFACT_KINDS = ("pen", "fold", "blur", "bubble")
_INK_DENSITY = (1.05, 0.62, 0.16)


@dataclass(frozen=True, eq=False)
class Artefact:
    """One artefact and where it lies.

    Attributes:
        kind: One of `ARTEFACT_KINDS`.
        geometry: Its outline, level-0 px.
        field: Signed distance to the outline at nodes about it, level-0 px, positive inside.
        node: (column, row) of the field's first node on the grid of the slide.
        pitch: Distance between two nodes, level-0 px.
        blur_px: Deviation of the blur, level-0 px; 0 for other kinds.
    """

    kind: str
    geometry: Polygon
    field: FloatGrid
    node: tuple[int, int]
    pitch: int
    blur_px: float = 0.0

    def touches(self, box: tuple[int, int, int, int]) -> bool:
        """Whether the artefact may show in (left, top, right, bottom), level-0 px."""
        left, top, right, bottom = (float(value) for value in self.geometry.bounds)
        margin = 2 * self.pitch
        return (
            left - margin < box[2]
            and right + margin > box[0]
            and top - margin < box[3]
            and bottom + margin > box[1]
        )

    def distance(self, *, x: int, y: int, width: int, height: int) -> FloatGrid:
        """Signed distance (height, width) float32 in a rectangle, px."""
        return sample_grid(
            self.field,
            x=x - self.node[0] * self.pitch,
            y=y - self.node[1] * self.pitch,
            width=width,
            height=height,
            pitch=self.pitch,
        )


def draw_artefacts(
    kinds: tuple[str, ...],
    generator: np.random.Generator,
    *,
    grid: Grid,
    tissue: BaseGeometry,
) -> tuple[Artefact, ...]:
    """Draw one artefact of each kind asked for.

    Args:
        kinds: Kinds, in order; one may be named twice.
        generator: Source of places and shapes.
        grid: The nodes of the slide.
        tissue: The tissue, level-0 px: every artefact lies at least partly on it.

    Returns:
        One artefact per kind.
    """
    return tuple(_draw(kind, generator, grid=grid, tissue=tissue) for kind in kinds)


def _draw(
    kind: str, generator: np.random.Generator, *, grid: Grid, tissue: BaseGeometry
) -> Artefact:
    """Draw one artefact."""
    import shapely

    extent = min(grid.width, grid.height)
    anchor = _place_on(tissue, generator)
    outline: BaseGeometry
    if kind == "pen":
        shape = _stroke(generator, anchor=anchor, length=0.7 * extent, bend=0.25)
        outline = shape.buffer(min(grid.px(120.0), 0.025 * extent))
    elif kind == "fold":
        shape = _stroke(generator, anchor=anchor, length=0.35 * extent, bend=0.5)
        outline = shape.buffer(min(grid.px(22.0), 0.015 * extent)).intersection(tissue)
    else:
        radius = (0.13 if kind == "blur" else 0.09) * extent
        outline = _round(generator, anchor=anchor, radius=radius)
    outline = outline.intersection(shapely.box(0, 0, grid.width, grid.height))
    parts = [part for part in shapely.get_parts(outline) if part.geom_type == "Polygon"]
    largest = max(parts, key=lambda part: float(part.area))
    field, node = _distance_nodes(largest, grid=grid)
    blur = grid.px(1.6) if kind == "blur" else 0.0
    return Artefact(kind, largest, field, node, grid.pitch, blur)


def _place_on(tissue: BaseGeometry, generator: np.random.Generator) -> tuple[float, float]:
    """Find a point well inside the tissue."""
    import shapely

    left, top, right, bottom = tissue.bounds
    for _ in range(200):
        point = shapely.Point(generator.uniform(left, right), generator.uniform(top, bottom))
        if tissue.contains(point):
            return float(point.x), float(point.y)
    inner = tissue.representative_point()
    return float(inner.x), float(inner.y)


def _stroke(
    generator: np.random.Generator, *, anchor: tuple[float, float], length: float, bend: float
) -> BaseGeometry:
    """Draw a bent line through a point."""
    import shapely

    t = np.linspace(-0.5, 0.5, 40)
    heading = generator.uniform(0, np.pi) + bend * np.sin(2 * np.pi * (t + generator.uniform()))
    step = length / t.size
    x, y = np.cumsum(np.cos(heading)) * step, np.cumsum(np.sin(heading)) * step
    middle = t.size // 2
    line = np.stack([x - x[middle] + anchor[0], y - y[middle] + anchor[1]], axis=1)
    return shapely.LineString(line)


def _round(
    generator: np.random.Generator, *, anchor: tuple[float, float], radius: float
) -> Polygon:
    """Draw a roundish outline about a point."""
    import shapely

    t = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    contour = np.ones_like(t)
    for order in (2, 3):
        contour += generator.normal(0, 0.06) * np.cos(order * t + generator.uniform(0, 6.28))
    ring = np.stack([np.cos(t), np.sin(t)], axis=1) * (radius * contour)[:, None]
    return shapely.Polygon(ring + np.asarray(anchor))


def _distance_nodes(outline: Polygon, *, grid: Grid) -> tuple[FloatGrid, tuple[int, int]]:
    """Signed distance at the nodes about an outline, and the first node's column and row."""
    import shapely

    pitch = grid.pitch
    left, top, right, bottom = (int(value // pitch) for value in outline.bounds)
    columns = np.arange(left - 3, right + 5)
    rows = np.arange(top - 3, bottom + 5)
    x, y = np.meshgrid(columns * float(pitch), rows * float(pitch))
    points = shapely.points(x.ravel(), y.ravel())
    shapely.prepare(outline)
    inside = shapely.contains(outline, points)
    distance = shapely.distance(outline.boundary, points)
    signed = np.where(inside, distance, -distance).reshape(x.shape)
    return signed.astype(np.float32), (int(columns[0]), int(rows[0]))


def halo_px(artefacts: tuple[Artefact, ...]) -> int:
    """How many pixels around a block its artefacts need, level-0 px."""
    widest = max((artefact.blur_px for artefact in artefacts), default=0.0)
    return int(np.ceil(4 * widest))


def apply_artefacts(
    density: FloatGrid, *, x: int, y: int, artefacts: tuple[Artefact, ...]
) -> FloatGrid:
    """Lay artefacts over a rectangle.

    Args:
        density: (3, height, width) float32, optical density.
        x: Left edge, level-0 px.
        y: Top edge, level-0 px.
        artefacts: Those that touch the rectangle.

    Returns:
        (3, height, width) float32.
    """
    order = sorted(artefacts, key=lambda one: ("fold", "blur", "pen", "bubble").index(one.kind))
    height, width = density.shape[1:]
    for artefact in order:
        distance = artefact.distance(x=x, y=y, width=width, height=height)
        cover = np.clip(0.5 + distance / 3.0, 0.0, 1.0).astype(np.float32)
        if artefact.kind == "fold":
            # Two layers of tissue, thickest where it bends at the crease.
            crease = np.exp(-np.abs(distance) / (4 * artefact.pitch)).astype(np.float32)
            density = density * (1.0 + cover * (0.9 + 0.5 * crease))
        elif artefact.kind == "blur":
            density = _blurred(density, cover=cover, sigma=artefact.blur_px)
        elif artefact.kind == "pen":
            streak = 0.85 + 0.15 * np.tanh(distance / (6.0 * artefact.pitch))
            for channel, ink in enumerate(_INK_DENSITY):
                density[channel] += cover * np.float32(ink) * streak.astype(np.float32)
        else:
            ring = np.exp(-((distance / (1.2 * artefact.pitch)) ** 2)).astype(np.float32)
            density = density * (1.0 - 0.35 * cover) + 0.02 * cover + 0.55 * ring * cover
    return np.asarray(density, dtype=np.float32)


def _blurred(density: FloatGrid, *, cover: FloatGrid, sigma: float) -> FloatGrid:
    """Defocus the covered part."""
    from scipy import ndimage

    soft = np.stack([ndimage.gaussian_filter(channel, sigma) for channel in density])
    return np.asarray(density + cover * (soft - density), dtype=np.float32)
