"""GeoParquet 1.1 (https://geoparquet.org): annotations in columns, for data frames and GIS tools.

Every part of an annotation has a column, so nothing is lost. Read are also the object tables that
``pathoai predict`` writes (:mod:`~pathoai_annotations.formats.object_table`), and tables of other
programs, whose class lies in a column of a usual name or of the name that the user gives.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from pathoai.errors import AnnotationError
from pathoai.geometry import Size
from pathoai.privacy.shown import shown
from pathoai.provenance import result_software
from pathoai.strict_json import parse_json
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats.annotation_format import ReadingContext, WritingContext
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.feature import Feature, FeatureReader, naming
from pathoai_annotations.formats.geojson_geometry import refuse_crs
from pathoai_annotations.formats.new_file import new_file
from pathoai_annotations.formats.object_table import OBJECT_COLUMNS, annotations_of_objects
from pathoai_annotations.formats.part import Part
from pathoai_annotations.formats.same_slide import refuse_other_size, refuse_other_slide
from pathoai_annotations.formats.text_file import check_file
from pathoai_annotations.slide_frame import Corner, Placement

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 1 << 14
_OURS, _GEO = b"pathoai.annotations", b"geo"
_TEXTS = ("id", "slide_id", "class", "name", "origin", "author", "status", "derived_from")
_METADATA = ("origin", "author", "status", "derived_from")
_CLASS_COLUMNS = ("class", "classification", "label")
_PROBABILITY_COLUMNS = ("confidence", "probability")
_NAMED = {*_TEXTS, *_CLASS_COLUMNS, *_PROBABILITY_COLUMNS, "measurements"}
_COVERING = "bbox"
"""A column that repeats what the outlines say, for quick searches (GeoParquet 1.1)."""


class GeoParquet:
    """The format ``geoparquet``."""

    title = "GeoParquet"
    suffixes: tuple[str, ...] = (".parquet", ".geoparquet")
    reads = writes = True
    takes = frozenset({"class_column"})
    cannot_carry: frozenset[Part] = frozenset()

    def recognises(self, path: Path) -> bool:
        """True for a Parquet file that says where its geometry lies."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return _GEO in (pq.read_schema(path).metadata or {})
        except (pa.ArrowException, OSError, UnicodeError):
            return False

    def read(
        self, path: Path, context: ReadingContext, report: ExchangeReport
    ) -> Iterator[Annotation]:
        """Annotations of a file, row by row.

        Raises:
            MissingFileError: Nothing lies there.
            AnnotationError: It is no GeoParquet file, is damaged, is about another slide, or a row
                is malformed; the message names it.
            OntologyError: A class is unknown.
        """
        import pyarrow.parquet as pq

        check_file(path, self.title)
        with _reading(path):
            schema = pq.read_schema(path)
        metadata = schema.metadata or {}
        if _GEO not in metadata:
            raise AnnotationError(
                "not a GeoParquet file", where=path.name, allowed="metadata named geo"
            )
        if b"pathoai" in metadata and set(schema.names) >= OBJECT_COLUMNS:
            return annotations_of_objects(path, schema.names, context, report)
        placement = _placement(path, metadata.get(_OURS), context)
        table = _Table.of(path, schema, context, report)
        return _annotations(path, table, FeatureReader(context, report, placement), context, report)

    def write(
        self,
        path: Path,
        annotations: Iterable[Annotation],
        context: WritingContext,
        report: ExchangeReport,
    ) -> int:
        """Write annotations and count them, at most 16384 in memory; nothing is lost.

        Raises:
            OntologyError: The ontology lacks a class.
            MissingFileError: The folder does not exist.
            StorageError: A folder lies there.
        """
        import pyarrow.parquet as pq

        schema, count, rest = _schema(context), 0, iter(annotations)
        with (
            new_file(path) as target,
            pq.ParquetWriter(target, schema, compression="zstd") as file,
        ):
            while batch := list(islice(rest, _BATCH)):
                file.write_table(_rows(batch, context, schema))
                count += len(batch)
        return count


