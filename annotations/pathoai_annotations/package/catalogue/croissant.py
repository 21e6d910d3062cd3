"""``croissant.json`` (MLCommons Croissant 1.1, RAI 1.0): the package as machine learning reads it.

Everything is named by paths below the folder of the file, so that it loads from any copy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pathoai_annotations.package import layout
from pathoai_annotations.package.catalogue.dataset_facts import (
    citation,
    creators,
    keywords,
)
from pathoai_annotations.package.catalogue.image_sets import image_sets
from pathoai_annotations.package.catalogue.payload_file import (
    PayloadFile,
    common_files,
    write_payload_json,
)
from pathoai_annotations.package.catalogue.responsible_ai import responsible_ai
from pathoai_annotations.package.catalogue.tables_present import (
    TableFile,
    column_kind,
    tables_present,
)
from pathoai_annotations.package.summary import PackageSummary
from pathoai_annotations.package.table import Column, Table

_CONFORMS_TO = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
# The prefixes and terms that the specification asks every file to define; schema.org under https.
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_TYPES = {
    "string": "sc:Text",
    "integer": "sc:Integer",
    "number": "sc:Float",
    "boolean": "sc:Boolean",
    "date": "sc:Date",
}
_OUTLINES = "geojson-files"
_OUTLINE_FIELDS = (
    ("annotation_id", "sc:Text", "id", "UUID of the annotation"),
    ("label", "sc:Text", "properties.classification.name", "Its class"),
    ("geometry", "sc:Text", "geometry.type", "Polygon, MultiPolygon, LineString or Point"),
    (
        "coordinates",
        "sc:Float",
        "geometry.coordinates",
        "As GeoJSON nests them, in pixels of level 0, holes after their outline",
    ),
)

_DERIVED = [
    {
        "@type": "cr:FileSet",
        "@id": "mask-files",
        "name": "masks",
        "description": "One OME-Zarr store for each slide that was tiled: classes, and numbers of "
        "annotations; pixels of about half a micrometre",
        "encodingFormat": "application/vnd.zarr",
        "includes": f"{layout.MASK_FOLDER}/*.ome.zarr/**",
    },
    {
        "@type": "cr:FileSet",
        "@id": "dicom-files",
        "name": "dicom",
        "description": "For each slide that was tiled: bulk annotations (ann), segmentation (seg) "
        "and structured report (sr)",
        "encodingFormat": "application/dicom",
        "includes": f"{layout.DICOM_FOLDER}/*.dcm",
    },
]
"""Sets of files that are made from the outlines, where there are any."""


def write_croissant(payload: Path, summary: PackageSummary) -> None:
    """Write ``croissant.json``."""
    write_payload_json(payload, layout.CROISSANT, croissant(payload, summary))


def croissant(payload: Path, summary: PackageSummary) -> dict[str, Any]:
    """The document: files with their hashes, tables as record sets, the card of responsible AI."""
    tables = tables_present(payload)
    there = {one.table.name: one.table for one in tables}
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": _CONFORMS_TO,
        "name": f"pathoai-{summary.package_id}",
        "alternateName": summary.title,
        "description": summary.description,
        "identifier": summary.package_id.urn,
        "url": summary.package_id.urn,
        "version": summary.version,
        "license": summary.licence.iri,
        "datePublished": summary.day.isoformat(),
        "inLanguage": ["en", "fr"],
        "keywords": keywords(summary),
        "citeAs": citation(summary),
        "creator": [{"@type": "sc:Person", "name": name} for name in creators(summary)],
        "isLiveDataset": False,
        "conditionsOfAccess": summary.tier.access.words,
        "usageInfo": summary.tier.access.duo,
        "distribution": [
            *(_file_object(file) for file in common_files(payload)),
            _outlines(),
            *image_sets(summary),
            *(one for one in _DERIVED if any(payload.glob(one["includes"]))),
        ],
        "recordSet": [
            *(_record_set(one, summary, there) for one in tables if _has_rows(payload, one)),
            _outline_set(),
        ],
        **responsible_ai(summary),
    }


def _has_rows(payload: Path, one: TableFile) -> bool:
    """Whether anything follows the header: readers of record sets refuse a table without rows."""
    with (payload / one.file.name).open(encoding="utf8") as file:
        return len([line for _, line in zip(range(2), file, strict=False)]) > 1


def _file_object(file: PayloadFile) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.name,
        "name": file.name.rpartition("/")[2],
        "description": file.description,
        "contentUrl": file.name,
        "contentSize": f"{file.size} B",
        "encodingFormat": file.media_type,
        "sha256": file.sha256,
    }


def _outlines() -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": _OUTLINES,
        "name": "outlines",
        "description": "One GeoJSON file for each slide; outlines in pixels of its level 0",
        # A reader must find a JSON type among these, or it does not know how to read them.
        "encodingFormat": ["application/geo+json", "application/json"],
        "includes": f"{layout.GEOJSON_FOLDER}/*.geojson",
    }


def _record_set(one: TableFile, summary: PackageSummary, there: dict[str, Table]) -> dict[str, Any]:
    table = one.table
    return {
        "@type": "cr:RecordSet",
        "@id": table.name,
        "name": table.name,
        "description": table.description,
        "key": [{"@id": f"{table.name}/{column}"} for column in table.key],
        "field": [_field(one, column, summary, there) for column in table.columns],
    }


def _field(
    one: TableFile, column: Column, summary: PackageSummary, there: dict[str, Table]
) -> dict[str, Any]:
    table = one.table
    kind = column_kind(table, column, summary)
    field: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"{table.name}/{column.name}",
        "name": column.name,
        "description": column.description + (f" ({column.unit})" if column.unit else ""),
        "dataType": _TYPES[kind],
        "source": {"fileObject": {"@id": one.file.name}, "extract": {"column": column.name}},
    }
    if column.iri:
        field["equivalentProperty"] = column.iri
    other, target = table.references.get(column.name, ("", ""))
    # Readers join what is referenced, by columns of the same type: an empty one has none. The file
    # is named, not the record set: mlcroissant 1.1 cannot join what is joined itself.
    if other in there and other != table.name and column.required:
        field["references"] = {
            "fileObject": {"@id": there[other].path},
            "extract": {"column": target},
        }
    return field


def _outline_set() -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "outlines",
        "name": "outlines",
        "description": "Every outline: the annotation, its class, and its GeoJSON geometry",
        "key": [{"@id": "outlines/annotation_id"}],
        "field": [_outline_field(*one) for one in _OUTLINE_FIELDS],
    }


def _outline_field(name: str, kind: str, path: str, description: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"outlines/{name}",
        "name": name,
        "description": description,
        "dataType": kind,
        "source": {
            "fileSet": {"@id": _OUTLINES},
            "extract": {"jsonPath": f"$.features[*].{path}"},
        },
    }
