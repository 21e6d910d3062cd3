"""A report's table as plain text."""

from __future__ import annotations

from pathoai.report.section import Table


def terminal_table(table: Table) -> str:
    """Columns aligned, one row a line, the caption above."""
    rows = [table.columns, *(tuple(str(cell) for cell in row) for row in table.rows)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(table.columns))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([table.caption, *lines])