FORMAT = GeoParquet()


def _schema(context: WritingContext) -> pa.Schema:
    import pyarrow as pa

    # An empty list of kinds says that any may come: rows are written as they are told.
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": [],
        "crs": None,
        "edges": "planar",
    }
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    about: dict[str, Any] = {
        "slide": context.slide_name,
        "counts_from": context.corner.value,
        "ontology": [context.ontology.key, context.ontology.version],
        "software": result_software(),
    }
    if context.frame is not None:
        part, mpp = context.frame.part(context.corner), context.frame.mpp
        about |= {"size": [part.width, part.height], "mpp": [mpp.x, mpp.y]}
    fields = [
        *(pa.field(name, pa.string()) for name in _TEXTS),
        pa.field("confidence", pa.float64()),
        # Text: data frames turn a map into pairs that they cannot write again.
        pa.field("measurements", pa.string()),
        pa.field("geometry", pa.binary()),
    ]
    return pa.schema(fields, {_GEO: json.dumps(geo), _OURS: json.dumps(about)})


def _rows(batch: list[Annotation], context: WritingContext, schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    placement = context.placement()
    outlines = [placement.from_level_0(a.geometry) for a in batch]
    columns: dict[str, list[Any]] = {
        "id": [str(a.id) for a in batch],
        "slide_id": [context.slide_name for _ in batch],
        "class": [a.label for a in batch],
        "name": [context.ontology[a.label].name for a in batch],
        "origin": [a.origin.value for a in batch],
        "author": [a.author for a in batch],
        "status": [a.status.value for a in batch],
        "derived_from": [a.derived_from for a in batch],
        "confidence": [a.confidence for a in batch],
        "measurements": [
            json.dumps(dict(a.measurements)) if a.measurements else None for a in batch
        ],
        "geometry": list(shapely.to_wkb(np.array(outlines, object))),
    }
    return pa.table(columns, schema=schema)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Failures of Arrow and of WKB become ours; its messages could name the folder."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, UnicodeError, shapely.errors.ShapelyError) as error:
        raise AnnotationError(
            "the GeoParquet file is damaged, or is none",
            where=path.name,
            found=type(error).__name__,
            remedy="export it again",
        ) from error


def _placement(path: Path, raw: bytes | None, context: ReadingContext) -> Placement:
    """As the file says where pathoai wrote it, and as the user says."""
    if raw is None:
        return context.placement()
    try:
        about = parse_json(raw, path.name, foreign=True)
        slide, corner = str(about["slide"]), Corner(about["counts_from"])
        size = Size(*map(round, about["size"])) if "size" in about else None
    except (ValueError, TypeError, LookupError) as error:
        raise AnnotationError(
            "malformed metadata", where=path.name, found=type(error).__name__
        ) from error
    refuse_other_slide(slide, context, path.name)
    if size is not None:
        refuse_other_size(size, corner, context, path.name)
    return context.placement(corner)


@dataclass(frozen=True)
class _Table:
    """Which column of a file holds what.

    Args:
        geometry: Name of the column of outlines.
        label: Of that of classes; None where there is none.
        probability: Of that of probabilities, likewise.
        numbers: Of those that become measurements.
    """

    geometry: str
    label: str | None
    probability: str | None
    numbers: tuple[str, ...]

    @classmethod
    def of(
        cls, path: Path, schema: pa.Schema, context: ReadingContext, report: ExchangeReport
    ) -> _Table:
        """Find the columns, and report those that have no place in an annotation.

        Raises:
            AnnotationError: The metadata are malformed, or a column that is needed is not there.
        """
        geometry = _geometry_column(path, schema)
        wanted = (context.class_column,) if context.class_column else _CLASS_COLUMNS
        label = next((name for name in wanted if name in schema.names), None)
        if label is None and (context.class_column or context.default_label is None):
            raise AnnotationError(
                "no column says the class",
                where=path.name,
                found=", ".join(schema.names),
                allowed=", ".join(wanted),
                remedy="say --class-column, or name a class for all rows with --label",
            )
        probability = next((n for n in _PROBABILITY_COLUMNS if n in schema.names), None)
        named = _NAMED | {geometry, label, _COVERING}
        others = [column for column in schema if column.name not in named]
        numbers = tuple(column.name for column in others if _is_number(column.type))
        for column in others:
            if column.name not in numbers:
                report.lose(f"the column {shown(column.name)}", path.name)
        return cls(geometry, label, probability, numbers)


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _geometry_column(path: Path, schema: pa.Schema) -> str:
    try:
        geo = parse_json(schema.metadata[_GEO], path.name, foreign=True)
        name = str(geo["primary_column"])
        encoding, crs = geo["columns"][name]["encoding"], geo["columns"][name].get("crs")
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise AnnotationError(
            "malformed GeoParquet metadata", where=path.name, found=type(error).__name__
        ) from error
    with naming(path.name):
        # Absent where a program knows none; the specification's default is the globe.
        refuse_crs(crs)
    if encoding != "WKB" or name not in schema.names:
        raise AnnotationError(
            "the outlines are of an encoding that is not read",
            where=path.name,
            found=encoding if name in schema.names else f"no column {name}",
            allowed="WKB",
        )
    return name


def _annotations(
    path: Path,
    table: _Table,
    reader: FeatureReader,
    context: ReadingContext,
    report: ExchangeReport,
) -> Iterator[Annotation]:
    number, others = 0, 0
    for row, outline in _batches(path, table.geometry):
        number += 1
        if str(row.get("slide_id") or context.slide_id) not in (context.slide_id, context.known_as):
            others += 1
            continue
        where = f"{path.name} row {number}"
        annotation = reader.parsed(where, partial(_feature, row, outline, table, where))
        if annotation is not None:
            yield annotation
    if others and others == number:
        raise AnnotationError(
            "the file is about other slides",
            where=path.name,
            found=f"{number} rows",
            allowed=context.known_as or context.slide_id,
            remedy="choose its slide with --slide, or say with --known-as what the file calls it",
        )
    if others:
        report.note(f"{others} rows are about other slides")


def _batches(path: Path, geometry: str) -> Iterator[tuple[dict[str, Any], BaseGeometry | None]]:
    import pyarrow.parquet as pq

    with _reading(path), pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_BATCH):
            wkb = np.array([*batch[geometry].to_pylist(), None], object)[:-1]
            rest = batch.drop_columns([geometry]).to_pylist()
            yield from zip(rest, shapely.from_wkb(wkb), strict=True)


