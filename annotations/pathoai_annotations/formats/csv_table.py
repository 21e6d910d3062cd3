"""Tables of other programs: known columns wherever they stand, and every bad row by its line."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pathoai.errors import AnnotationError
from pathoai_annotations.formats.text_file import check_file, head_of


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it was read.

    Args:
        columns: Their names.
        rows: The line on which each row ends, and its cells by column.
    """

    columns: tuple[str, ...]
    rows: list[tuple[int, dict[str, str]]]


def read_table(path: Path, required: Sequence[str], title: str) -> Table:
    """A CSV file with a header.

    Args:
        path: The file.
        required: Columns that must be there.
        title: What the file should be, for messages.

    Raises:
        MissingFileError: Nothing lies there.
        AnnotationError: It is no CSV in UTF-8, lacks a column, or a row has too many
            or too few cells.
    """
    check_file(path, title)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file, _long_cells():
            reader = csv.reader(file, strict=True)
            columns = tuple(name.strip() for name in next(reader, ()))
            _check_columns(columns, required, path.name, title)
            return Table(columns, list(_rows(reader, columns, path.name)))
    except (UnicodeDecodeError, csv.Error) as error:
        raise AnnotationError(f"not a {title} file", where=path.name, found=error) from error


def header_of(path: Path) -> tuple[str, ...]:
    """Names of the columns of a CSV file, as far as its first line can be read."""
    line = head_of(path).decode("utf-8-sig", "replace").splitlines()[:1]
    return tuple(name.strip() for row in csv.reader(line) for name in row)


def _check_columns(columns: Sequence[str], required: Sequence[str], where: str, title: str) -> None:
    if not set(required) <= set(columns) or len(set(columns)) < len(columns):
        raise AnnotationError(
            f"not a {title} file",
            where=where,
            found=f"the columns {', '.join(columns)}"[:200],
            allowed=f"the columns {', '.join(required)}, each once, and others",
        )


def _rows(
    reader: Iterator[list[str]], columns: Sequence[str], where: str
) -> Iterator[tuple[int, dict[str, str]]]:
    for cells in reader:
        line = reader.line_num  # type: ignore[attr-defined]  # of csv's reader
        if not cells:
            continue
        if len(cells) != len(columns):
            raise AnnotationError(
                "a row needs as many cells as there are columns",
                where=f"{where} line {line}",
                found=len(cells),
                allowed=len(columns),
            )
        yield line, dict(zip(columns, cells, strict=True))


@contextmanager
def _long_cells() -> Iterator[None]:
    """An outline of many corners is longer than csv allows a cell to be."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)
