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
from pathoai_annotations.formats.annotation_format import ReadingContext, WritingContext
from pathoai_annotations.formats.check_outline import checked_outline
from pathoai_annotations.formats.exchange_report import ExchangeReport

_FORMAT, _PROBABILITY = "geojson", "probability"
_HEAD_BYTES = 4096
_CELL_ROOT = "nucleus"
# What shapely raises beside its own errors for coordinates of a wrong type, nesting or size.
_NO_GEOMETRY = (ValueError, TypeError, AttributeError, LookupError, OverflowError)


class GeoJson:
    """The format ``geojson``."""

    title = "QuPath GeoJSON"
    suffixes: tuple[str, ...] = (".geojson", ".geojson.gz", ".json")
    reads = writes = True

    def recognises(self, path: Path) -> bool:
        """True where the first part of the file speaks of features."""
        try:
            return b'"Feature' in _head(path)
        except (OSError, EOFError, zlib.error):
            return False

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
        """Write annotations; see :func:`write_geojson`."""
        return write_geojson(path, annotations, context.ontology)


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


def _head(path: Path) -> bytes:
    with path.open("rb") as raw:
        if not _is_compressed(path):
            return raw.read(_HEAD_BYTES)
        with gzip.GzipFile(fileobj=raw) as packed:
            return packed.read(_HEAD_BYTES)


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
    measurements = dict(annotation.measurements)
    if annotation.confidence is not None:
        measurements[_PROBABILITY] = annotation.confidence
    if measurements:
        properties["measurements"] = measurements
    return {
        "type": "Feature",
        "id": str(annotation.id),
        "geometry": shapely.geometry.mapping(annotation.geometry),
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
    for position, raw in enumerate(_features(path), start=1):
        where = f"{path.name} feature {position}"
        with _naming(where):
            annotation = _annotation(raw, context, where, report)
        if annotation is not None:
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


def _annotation(
    raw: object, context: ReadingContext, where: str, report: ExchangeReport
) -> Annotation | None:
    if not isinstance(raw, dict) or raw.get("type") != "Feature":
        raise AnnotationError("not a GeoJSON feature")
    properties = raw.get("properties") or {}
    if not isinstance(properties, dict):
        raise AnnotationError("properties are no object")
    geometry = checked_outline(
        _geometry(raw.get("geometry")),
        frame=context.frame,
        where=where,
        repair=report if context.repair else None,
    )
    if geometry is None:
        return None
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
    measurements = _measurements(properties)
    return Annotation(
        _identity(raw.get("id"), context.slide_id, label, geometry),
        context.slide_id,
        label,
        geometry,
        origin,
        author,
        status,
        measurements.pop(_PROBABILITY, None),
        derived_from,
        measurements,
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
    return context.names.key_of(str(name))


def _measurements(properties: dict[str, Any]) -> dict[str, float]:
    raw = properties.get("measurements")
    if isinstance(raw, list):  # QuPath before 0.4
        raw = {m.get("name"): m.get("value") for m in raw if isinstance(m, dict)}
    if not isinstance(raw, dict):
        return {}
    try:
        return {str(name): float(value) for name, value in raw.items() if value is not None}
    except (TypeError, ValueError) as error:
        raise AnnotationError("a measurement is no number", found=error) from error


def _geometry(raw: object) -> BaseGeometry:
    if raw is None:
        raise AnnotationError("a feature without geometry")
    try:
        # A coordinate that is no number is refused below, by an error, not by a warning.
        with np.errstate(invalid="ignore"):
            geometry: BaseGeometry = shapely.geometry.shape(raw)
    except (*_NO_GEOMETRY, shapely.errors.ShapelyError) as error:
        raise AnnotationError("malformed geometry", found=str(error)) from error
    return geometry
