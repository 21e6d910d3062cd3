"""OME-Zarr labels of annotations, written: a class map and the numbers of the annotations."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from shapely.geometry.base import BaseGeometry

from pathoai.geometry import Grid
from pathoai.ontology import NOT_ASSESSED
from pathoai.provenance import result_software
from pathoai.store import ome
from pathoai.store.label_image import INSTANCE
from pathoai.store.pyramid import first_of_block, level_factors
from pathoai.store.shards import SHARD_PX, Shard, create_array, shard_slices
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats.annotation_format import WritingContext
from pathoai_annotations.formats.raster_grid import Paint, painted, tile_slices, touched_tiles
from pathoai_annotations.slide_frame import SlideFrame

_NAME = "annotations"


def write_label(
    target: Path,
    paints: Sequence[Paint],
    grid: Grid,
    frame: SlideFrame,
    context: WritingContext,
) -> Counter[int]:
    """Write class map and numbers into a new group.

    Args:
        target: Its folder.
        paints: What is painted, later over earlier; the first is number 1.
        grid: The raster.
        frame: Of the slide.
        context: The classes, and the corner that the raster starts at.

    Returns:
        How many pixels of each number can be seen.
    """
    root = zarr.create_group(target, zarr_format=3)
    inner = root.create_group(INSTANCE)
    factors = level_factors(grid.size_px)
    values = [context.ontology[paint.annotation.label].index for paint in paints]
    outlines = [paint.geometry for paint in paints]
    seen: Counter[int] = Counter()
    shards: list[Shard] = []
    maps = _levels(root, grid, factors, NOT_ASSESSED)
    numbers = _levels(inner, grid, factors, np.uint32(0))
    for shard, here in touched_tiles(outlines, grid, SHARD_PX):
        rows, columns = tile_slices(shard, grid, SHARD_PX)
        shapes: list[tuple[BaseGeometry, int]] = [(outlines[i], values[i]) for i in here]
        maps[0][rows, columns] = painted(shapes, grid, (rows, columns), NOT_ASSESSED)
        shapes = [(outlines[i], i + 1) for i in here]
        found = painted(shapes, grid, (rows, columns), np.uint32(0))
        numbers[0][rows, columns] = found
        visible, counts = np.unique(found[found > 0], return_counts=True)
        seen.update(dict(zip(visible.tolist(), counts.tolist(), strict=True)))
        shards.append(shard)
    _build(maps, shards)
    _build(numbers, shards)
    about = label_texts(paints, seen, grid, frame, context)
    root.attrs.put(about[0])
    inner.attrs.put(about[1])
    return seen


def label_texts(
    paints: Sequence[Paint],
    seen: Mapping[int, int],
    grid: Grid,
    frame: SlideFrame,
    context: WritingContext,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Attributes of the class map's group, and of that of the numbers.

    Args:
        paints: What is painted; the first is number 1.
        seen: How many pixels of each number can be seen.
        grid: The raster.
        frame: Of the slide.
        context: The classes, and the corner that the raster starts at.
    """
    scales = [factor * grid.downsample_x for factor in level_factors(grid.size_px)]
    classes = _without_image(
        ome.label_attributes(_NAME, scales, frame.mpp, context.ontology.classes)
    )
    numbers = _numbered(paints, seen, scales, frame, context)
    return {"ome": classes, "pathoai": _about(frame, context)}, {"ome": numbers}


def _levels(
    group: zarr.Group, grid: Grid, factors: Sequence[int], fill: int | np.uint32
) -> list[zarr.Array[Any]]:
    sizes = [grid.size_px.scaled_down(factor) for factor in factors]
    return [
        create_array(group, str(level), (size.height, size.width), fill=fill)
        for level, size in enumerate(sizes)
    ]


def _build(levels: Sequence[zarr.Array[Any]], shards: Iterable[Shard]) -> None:
    """Coarser levels, of the shards alone that hold something."""
    touched = sorted(shards)
    half = SHARD_PX // 2
    for below, level in pairwise(levels):
        parents: dict[Shard, list[Shard]] = defaultdict(list)
        for row, column in touched:
            parents[row // 2, column // 2].append((row, column))
        for parent, children in parents.items():
            rows, columns = shard_slices(parent, level.shape)
            shape = (rows.stop - rows.start, columns.stop - columns.start)
            made = np.full(shape, level.fill_value, level.dtype)
            for row, column in children:
                part = first_of_block(
                    np.asarray(below[shard_slices((row, column), below.shape)]), 2
                )
                y, x = half * (row % 2), half * (column % 2)
                made[y : y + part.shape[0], x : x + part.shape[1]] = part
            level[rows, columns] = made
        touched = sorted(parents)


def _without_image(attributes: dict[str, Any]) -> dict[str, Any]:
    """The label stands alone: there is no image whose label it is."""
    shown = {k: v for k, v in attributes["image-label"].items() if k != "source"}
    return attributes | {"image-label": shown}


def _about(frame: SlideFrame, context: WritingContext) -> dict[str, Any]:
    part = frame.part(context.corner)
    about = {
        "slide": context.slide_name,
        "counts_from": context.corner.value,
        "size": [part.width, part.height],
    }
    if context.made is not None:
        return about  # what made it says the package around it
    return about | {
        "ontology": [context.ontology.key, context.ontology.version],
        "software": result_software(),
    }


def _numbered(
    paints: Sequence[Paint],
    seen: Mapping[int, int],
    scales: Sequence[float],
    frame: SlideFrame,
    context: WritingContext,
) -> dict[str, Any]:
    """What OME-Zarr says of the numbers: which annotation each is."""
    scale = ome.multiscales(f"{_NAME} {INSTANCE}", scales, frame.mpp, channels=False)
    properties = [
        {"label-value": number, "pixels": seen[number]} | _properties(paint.annotation)
        for number, paint in enumerate(paints, start=1)
        if number in seen
    ]
    return {
        "version": ome.VERSION,
        "multiscales": [scale],
        "image-label": {"properties": properties},
    }


def _properties(annotation: Annotation) -> dict[str, Any]:
    found = {
        "id": str(annotation.id),
        "class": annotation.label,
        "origin": annotation.origin.value,
        "author": annotation.author,
        "status": annotation.status.value,
        "confidence": annotation.confidence,
        "derived_from": annotation.derived_from,
        "measurements": dict(annotation.measurements) or None,
    }
    return {name: value for name, value in found.items() if value is not None}
