"""GeoJSON in QuPath's dialect, coordinates in level-0 pixels, holes kept.

RFC 7946 for the geometry; for ``properties`` what QuPath 0.5 and later read and write: object type,
classification with its colour, measurements, metadata.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import secrets
import uuid
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from pathoai.errors import AnnotationError, MissingFileError, OntologyError, StorageError
from pathoai.ontology import Ontology
from pathoai_annotations.annotation import Annotation, Origin, Status, deterministic_id
from pathoai_annotations.formats.annotation_format import ReadingContext

_LARGEST_REPAIR = 1e-3
_CELL_ROOT = "nucleus"
# What shapely raises beside its own errors for coordinates of a wrong type, nesting or size.
_NO_GEOMETRY = (ValueError, TypeError, AttributeError, LookupError, OverflowError)


class GeoJson:
    """The format ``geojson``."""

    suffixes: tuple[str, ...] = (".geojson", ".geojson.gz", ".json")

    def read(self, path: Path, context: ReadingContext) -> Iterator[Annotation]:
        """Annotations of a file; see :func:`read_geojson`."""
        return read_geojson(path, context)

    def write(self, path: Path, annotations: Iterable[Annotation], ontology: Ontology) -> int:
        """Write annotations; see :func:`write_geojson`."""
        return write_geojson(path, annotations, ontology)


FORMAT = GeoJson()


def write_geojson(path: Path, annotations: Iterable[Annotation], ontology: Ontology) -> int:
    """Write a FeatureCollection, one feature a line, streamed; renamed into place at the end.

    Args:
        path: A name that ends in ``.gz`` is compressed.
        annotations: What to write.
        ontology: Gives the colour of each class, without which QuPath refuses a file.

    Returns:
        How many were written.

    Raises:
        OntologyError: The ontology lacks a class.
        MissingFileError: The folder does not exist.
        StorageError: A folder lies there.
    """
    if not path.parent.is_dir():
        raise MissingFileError("no such folder", where=path.parent.name, remedy="make it first")
    if path.is_dir():
        raise StorageError("a folder lies there", where=path.name, allowed="the name of a file")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    parts = 0
    try:
        with _writing(temporary, compressed=_is_compressed(path)) as file:
            for part in geojson_text(annotations, ontology):
                file.write(part)
                parts += 1
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return parts - 2


def geojson_text(annotations: Iterable[Annotation], ontology: Ontology) -> Iterator[str]:
    """The text of a FeatureCollection: an opening, one part per annotation, and an end.

    Raises:
        OntologyError: The ontology lacks a class.
    """
    yield '{"type": "FeatureCollection", "features": ['
    for number, annotation in enumerate(annotations):
        start = ",\n" if number else "\n"
        yield start + json.dumps(feature(annotation, ontology), allow_nan=False)
    yield "\n]}\n"


def _is_compressed(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


@contextmanager
def _writing(path: Path, *, compressed: bool) -> Iterator[TextIO]:
    with path.open("wb") as raw:
        if compressed:
            # No time and no name in the header: the same annotations give the same bytes.
            with (
                gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed,
                io.TextIOWrapper(packed, encoding="utf8") as text,
            ):
                yield text
        else:
            with io.TextIOWrapper(raw, encoding="utf8") as text:
                yield text


def feature(annotation: Annotation, ontology: Ontology) -> dict[str, Any]:
    """One GeoJSON feature, as QuPath reads it.

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
    if annotation.confidence is not None:
        properties["measurements"] = {"probability": annotation.confidence}
    return {
        "type": "Feature",
        "id": str(annotation.id),
        "geometry": shapely.geometry.mapping(annotation.geometry),
        "properties": properties,
    }


def read_geojson(path: Path, context: ReadingContext) -> Iterator[Annotation]:
    """Annotations of a FeatureCollection, a list of features or one feature.

    What is read is a proposal, whatever the file says, unless its metadata is to be trusted.

    Raises:
        MissingFileError: Nothing lies there.
        AnnotationError: The file is no GeoJSON, or a feature is malformed; the message names it.
        OntologyError: A class is unknown.
    """
    for position, raw in enumerate(_features(path), start=1):
        with _naming(f"{path.name} feature {position}"):
            annotation = _annotation(raw, context)
        yield annotation


@contextmanager
def _naming(where: str) -> Iterator[None]:
    """An error within names the feature: an id, even where there is one, is hard to find."""
    try:
        yield
    except (AnnotationError, OntologyError) as error:
        raise type(error)(
            error.what,
            where=where,
            found=error.found,
            allowed=error.allowed,
            remedy=error.remedy,
        ) from error