def _feature(
    row: Mapping[str, Any], outline: BaseGeometry | None, table: _Table, where: str
) -> Feature:
    if outline is None:
        raise AnnotationError("a row without geometry", where=where)
    found = {name: row[name] for name in table.numbers} | _measurements(row, where)
    probability = row.get(table.probability) if table.probability else None
    try:
        return Feature(
            where,
            outline,
            _class_name(row.get(table.label) if table.label else None),
            str(row.get("id") or ""),
            None if probability is None or probability != probability else float(probability),
            # Data frames say "not measured" by no value, or by one that is no number.
            {k: float(v) for k, v in found.items() if v is not None and v == v},
            {name: row[name] for name in _METADATA if row.get(name) is not None},
        )
    except (TypeError, ValueError) as error:
        raise AnnotationError("a number is none", where=where, found=str(error)) from error


def _measurements(row: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Those of the column of that name: JSON text as we write it, or a map."""
    stated = row.get("measurements") or {}
    try:
        return dict(parse_json(stated, where, foreign=True) if isinstance(stated, str) else stated)
    except (ValueError, TypeError) as error:
        raise AnnotationError("malformed measurements", where=where, found=stated) from error


def _class_name(value: object) -> str | None:
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = parse_json(value, "class", foreign=True)
        except ValueError:
            return str(value)
    if isinstance(value, Mapping):  # QuPath's classification, as data frames keep it
        value = value.get("name")
    return None if value is None else str(value)
