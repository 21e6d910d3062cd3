"""Layers of objects: how many there are per mm², their outlines, and what weighed in a grade."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.heatmap.label_layers import ATTENTION_COLOURS, class_of, classes_of
from pathoai.heatmap.label_samples import pixels_of
from pathoai.heatmap.layer import (
    ColourScale,
    Layer,
    LegendEntry,
    Outline,
    Scene,
    Tint,
    rounded_up,
)
from pathoai.heatmap.map_source import check_source
from pathoai.inference.slide_grade import SlideGrade
from pathoai.ontology import LabelClass
from pathoai.store.label_image import LabelImage
from pathoai.store.object_batches import object_batches
from pathoai.store.objects import ObjectTable, read_objects
from pathoai.vector.polygonise import polygonise

DENSITY_COLOURS = "viridis"
KERNEL_UM = 50.0
"""Standard deviation: about five cells wide, so that single nuclei merge and nests do not."""
_REACH = 4.0
_CELLS_PER_KERNEL = 5
_MOST_OUTLINES = 20_000
_MOST_OUTLINED_PX = 1 << 24
_ATTENTION_LINE = "#000000"


def _wanted(scene: Scene, label: LabelImage, key: str | None) -> tuple[LabelClass, ...]:
    return (
        classes_of(label, scene.ontology)
        if key is None
        else (class_of(label, scene.ontology, key),)
    )


def density_layer(scene: Scene, label: LabelImage, objects: Path, key: str | None) -> Layer:
    """Objects per mm² about each point of the tissue, by a Gaussian kernel of 50 µm."""
    values = [c.index for c in _wanted(scene, label, key)]
    grid = _DensityGrid.over(scene)
    for batch in object_batches(objects):
        check_source(scene.store, label.name, batch.source, label.about)
        grid.add(batch.geometry[np.isin(batch.class_index, values)])
    density = grid.per_mm2()
    scale = ColourScale(rounded_up(float(density.max(initial=0.0))), DENSITY_COLOURS)

    def tint(band: slice) -> Tint:
        values = grid.at(density, band)
        return scale.tint(values, np.ones(values.shape, np.bool_))

    words = scene.words
    named = words.objects if key is None else words.name(class_of(label, scene.ontology, key))
    kernel = words.kernel.format(words.plain(KERNEL_UM))
    heading = words.density.format(named)
    return Layer(heading, tint, scale=scale, notes=(kernel,), on_tissue=True)


class _DensityGrid:
    """Counts of objects in cells about the view, which the kernel then spreads."""

    def __init__(self, scene: Scene, cell: float, cells: tuple[int, int], margin: int) -> None:
        self._scene, self._cell, self._margin = scene, cell, margin
        self._shape = (cells[0] + 2 * margin, cells[1] + 2 * margin)
        self._count = np.zeros(self._shape, np.float64)

    @classmethod
    def over(cls, scene: Scene) -> _DensityGrid:
        """Cells as wide as the picture's pixels, or a fifth of the kernel if that is wider."""
        view = scene.view
        kernel = KERNEL_UM / view.slide_mpp.mean
        cell = max(view.downsample_x, kernel / _CELLS_PER_KERNEL)
        rows, columns = (int(np.ceil(s / cell)) for s in (view.region.height, view.region.width))
        return cls(scene, cell, (rows, columns), int(np.ceil(_REACH * kernel / cell)) + 1)

    def add(self, outlines: NDArray[np.object_]) -> None:
        """Count each object where its centroid lies."""
        centroid = shapely.get_coordinates(shapely.centroid(outlines))
        region = self._scene.view.region
        cells = np.floor((centroid - [region.x, region.y]) / self._cell).astype(np.int64)
        cells += self._margin
        height, width = self._shape
        inside = ((cells >= 0) & (cells < [width, height])).all(axis=1)
        np.add.at(self._count, (cells[inside, 1], cells[inside, 0]), 1)

    def per_mm2(self) -> NDArray[np.float64]:
        """Density of each cell."""
        from scipy import ndimage

        scale = self._scene.view.slide_mpp
        deviation = [KERNEL_UM / mpp / self._cell for mpp in (scale.y, scale.x)]
        spread = ndimage.gaussian_filter(self._count, deviation, mode="constant", truncate=_REACH)
        cell_mm2 = self._cell**2 * scale.pixel_area_um2 / 1e6
        inner = slice(self._margin - 1, 1 - self._margin)
        return np.asarray(spread[inner, inner] / cell_mm2)

    def at(self, density: NDArray[np.float64], band: slice) -> NDArray[np.float64]:
        """Density between the centres of cells, at the pixels of some rows."""
        from scipy import ndimage

        view = self._scene.view
        y = (np.arange(band.start, band.stop) + 0.5) * view.downsample_y / self._cell + 0.5
        x = (np.arange(view.size_px.width) + 0.5) * view.downsample_x / self._cell + 0.5
        where = np.meshgrid(y, x, indexing="ij")
        return np.asarray(ndimage.map_coordinates(density, where, order=1, mode="nearest"))


