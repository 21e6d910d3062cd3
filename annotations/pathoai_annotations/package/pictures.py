"""Small pictures of slides with their annotations, for the landing page of a package.

They are made from the de-identified copies that lie in the same package, and from nothing else.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from shapely.affinity import affine_transform
from shapely.geometry.base import BaseGeometry

from pathoai.atomic_file import write_bytes_atomically
from pathoai.errors import MissingMppError
from pathoai.geometry import Grid, Mpp
from pathoai.heatmap.scale_bar import ScaleBar
from pathoai.ontology import LabelClass, Ontology
from pathoai.slide.open_slide import open_slide
from pathoai.slide.resampled import read_grid
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats.annotation_format import ReadingContext
from pathoai_annotations.formats.geojson import read_geojson
from pathoai_annotations.package import layout
from pathoai_annotations.package.deidentified_images import ImageCopies
from pathoai_annotations.package.plain_png import LONGEST_SIDE_PX

_FILL = 0.3
_LINE_PX, _POINT_PX = 2, 2.0
_NOBODY = "nobody"
"""Never used: a package's GeoJSON says who stands behind each annotation."""
_BLACK = (0, 0, 0)


def write_pictures(payload: Path, study: Study, copies: ImageCopies) -> None:
    """Draw each slide of a payload whose annotations are written.

    Args:
        payload: The payload's folder.
        study: Gives colours of classes, and scales that files do not state.
        copies: The slides.

    Raises:
        DamagedSlideError: More than half of a slide cannot be read.
        OSError: The disk is full or read-only.
    """
    ontology, cohort = study.ontology, study.cohort
    for slide_id, copy in copies.copies.items():
        context = ReadingContext(slide_id, ontology, _NOBODY, trust_metadata=True)
        annotations = read_geojson(payload / layout.geojson_name(slide_id), context)
        picture = _read(copy.path, cohort[slide_id].mpp)
        path = payload / layout.picture_name(slide_id)
        path.parent.mkdir(exist_ok=True)
        write_bytes_atomically(path, draw_picture(picture, annotations, ontology))


@dataclass(frozen=True, eq=False)
class SmallPicture:
    """A whole slide, small.

    Args:
        pixels: ``(H, W, 3)`` uint8.
        grid: Its raster.
        mpp: µm per pixel of it; None where nobody knows the scale.
    """

    pixels: NDArray[np.uint8]
    grid: Grid
    mpp: float | None


def draw_picture(
    picture: SmallPicture, annotations: Iterable[Annotation], ontology: Ontology
) -> bytes:
    """The slide with its annotations in the colours of their classes, and a scale bar.

    The same picture and annotations give the same bytes, with the same Pillow.

    Args:
        picture: The slide.
        annotations: In pixels of level 0.
        ontology: The classes.

    Returns:
        A PNG of pixels alone: without text, time or profile.
    """
    image = Image.fromarray(picture.pixels)
    for label, shapes in _by_class(annotations, ontology, picture.grid):
        _draw(image, label, shapes)
    if picture.mpp is not None:
        _draw_scale(image, ScaleBar.within(image.width, picture.mpp))
    file = io.BytesIO()
    image.save(file, format="png")
    return file.getvalue()


def _read(path: Path, stated_mpp: float | None) -> SmallPicture:
    """The slide, small; read in blocks, however large its coarsest level is."""
    known = True
    try:
        reader = open_slide(path, mpp=None if stated_mpp is None else Mpp.square(stated_mpp))
    except MissingMppError:
        known = False  # its shape is all that is needed then
        reader = open_slide(path, mpp=Mpp.square(1.0))
    with reader:
        size, mpp = reader.info.size, reader.info.mpp
        longest_um = max(size.width * mpp.x, size.height * mpp.y)
        side = min(LONGEST_SIDE_PX, max(size.width, size.height))
        grid = Grid.covering(size, mpp, longest_um / side)
        return SmallPicture(read_grid(reader, grid), grid, longest_um / side if known else None)


def _by_class(
    annotations: Iterable[Annotation], ontology: Ontology, grid: Grid
) -> Iterator[tuple[LabelClass, list[BaseGeometry]]]:
    """Classes and their outlines in the picture's pixels, the largest first: the small on top."""
    matrix = grid.affine_from_level_0()
    shapes: dict[str, list[BaseGeometry]] = {}
    for annotation in annotations:
        parts = shapely.get_parts(affine_transform(annotation.geometry, matrix))
        shapes.setdefault(annotation.label, []).extend(parts)
    areas = {label: sum(shape.area for shape in found) for label, found in shapes.items()}
    for label in sorted(shapes, key=lambda key: (-areas[key], key)):
        yield ontology[label], sorted(shapes[label], key=lambda shape: -shape.area)


def _draw(image: Image.Image, label: LabelClass, shapes: list[BaseGeometry]) -> None:
    inside, edge = Image.new("L", image.size), Image.new("L", image.size)
    fill, line = ImageDraw.Draw(inside), ImageDraw.Draw(edge)
    for shape in shapes:
        if isinstance(shape, shapely.Polygon):
            fill.polygon(_corners(shape.exterior), fill=round(255 * _FILL))
            for ring in shape.interiors:
                fill.polygon(_corners(ring), fill=0)
            for ring in (shape.exterior, *shape.interiors):
                line.line(_corners(ring), fill=255, width=_LINE_PX)
        elif isinstance(shape, shapely.Point):
            x, y = shape.x, shape.y
            line.ellipse((x - _POINT_PX, y - _POINT_PX, x + _POINT_PX, y + _POINT_PX), fill=255)
        else:
            line.line(_corners(shape), fill=255, width=_LINE_PX)
    image.paste(label.rgb, mask=inside)
    image.paste(label.rgb, mask=edge)


def _corners(shape: BaseGeometry) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in shapely.get_coordinates(shape)]


def _draw_scale(image: Image.Image, bar: ScaleBar) -> None:
    draw = ImageDraw.Draw(image)
    length = round(bar.length_px)
    left, top = 8, image.height - 12
    text = f"{bar.length_um / 1000:g} mm" if bar.length_um >= 100 else f"{bar.length_um:g} µm"
    # On white: tissue may lie there.
    draw.rectangle((left - 4, top - 18, left + max(length, 48) + 4, top + 8), fill=(255, 255, 255))
    draw.rectangle((left, top, left + length, top + 3), fill=_BLACK)
    draw.text((left, top - 15), text, fill=_BLACK)
