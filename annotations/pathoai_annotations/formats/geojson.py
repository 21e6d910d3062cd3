"""GeoJSON in QuPath's dialect, holes kept.

RFC 7946 for the geometry, but in pixels; for ``properties`` what QuPath 0.5 and later read and
write: object type, classification with its colour, measurements, metadata. A member ``pathoai`` of
the collection, which other programs pass over, says which slide it is about and which corner its
coordinates count from.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from pathoai.errors import AnnotationError
from pathoai.ontology import Ontology
from pathoai.privacy.shown import shown
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats.annotation_format import ReadingContext, WritingContext
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.feature import Feature, FeatureReader, check_slide_name, naming
from pathoai_annotations.formats.geojson_geometry import parsed_geometry, refuse_crs
from pathoai_annotations.formats.json_features import FeatureFile
from pathoai_annotations.formats.part import Part
from pathoai_annotations.formats.text_file import head_of, writing_text
from pathoai_annotations.slide_frame import Corner, Placement

_FORMAT, _PROBABILITY, _ABOUT = "geojson", "probability", "pathoai"
_CELL_ROOT = "nucleus"
# What we read or QuPath always writes; the rest of what it says is told as lost.
_READ = {"objectType", "classification", "measurements", "metadata"}
_METADATA = {"origin", "author", "status", "derived_from"}
_OF_QUPATH = {"isLocked", "childObjects", "ANNOTATION_DESCRIPTION"}
"""Members that QuPath writes, beside those whose names are of the form of a key."""


class GeoJson:
    """The format ``geojson``."""

    title = "QuPath GeoJSON"
    suffixes: tuple[str, ...] = (".geojson", ".geojson.gz", ".json")
    reads = writes = True
    cannot_carry: frozenset[Part] = frozenset()

    def recognises(self, path: Path) -> bool:
        """True where the first part of the file speaks of features."""
        return b'"Feature' in head_of(path)

    def read(
        self, path: Path, context: ReadingContext, report: ExchangeReport
    ) -> Iterator[Annotation]:
        """Annotations of a file; see :func:`read_geojson`."""
        return read_geojson(path, context, report)

    def write(
        self,
        path: Path,
        annotations: Iterable[Annotation],
        context: WritingContext,
        report: ExchangeReport,
    ) -> int:
        """Write annotations, and what slide and corner they are of; see :func:`write_geojson`."""
        placement = context.placement()
        _note_bounds(context, report)
        about: dict[str, Any] = {"slide": context.slide_name, "counts_from": context.corner.value}
        if context.frame is not None:
            part = context.frame.part(context.corner)
            about["size"] = [part.width, part.height]
        placed = (
            feature(annotation, context.ontology, placement.from_level_0(annotation.geometry))
            for annotation in annotations
        )
        return write_features(path, placed, about)


FORMAT = GeoJson()


def _note_bounds(context: WritingContext, report: ExchangeReport) -> None:
    if context.frame is None or context.corner is Corner.BOUNDS:
        return
    x, y = context.frame.scan_origin
    if (x, y) != (0.0, 0.0):
        report.note(
            f"the scanned part of this slide starts at x {x:g}, y {y:g}: QuPath, which shows it "
            "alone, needs --origin bounds"
        )


def write_geojson(path: Path, annotations: Iterable[Annotation], ontology: Ontology) -> int:
    """Write a FeatureCollection, one feature a line, streamed; renamed into place at the end.

    Args:
        path: A name that ends in ``.gz`` is compressed.
        annotations: What to write, in level-0 pixels of the canvas.
        ontology: Gives the colour of each class, without which QuPath refuses a file.

    Returns:
        How many were written.

    Raises:
        OntologyError: The ontology lacks a class.
        MissingFileError: The folder does not exist.
        StorageError: A folder lies there.
    """
    return write_features(path, (feature(annotation, ontology) for annotation in annotations))


def write_features(
    path: Path, features: Iterable[Mapping[str, Any]], about: Mapping[str, Any] | None = None
) -> int:
    """Write a FeatureCollection of raw features, and what it is about, where that is said."""
    count = 0
    with writing_text(path) as file:
        file.write('{"type": "FeatureCollection", ')
        if about is not None:
            # Before the features, so that a reader knows what they mean when it meets them.
            file.write(f'"{_ABOUT}": {json.dumps(about)}, ')
        file.write('"features": [')
        for raw in features:
            file.write((",\n" if count else "\n") + json.dumps(raw, allow_nan=False))
            count += 1
        file.write("\n]}\n")
    return count


def feature(
    annotation: Annotation, ontology: Ontology, geometry: BaseGeometry | None = None
) -> dict[str, Any]:
    """One GeoJSON feature, as QuPath reads it.

    Args:
        annotation: What it is of.
        ontology: Gives the colour of its class.
        geometry: Its outline in the file's coordinates, where these are not level-0 pixels.

    Raises:
        OntologyError: The ontology lacks the class.
    """
    label = ontology[annotation.label]
    is_cell = _CELL_ROOT in ontology.ancestors(annotation.label)
    metadata = {
        "origin": annotation.origin.value,
        "status": annotation.status.value,
        "author": annotation.author,
    }
    if annotation.derived_from is not None:
        metadata["derived_from"] = annotation.derived_from
    properties: dict[str, Any] = {
        "objectType": "detection" if is_cell else "annotation",
        "classification": {"name": label.key, "color": list(label.rgb)},
        "metadata": metadata,
    }
    measurements = dict(annotation.measurements)
    if annotation.confidence is not None:
        measurements[_PROBABILITY] = annotation.confidence
    if measurements:
        properties["measurements"] = measurements
    outline = annotation.geometry if geometry is None else geometry
    return {
        "type": "Feature",
        "id": str(annotation.id),
        "geometry": shapely.geometry.mapping(outline),
        "properties": properties,
    }


def read_geojson(
    path: Path, context: ReadingContext, report: ExchangeReport | None = None
) -> Iterator[Annotation]:
    """Annotations of a FeatureCollection, a list of features or one feature.

    What is read is a proposal, whatever the file says, unless its metadata is to be trusted.

    Args:
        path: The file.
        context: What it does not say.
        report: Told of what is not taken over, and of what is repaired.

    Raises:
        MissingFileError: Nothing lies there.
        AnnotationError: The file is no GeoJSON, or a feature is malformed; the message names it.
        OntologyError: A class is unknown.
    """
    report = ExchangeReport(_FORMAT) if report is None else report
    file = FeatureFile(path)
    placement = _placement(file, context, path.name)
    reader = FeatureReader(context, report, placement)
    for position, raw in enumerate(file.features(), start=1):
        where = f"{path.name} feature {position}"
        annotation = reader.parsed(where, partial(parsed_feature, raw, where, report))
        if annotation is not None:
            yield annotation
    if _placement(file, context, path.name) != placement:
        raise AnnotationError(
            f"the member {_ABOUT} must stand before the features", where=path.name
        )


def _placement(file: FeatureFile, context: ReadingContext, name: str) -> Placement:
    """As the file says where pathoai wrote it, and as the user says."""
    with naming(name):
        refuse_crs(file.members.get("crs"))
    stated = stated_place(file, name)
    if stated is None:
        return context.placement()
    slide, corner = stated
    check_slide_name(slide, context, name)
    return context.placement(corner)


def stated_place(file: FeatureFile, name: str) -> tuple[str, Corner] | None:
    """Which slide a file of pathoai says it is about, and the corner it counts from.

    Args:
        file: As far as it was read.
        name: Of the file, for messages.

    Raises:
        AnnotationError: What it says is malformed.
    """
    about = file.members.get(_ABOUT)
    if about is None:
        return None
    try:
        return str(about["slide"]), Corner(about["counts_from"])
    except (TypeError, LookupError, ValueError) as error:
        raise AnnotationError(f"malformed member {_ABOUT}", where=name, found=error) from error


def parsed_feature(raw: object, where: str, report: ExchangeReport) -> Feature:
    """What a raw feature says.

    Args:
        raw: As decoded from JSON.
        where: Its place in the file, for messages.
        report: Told of what an annotation has no place for.

    Raises:
        AnnotationError: It is no GeoJSON feature, or malformed.
    """
    if not isinstance(raw, dict) or raw.get("type") != "Feature":
        raise AnnotationError("not a GeoJSON feature")
    properties = raw.get("properties") or {}
    if not isinstance(properties, dict):
        raise AnnotationError("properties are no object")
    metadata = properties.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    measurements = _measurements(properties, where, report)
    confidence = measurements.pop(_PROBABILITY, None)
    _report_unread(raw, properties, metadata, where, report)
    refuse_crs(raw.get("crs"))
    geometry = parsed_geometry(raw.get("geometry"), where, report)
    identity = raw.get("id")
    return Feature(
        where,
        geometry,
        _class_name(properties),
        "" if identity is None else str(identity),
        confidence,
        measurements,
        metadata,
    )


def _class_name(properties: dict[str, Any]) -> str | None:
    name = properties.get("classification")
    if isinstance(name, dict):
        # QuPath names a derived class from the general to the special.
        names = name.get("names")
        special = names[-1] if isinstance(names, list) and names else None
        name = name.get("name", special)
    return None if name is None else str(name)


def _measurements(
    properties: dict[str, Any], where: str, report: ExchangeReport
) -> dict[str, float]:
    raw = properties.get("measurements")
    if isinstance(raw, list):  # QuPath before 0.4
        raw = {str(m.get("name")): m.get("value") for m in raw if isinstance(m, dict)}
    if not isinstance(raw, dict):
        return {}
    found = {}
    for name, value in raw.items():
        try:
            found[str(name)] = float(value)
        except (TypeError, ValueError, OverflowError) as error:
            if name == _PROBABILITY and value is not None:
                raise AnnotationError("probability is no number", found=value) from error
            report.lose("measurements that are no finite number", where)
    return found


def _report_unread(
    raw: dict[str, Any],
    properties: dict[str, Any],
    metadata: dict[str, Any],
    where: str,
    report: ExchangeReport,
) -> None:
    """Tell of all that the feature says and an annotation has no place for."""
    for name in properties.keys() - _READ:
        if properties[name] is not None:
            report.lose(f"QuPath's {_shown(name)}", where)
    for name in metadata.keys() - _METADATA:
        report.lose(f"QuPath's metadata {_shown(name)}", where)
    if raw.get("nucleusGeometry") is not None:
        report.lose("outlines of nuclei within cells", where)
    geometry = raw.get("geometry")
    if not isinstance(geometry, dict):
        return
    if geometry.get("isEllipse"):
        report.lose("ellipses, which stay as polygons", where)
    plane = geometry.get("plane")
    if isinstance(plane, dict) and any(plane.get(axis, 0) != 0 for axis in ("z", "t")):
        report.lose("QuPath's plane (z, t)", where)


def _shown(name: str) -> str:
    """The name of a member, if it is QuPath's own or a key; anybody may add others."""
    return name if name in _OF_QUPATH else shown(name)
