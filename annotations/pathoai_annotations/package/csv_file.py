"""CSV tables with known columns, written the same on every machine and read strictly."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pathoai.errors import PackageError
from pathoai_annotations.package import layout
from pathoai_annotations.package.table import Table

Row = dict[str, str]


def text(value: object) -> str:
    """A cell: empty for None, the shortest exact text for a number."""
    return "" if value is None else str(value)


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    """Write rows in UTF-8 with line feeds alone (RFC 4180 otherwise)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path: Path, columns: Sequence[str]) -> list[Row]:
    """The rows of a table.

    Raises:
        PackageError: It is absent, not UTF-8, has other columns, or a row has other cells.
    """
    try:
        with path.open(newline="", encoding="utf8") as file:
            reader = csv.reader(file, strict=True)
            header, *rows = [*reader] or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PackageError("the table cannot be read", where=path.name, found=error) from error
    if header != list(columns):
        raise PackageError(
            "the table has other columns than expected",
            where=path.name,
            found=", ".join(header) or "none",
            allowed=", ".join(columns),
        )
    for number, row in enumerate(rows, start=1):
        if len(row) != len(columns):
            raise PackageError(
                f"row {number} has other cells than columns", where=path.name, found=len(row)
            )
    return [dict(zip(columns, row, strict=True)) for row in rows]


def write_table(payload: Path, table: Table, rows: Iterable[Mapping[str, str]]) -> None:
    """Write a table of a package, row by row."""
    write_csv(payload / table.path, table.header, rows)


def read_table(root: Path, table: Table) -> list[Row]:
    """The rows of a table of a package.

    Args:
        root: The bag's folder.
        table: Which.

    Raises:
        PackageError: As :func:`read_csv` says; where is the table's path in the payload.
    """
    try:
        return read_csv(root / layout.PAYLOAD / table.path, table.header)
    except PackageError as error:
        raise PackageError(error.what, where=table.path, found=error.found) from error
