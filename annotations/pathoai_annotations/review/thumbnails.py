"""A small picture of an object in its surroundings, with its outline drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pathoai.errors import InvalidValueError
from pathoai.geometry import Region, Size
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation

_SURROUNDINGS = 1.8
"""Side of the picture, in times of the object's: what it lies in tells as much as itself."""
_SMALLEST_UM = 24.0
_MOST_STORES = 16


@dataclass(frozen=True, slots=True)
class ThumbnailSpec:
    """How thumbnails look.

    Args:
        side_px: Of the square picture.
        colour: Red, green and blue of the outline, 0 to 255.

    Raises:
        InvalidValueError: A side in which nothing could be seen, or that would not fit the dock.
    """

    side_px: int = 80
    colour: tuple[int, int, int] = (255, 220, 0)

    def __post_init__(self) -> None:
        """Refuse such a side."""
        if not 32 <= self.side_px <= 256:
            raise InvalidValueError("side of thumbnails", found=self.side_px, allowed="32 to 256")


class Thumbnails:
    """Makes thumbnails; may be called from a thread of its own.

    Args:
        study: Whose slides they are.
        spec: How they look.
    """

    def __init__(self, study: Study, spec: ThumbnailSpec | None = None) -> None:
        """Open nothing yet."""
        self._study, self.spec = study, spec or ThumbnailSpec()
        # A bound: a store keeps its metadata, and a study may have thousands.
        self._store = lru_cache(maxsize=_MOST_STORES)(self._opened)

    def _opened(self, slide_id: str) -> SlideStore:
        return SlideStore(self._study.store_path(slide_id))

    def picture(self, annotation: Annotation) -> NDArray[np.uint8]:
        """An object in the middle of its surroundings.

        Args:
            annotation: Of any slide of the study that is tiled.

        Returns:
            ``(side_px, side_px, 3)`` uint8; white outside of the slide.

        Raises:
            StoreError: The slide is not tiled, or a part of it cannot be decoded.
        """
        from PIL import Image, ImageDraw

        store, side = self._store(annotation.slide_id), self.spec.side_px
        window = surroundings(annotation.geometry, store)
        picture = Image.fromarray(store.read_region(window, Size(side, side)))
        pen = ImageDraw.Draw(picture)
        for line in _lines(annotation.geometry, window, side):
            # Light on dark tissue as on light tissue: a dark rim below, the colour above.
            pen.line(line, fill=(30, 30, 30), width=3)
            pen.line(line, fill=self.spec.colour, width=1)
        return np.asarray(picture, np.uint8)


def surroundings(geometry: BaseGeometry, store: SlideStore) -> Region:
    """The square on the glass around an object, level-0 pixels."""
    left, top, right, bottom = shapely.bounds(geometry).tolist()
    mpp = store.header.slide_mpp
    width_um, height_um = (right - left) * mpp.x, (bottom - top) * mpp.y
    side_um = max(_SMALLEST_UM, _SURROUNDINGS * max(width_um, height_um))
    width, height = side_um / mpp.x, side_um / mpp.y
    return Region((left + right - width) / 2, (top + bottom - height) / 2, width, height)


def _lines(
    geometry: BaseGeometry, window: Region, side_px: int
) -> Iterator[list[tuple[float, float]]]:
    """Every ring and line of an object, in pixels of its picture; a point as a small cross."""
    origin = np.array([window.x, window.y])
    scale = np.array([side_px / window.width, side_px / window.height])
    for part in shapely.get_parts(geometry):
        if part.geom_type == "Point":
            (x, y), *_ = ((shapely.get_coordinates(part) - origin) * scale).tolist()
            yield [(x - 4, y), (x + 4, y)]
            yield [(x, y - 4), (x, y + 4)]
            continue
        for ring in shapely.get_rings(part) if part.geom_type == "Polygon" else [part]:
            points = (shapely.get_coordinates(ring) - origin) * scale
            yield [(x, y) for x, y in points.tolist()]