def _features(path: Path) -> list[Any]:
    if not path.exists():
        raise MissingFileError("no such file", where=path.name)
    try:
        data = path.read_bytes()
        raw = json.loads(gzip.decompress(data) if _is_compressed(path) else data)
    except (ValueError, OSError, EOFError, RecursionError, zlib.error) as error:
        raise AnnotationError("not a GeoJSON file", where=path.name, found=str(error)) from error
    if isinstance(raw, list):
        return raw
    if isinstance(raw, dict) and raw.get("type") == "FeatureCollection":
        features = raw.get("features")
        if isinstance(features, list):
            return features
    if isinstance(raw, dict) and raw.get("type") == "Feature":
        return [raw]
    raise AnnotationError(
        "not a GeoJSON file",
        where=path.name,
        allowed="a FeatureCollection, a list of features or one feature",
    )


def _annotation(raw: object, context: ReadingContext) -> Annotation:
    if not isinstance(raw, dict) or raw.get("type") != "Feature":
        raise AnnotationError("not a GeoJSON feature")
    properties = raw.get("properties") or {}
    if not isinstance(properties, dict):
        raise AnnotationError("properties are no object")
    geometry = _geometry(raw.get("geometry"))
    label = _label(properties, context)
    origin, author, status, derived_from = context.origin, context.author, Status.PROPOSED, None
    metadata = properties.get("metadata")
    if isinstance(metadata, dict):
        derived_from = metadata.get("derived_from")
        if not isinstance(derived_from, str | None):
            raise AnnotationError("malformed metadata", found=f"derived_from {derived_from}")
        if context.trust_metadata and "status" in metadata:
            try:
                origin, status = Origin(metadata["origin"]), Status(metadata["status"])
                author = str(metadata["author"])
            except (ValueError, KeyError) as error:
                raise AnnotationError("malformed metadata", found=error) from error
    return Annotation(
        _identity(raw.get("id"), context.slide_id, label, geometry),
        context.slide_id,
        label,
        geometry,
        origin,
        author,
        status,
        _confidence(properties),
        derived_from,
    )


def _identity(raw: object, slide_id: str, label: str, geometry: BaseGeometry) -> uuid.UUID:
    try:
        return uuid.UUID(str(raw))
    except ValueError:
        return deterministic_id(slide_id, label, str(raw), geometry.wkt)


def _label(properties: dict[str, Any], context: ReadingContext) -> str:
    name = properties.get("classification")
    if isinstance(name, dict):
        # QuPath names a derived class from the general to the special.
        names = name.get("names")
        special = names[-1] if isinstance(names, list) and names else None
        name = name.get("name", special)
    if name is None:
        name = context.default_label
    if name is None:
        raise AnnotationError(
            "a feature without a class",
            remedy="classify it, or name a class for such features with --label",
        )
    return context.ontology[str(name)].key


def _confidence(properties: dict[str, Any]) -> float | None:
    measurements = properties.get("measurements")
    value = measurements.get("probability") if isinstance(measurements, dict) else None
    if value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise AnnotationError("probability is no number", found=value) from error


def _geometry(raw: object) -> BaseGeometry:
    if raw is None:
        raise AnnotationError("a feature without geometry")
    try:
        # A coordinate that is no number is refused below, by an error, not by a warning.
        with np.errstate(invalid="ignore"):
            geometry: BaseGeometry = shapely.geometry.shape(raw)
    except (*_NO_GEOMETRY, shapely.errors.ShapelyError) as error:
        raise AnnotationError("malformed geometry", found=str(error)) from error
    if geometry.is_empty:
        raise AnnotationError("empty geometry")
    if not np.isfinite(shapely.get_coordinates(geometry)).all():
        raise AnnotationError("malformed geometry", found="a coordinate that is no finite number")
    return geometry if shapely.is_valid(geometry) else _repaired(geometry)


def _repaired(geometry: BaseGeometry) -> BaseGeometry:
    """QuPath rounds to two decimals, which can make an outline touch itself: no area changes."""
    # By structure: the other method fills holes that touch their shell along a line.
    repaired: BaseGeometry = shapely.make_valid(geometry, method="structure", keep_collapsed=False)
    if repaired.area and abs(repaired.area - geometry.area) <= _LARGEST_REPAIR * repaired.area:
        return repaired
    raise AnnotationError(
        "the outline crosses itself",
        found=shapely.is_valid_reason(geometry),
        remedy="mend it in the program that wrote it",
    )