def outline_layer(scene: Scene, label: LabelImage, objects: Path, key: str | None) -> Layer:
    """The objects of a label as lines; of one without a table of objects, its connected regions.

    Raises:
        InvalidValueError: The picture shows too many to be told apart.
    """
    classes = {c.index: c for c in _wanted(scene, label, key)}
    outlines: list[Outline] = []
    count = dict.fromkeys(classes, 0)
    found = _tables(scene, label, objects) if objects.exists() else _regions(scene, label)
    box = _box(scene)
    for polygons, values in found:
        near = np.isin(values, list(classes)) & shapely.intersects(polygons, box)
        for polygon, value in zip(polygons[near], values[near].tolist(), strict=True):
            count[value] += bool(shapely.covers(box, polygon.centroid))
            outlines += _lines(scene, polygon, classes[value].colour)
        if len(outlines) > _MOST_OUTLINES:
            raise _too_many(scene, label.name)
    area, words = scene.view.area_mm2, scene.words
    legend = (
        LegendEntry(
            c.colour,
            words.name(c),
            f"{words.number(count[c.index], 0)} "
            f"({words.density.format(words.plain(count[c.index] / area))})",
        )
        for c in classes.values()
        if count[c.index] or key is not None
    )
    return Layer(words.objects, legend=tuple(legend), outlines=tuple(outlines))


_Found = Iterator[tuple[NDArray[np.object_], NDArray[np.uint8]]]


def _tables(scene: Scene, label: LabelImage, objects: Path) -> _Found:
    for batch in object_batches(objects):
        check_source(scene.store, label.name, batch.source, label.about)
        yield batch.geometry, batch.class_index


def _regions(scene: Scene, label: LabelImage) -> _Found:
    rows, columns = pixels_of(label, 0, scene.view.region)
    if (rows.stop - rows.start) * (columns.stop - columns.start) > _MOST_OUTLINED_PX:
        raise _too_many(scene, label.name)
    block = np.asarray(label.array(0)[rows, columns])
    pieces = polygonise(block, origin_px=(columns.start, rows.start))
    grid = label.grid()
    scale = np.array([grid.downsample_x, grid.downsample_y])
    outlines = np.array([p.polygon for p in pieces], dtype=object)
    yield (
        shapely.transform(outlines, lambda xy: xy * scale),
        np.array([p.value for p in pieces], np.uint8),
    )


def _too_many(scene: Scene, name: str) -> InvalidValueError:
    width = scene.view.region.width
    return InvalidValueError(
        "too many outlines to be told apart in one picture",
        where=name,
        found=f"a region of {width:g} × {scene.view.region.height:g} level-0 pixels",
        allowed=f"{_MOST_OUTLINES} outlines",
        remedy="choose a smaller --region, or --show classes or density",
    )


def _box(scene: Scene) -> Any:  # noqa: ANN401 - shapely publishes no types
    region = scene.view.region
    return shapely.box(region.x, region.y, region.right, region.bottom)


def _lines(scene: Scene, polygon: Any, colour: str) -> list[Outline]:  # noqa: ANN401 - likewise
    parts = shapely.get_parts(polygon)
    rings = [ring for part in parts for ring in (part.exterior, *part.interiors)]
    return [Outline(scene.view.to_picture(shapely.get_coordinates(ring)), colour) for ring in rings]


def attention_layer(scene: Scene, objects: Path, model: str) -> Layer:
    """The tiles that weighed most in the grade of a slide, by how much they did."""
    table = read_objects(objects)
    check_source(scene.store, f"grade/{model}", table.source)
    percent = 100 * table.probability.astype(np.float64)
    scale = ColourScale(rounded_up(float(percent.max(initial=0.0))), ATTENTION_COLOURS)
    corners = scene.view.to_picture(shapely.bounds(table.geometry).reshape(-1, 2))
    boxes = np.rint(corners).astype(np.int64).reshape(-1, 4)
    width = scene.view.size_px.width

    def tint(band: slice) -> Tint:
        values = np.full((band.stop - band.start, width), -1.0)
        for (left, top, right, bottom), weight in zip(boxes.tolist(), percent, strict=True):
            rows = slice(max(0, top - band.start), max(0, bottom - band.start))
            part = values[rows, max(0, left) : max(0, right)]
            np.maximum(part, weight, out=part)
        return scale.tint(np.maximum(values, 0), values >= 0)

    box = _box(scene)
    lines = [
        line
        for polygon in table.geometry[shapely.intersects(table.geometry, box)]
        for line in _lines(scene, polygon, _ATTENTION_LINE)
    ]
    notes = _grade_notes(scene, table, float(percent.sum()))
    return Layer(scene.words.attention, tint, scale=scale, outlines=tuple(lines), notes=notes)


def _grade_notes(scene: Scene, table: ObjectTable, percent: float) -> tuple[str, ...]:
    grade, words = SlideGrade.from_dict(table.source["grade"]), scene.words
    decided = words.referred if grade.is_referred else words.name(scene.ontology[grade.decision])
    all_tiles = words.number(grade.tiles, 0)
    return (
        words.heaviest.format(len(table), all_tiles, words.plain(percent)),
        words.grade.format(decided),
    )
