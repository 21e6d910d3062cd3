"""What a model found on a slide, region by region, as proposals for the journal.

An object that fits into a region, such as a nucleus, belongs to the region that holds the centre of
its bounds, whole. What is larger, such as stroma, is cut at the region's border: the reader judges
what he sees.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pathoai.geometry import Region, Size
from pathoai.ontology import BACKGROUND_INDEX, NOT_ASSESSED
from pathoai.store.label_image import LabelImage
from pathoai.store.object_batches import object_batches
from pathoai.store.objects import ObjectTable
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai.vector.polygonise import Piece, polygonise
from pathoai_annotations.annotation import Annotation, Origin
from pathoai_annotations.proposals import model_code, proposals_of

_SMALLEST_AREA_UM2 = 100.0
"""Of what is cut at a border: smaller pieces are no area that a person would outline."""


@dataclass(frozen=True)
class _Index:
    """A slide's objects, without a Python object for each of their outlines' points.

    Args:
        bounds: ``(N, 4)`` left, top, right and bottom, level-0 pixels.
        wkb: ``(N,)`` outlines.
        class_index: ``(N,)`` uint8.
        probability: ``(N,)`` float32.
        source: What the table says of itself.
    """

    bounds: NDArray[np.float64]
    wkb: NDArray[np.object_]
    class_index: NDArray[np.uint8]
    probability: NDArray[np.float32]
    source: dict[str, Any]

    def table(self, rows: NDArray[np.bool_]) -> ObjectTable:
        """Some of the objects."""
        outlines = np.asarray(shapely.from_wkb(self.wkb[rows]), object).reshape(-1)
        return ObjectTable(
            outlines,
            self.class_index[rows],
            self.probability[rows],
            shapely.area(outlines).astype(np.float32),
            self.source,
        )


class ModelProposals:
    """The work of one model on one slide.

    Args:
        study: The study or the reading room.
        store: The slide's.
        model: Name of the model.
    """

    def __init__(self, study: Study, store: SlideStore, model: str) -> None:
        """Nothing is read until a region is asked for."""
        self.model = model
        self._study, self._store = study, store
        self._ontology = study.ontology

    def in_region(self, region: Region) -> list[Annotation]:
        """What the model found in a region; the same object always has the same id.

        Args:
            region: Level-0 pixels.

        Raises:
            StoreError: The model's objects were not written for this slide, or are damaged.
            OntologyError: An object is of a class that the study's ontology lacks.
        """
        index = self._index
        fits = ((index.bounds[:, 2:] - index.bounds[:, :2]) <= (region.width, region.height)).all(1)
        centres = (index.bounds[:, :2] + index.bounds[:, 2:]) / 2
        own = index.table(fits & _inside(centres, region))
        found = list(self._proposed(own))
        touching = _touches(index.bounds, region)
        if (touching & ~fits).any():
            found += self._proposed(self._areas(region, index.table(touching & fits)))
        return found

    @cached_property
    def _index(self) -> _Index:
        path = self._study.objects_path(self._store.slide_id, f"prediction/{self.model}")
        parts = list(object_batches(path))
        empty = np.empty((0, 4))
        return _Index(
            np.concatenate([empty, *(shapely.bounds(p.geometry).reshape(-1, 4) for p in parts)]),
            np.concatenate([empty[:, 0].astype(object), *(_wkb(p.geometry) for p in parts)]),
            np.concatenate([np.empty(0, np.uint8), *(p.class_index for p in parts)]),
            np.concatenate([np.empty(0, np.float32), *(p.probability for p in parts)]),
            parts[0].source if parts else {},
        )

    def _proposed(self, objects: ObjectTable) -> Iterator[Annotation]:
        if not len(objects):
            return iter(())
        author = model_code(self.model)
        return proposals_of(
            objects, self._store.slide_id, self._ontology, origin=Origin.MODEL, author=author
        )

    def _areas(self, region: Region, small: ObjectTable) -> ObjectTable:
        """What is too large for the region, cut from the class map along the region's border."""
        label = self._store.label(f"prediction/{self.model}")
        border = shapely.box(region.x, region.y, region.right, region.bottom)
        scale = np.array([label.grid().downsample_x, label.grid().downsample_y])
        pixel_um2 = self._store.header.slide_mpp.pixel_area_um2
        tree = shapely.STRtree(small.geometry)
        kept: list[tuple[BaseGeometry, Piece, float]] = []
        for piece in _pieces(label, region):
            outline = shapely.transform(piece.polygon, lambda xy: xy * scale)
            cut = areas_of(shapely.intersection(outline, border))
            is_small = len(tree.query(cut.representative_point(), predicate="within")) > 0
            area_um2 = cut.area * pixel_um2
            if area_um2 >= _SMALLEST_AREA_UM2 and not is_small:
                kept.append((cut, piece, area_um2))
        outlines = np.empty(len(kept), object)
        outlines[:] = [cut for cut, _, _ in kept]
        return ObjectTable(
            outlines,
            np.array([piece.value for _, piece, _ in kept], np.uint8),
            np.array([piece.weight for _, piece, _ in kept], np.float32),
            np.array([area_um2 for _, _, area_um2 in kept], np.float32),
            self._index.source,
        )


