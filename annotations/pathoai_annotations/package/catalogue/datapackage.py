"""``datapackage.json`` (Frictionless Data Package 1): the tables, their columns, how they join."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pathoai_annotations.package import layout
from pathoai_annotations.package.catalogue.dataset_facts import creators, keywords
from pathoai_annotations.package.catalogue.payload_file import PayloadFile, write_payload_json
from pathoai_annotations.package.catalogue.tables_present import (
    TableFile,
    column_kind,
    tables_present,
)
from pathoai_annotations.package.summary import PackageSummary
from pathoai_annotations.package.table import Column, Table


def write_datapackage(payload: Path, summary: PackageSummary) -> None:
    """Write ``datapackage.json``."""
    write_payload_json(payload, layout.DATAPACKAGE, datapackage(payload, summary))


def datapackage(payload: Path, summary: PackageSummary) -> dict[str, Any]:
    """The descriptor: one resource for each table that lies in the payload."""
    tables = tables_present(payload)
    there = {table.table.name for table in tables}
    return {
        "profile": "tabular-data-package",
        "name": f"pathoai-{summary.package_id}",
        "id": summary.package_id.urn,
        "title": summary.title,
        "description": summary.description,
        "version": summary.version,
        "created": f"{summary.day.isoformat()}T00:00:00Z",
        "keywords": keywords(summary),
        "licenses": [
            {
                "name": summary.licence.spdx,
                "title": summary.licence.name,
                "path": summary.licence.iri,
            }
        ],
        "contributors": [{"title": name, "role": "author"} for name in creators(summary)],
        "resources": [_resource(one, summary, there) for one in tables],
    }


def _resource(one: TableFile, summary: PackageSummary, there: set[str]) -> dict[str, Any]:
    file: PayloadFile = one.file
    return {
        "profile": "tabular-data-resource",
        "name": one.table.name,
        "title": one.table.name,
        "description": one.table.description,
        "path": file.name,
        "format": "csv",
        "mediatype": file.media_type,
        "encoding": "utf-8",
        "bytes": file.size,
        "hash": f"sha256:{file.sha256}",
        "dialect": {"delimiter": ",", "lineTerminator": "\n", "header": True},
        "schema": _schema(one.table, summary, there),
    }


def _schema(table: Table, summary: PackageSummary, there: set[str]) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "fields": [_field(table, column, summary) for column in table.columns],
        "primaryKey": list(table.key),
        "missingValues": [""],
    }
    foreign = [
        {
            "fields": [column],
            # Of the table itself, the standard wants no name.
            "reference": {"resource": "" if other == table.name else other, "fields": [field]},
        }
        for column, (other, field) in table.references.items()
        if other in there
    ]
    return {**schema, "foreignKeys": foreign} if foreign else schema


def _field(table: Table, column: Column, summary: PackageSummary) -> dict[str, Any]:
    kind = column_kind(table, column, summary)
    unit = f" ({column.unit})" if column.unit else ""
    field: dict[str, Any] = {
        "name": column.name,
        "type": kind,
        "description": column.description + unit,
    }
    if column.iri:
        field["rdfType"] = column.iri
    if column.required:
        field["constraints"] = {"required": True}
    return field
