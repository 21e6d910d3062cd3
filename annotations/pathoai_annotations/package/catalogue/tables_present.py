"""The tables that lie in a payload, and what their columns hold where counts are masked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pathoai_annotations.package.catalogue.payload_file import PayloadFile
from pathoai_annotations.package.summary import PackageSummary
from pathoai_annotations.package.table import TABLES, Column, Kind, Table


@dataclass(frozen=True, slots=True)
class TableFile:
    """A table and its file.

    Args:
        table: What it is.
        file: Where it lies.
    """

    table: Table
    file: PayloadFile


def tables_present(payload: Path) -> list[TableFile]:
    """Tables whose file is there, in the order of the package's tables."""
    return [
        TableFile(table, PayloadFile.read(payload, table.path))
        for table in TABLES
        if (payload / table.path).is_file()
    ]


def column_kind(table: Table, column: Column, summary: PackageSummary) -> Kind:
    """What a column holds: counts are text such as ``<11`` where the package is published."""
    masked = summary.tier.is_published and column.name in table.counts
    return "string" if masked else column.kind