def holds_centre(region: Region, outline: BaseGeometry) -> bool:
    """Whether an outline belongs to a region: the centre of its bounds lies in it.

    Regions side by side share nothing, so each outline belongs to one of them.
    """
    left, top, right, bottom = outline.bounds
    centre = np.array([[(left + right) / 2, (top + bottom) / 2]])
    return bool(_inside(centre, region)[0])


def _inside(points: NDArray[np.float64], region: Region) -> NDArray[np.bool_]:
    x, y = points.T
    inside = (region.x <= x) & (x < region.right) & (region.y <= y) & (y < region.bottom)
    return np.asarray(inside, np.bool_)


def _touches(bounds: NDArray[np.float64], region: Region) -> NDArray[np.bool_]:
    left, top, right, bottom = bounds.T
    touches = (left < region.right) & (right > region.x)
    touches &= (top < region.bottom) & (bottom > region.y)
    return np.asarray(touches, np.bool_)


def _wkb(outlines: NDArray[np.object_]) -> NDArray[np.object_]:
    return np.asarray(shapely.to_wkb(outlines), object).reshape(-1)


def areas_of(shape: BaseGeometry) -> BaseGeometry:
    """The polygons of what a cut leaves, without lines and points in which shapes only touch."""
    polygons = [p for p in shapely.get_parts(shape) if p.geom_type == "Polygon"]
    return polygons[0] if len(polygons) == 1 else shapely.MultiPolygon(polygons)


def _pieces(label: LabelImage, region: Region) -> list[Piece]:
    """Connected areas of one class, with the mean probability of that class."""
    grid = label.grid()
    left = math.floor(region.x / grid.downsample_x + 1e-6)
    top = math.floor(region.y / grid.downsample_y + 1e-6)
    right = math.ceil(region.right / grid.downsample_x - 1e-6)
    bottom = math.ceil(region.bottom / grid.downsample_y - 1e-6)
    block = label.read(left, top, Size(right - left, bottom - top))
    weights = _own_probability(label, block, left, top)
    ignore = (BACKGROUND_INDEX, NOT_ASSESSED)
    return polygonise(block, ignore=ignore, origin_px=(left, top), weights=weights)


def _own_probability(
    label: LabelImage, block: NDArray[np.uint8], left: int, top: int
) -> NDArray[np.float32]:
    """Of each pixel of a block the probability of its class, ``(h, w)``; 1 where none is stored."""
    own = np.ones(block.shape, np.float32)
    # What lies beyond the label has no class either.
    rows, columns = np.nonzero(block != NOT_ASSESSED)
    if not label.probability_channels or not len(rows):
        return own
    bottom, right = int(rows.max()) + 1, int(columns.max()) + 1
    y, x = int(rows.min()), int(columns.min())
    with label.reading():
        planes = label.probability()[:, top + y : top + bottom, left + x : left + right]
    inside = block[y:bottom, x:right]
    for key, plane in zip(label.probability_channels, np.asarray(planes), strict=True):
        of_class = inside == label.classes.get(key, NOT_ASSESSED)
        own[y:bottom, x:right][of_class] = plane[of_class] / 255
    return own
