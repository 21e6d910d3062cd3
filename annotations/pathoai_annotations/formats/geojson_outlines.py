"""Outlines in QuPath's GeoJSON without a study: what a viewer shows, or a user drew on any slide.

No class is looked up and nothing becomes an annotation: names and colours are those of the file, or
of whoever drew.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from pathoai.errors import AnnotationError
from pathoai.privacy.pseudonym import is_code
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.feature import naming
from pathoai_annotations.formats.geojson import parsed_feature, stated_place, write_features
from pathoai_annotations.formats.geojson_geometry import refuse_crs
from pathoai_annotations.formats.json_features import FeatureFile
from pathoai_annotations.slide_frame import Corner, Placement, SlideFrame, placement

Rgb = tuple[int, int, int]

_CHANNELS = 3
_LARGEST = 255
_NO_COLOUR: Rgb = (255, 0, 0)


@dataclass(frozen=True, slots=True)
class DrawnOutline:
    """An outline that somebody drew.

    Args:
        geometry: Point, line or area, with holes, in level-0 pixels.
        name: What its class is called; empty where it has none.
        rgb: Red, green and blue, 0 to 255, of that class.
    """

    geometry: BaseGeometry
    name: str = ""
    rgb: Rgb | None = None


def read_outlines(path: Path, frame: SlideFrame, slide_id: str = "") -> Iterator[DrawnOutline]:
    """The outlines of a file, one by one.

    Args:
        path: A FeatureCollection, a list of features or one feature.
        frame: Of the slide they are laid over.
        slide_id: Its code, where it has one.

    Raises:
        MissingFileError: Nothing lies there.
        AnnotationError: The file is no GeoJSON or about another slide, or a feature is malformed;
            the message names it.
    """
    file = FeatureFile(path)
    _refuse_crs(file, path.name)
    placed = _placement(file, path.name, frame, slide_id)
    # What an annotation could not hold is of no interest to the eye.
    unheard = ExchangeReport("geojson")
    for position, raw in enumerate(file.features(), start=1):
        where = f"{path.name} feature {position}"
        with naming(where):
            found = parsed_feature(raw, where, unheard)
            geometry = placed.to_level_0(shapely.force_2d(found.geometry))
            _check(geometry)
        yield DrawnOutline(geometry, found.class_name or "", _colour(raw))
    _refuse_crs(file, path.name)


def _refuse_crs(file: FeatureFile, name: str) -> None:
    with naming(name):
        refuse_crs(file.members.get("crs"))


def write_outlines(
    path: Path, outlines: Iterable[DrawnOutline], frame: SlideFrame, slide_id: str = ""
) -> int:
    """Write outlines, counted from the canvas; an old file stays until the new one is whole.

    Args:
        path: A name that ends in ``.gz`` is compressed.
        outlines: Of one slide.
        frame: Of that slide.
        slide_id: Its code, where it has one; a file of another name says nothing of its slide.

    Returns:
        How many were written.

    Raises:
        MissingFileError: The folder does not exist.
        StorageError: A folder lies there.
    """
    about: dict[str, Any] | None = None
    if is_code(slide_id):
        size = [float(frame.size.width), float(frame.size.height)]
        about = {"slide": slide_id, "counts_from": Corner.CANVAS.value, "size": size}
    return write_features(path, map(_raw, outlines), about)


def _placement(file: FeatureFile, name: str, frame: SlideFrame, slide_id: str) -> Placement:
    stated = stated_place(file, name)
    if stated is None:
        return Placement()
    about, corner = stated
    # Only codes can be compared: a slide outside any study has none.
    if is_code(slide_id) and is_code(about) and about != slide_id:
        raise AnnotationError(
            "the file is about another slide",
            where=name,
            found=about,
            allowed=slide_id,
            remedy="open that slide first",
        )
    return placement(frame, corner)


def _check(geometry: BaseGeometry) -> None:
    if geometry.is_empty or not np.isfinite(shapely.get_coordinates(geometry)).all():
        raise AnnotationError(
            "malformed geometry", found="nothing, or a coordinate that is no finite number"
        )


def _colour(raw: Any) -> Rgb | None:  # noqa: ANN401 - JSON that was parsed as a feature
    properties = raw.get("properties") or {}
    classification = properties.get("classification")
    for holder in (classification, properties):
        colour = holder.get("color") if isinstance(holder, dict) else None
        if isinstance(colour, list) and len(colour) == _CHANNELS and all(map(_is_byte, colour)):
            red, green, blue = colour
            return (red, green, blue)
    return None


def _is_byte(value: object) -> bool:
    return type(value) is int and 0 <= value <= _LARGEST


def _raw(outline: DrawnOutline) -> dict[str, Any]:
    properties: dict[str, Any] = {"objectType": "annotation"}
    if outline.name:
        # QuPath refuses a class without a colour.
        rgb = _NO_COLOUR if outline.rgb is None else outline.rgb
        properties["classification"] = {"name": outline.name, "color": list(rgb)}
    elif outline.rgb is not None:
        properties["color"] = list(outline.rgb)
    return {
        "type": "Feature",
        "id": str(uuid.uuid4()),
        "geometry": shapely.geometry.mapping(outline.geometry),
        "properties": properties,
    }
