"""What a report is made of; written once, shown as HTML and as JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pathoai.metrics.exact_interval import Share
from pathoai.metrics.patient_bootstrap import Interval


@dataclass(frozen=True, slots=True)
class Measured:
    """A number with its 95 % limits.

    Args:
        estimate: NaN where it does not exist.
        low: NaN where the limits cannot be known.
        high: Likewise.
        defined: Share of the resamples in which it exists.
        signed: Whether it is a difference.
    """

    estimate: float
    low: float
    high: float
    defined: float = 1.0
    signed: bool = False

    def __str__(self) -> str:
        """``0.912 (0.874 to 0.941)``."""
        if math.isnan(self.estimate):
            return "does not occur"
        sign = "+" if self.signed else ""
        if math.isnan(self.low):
            return f"{self.estimate:{sign}.3f} (no interval: one patient)"
        limits = f"{self.low:{sign}.3f} to {self.high:{sign}.3f}"
        rare = "" if self.defined > 0.995 else f"; in {self.defined:.0%} of the resamples"
        return f"{self.estimate:{sign}.3f} ({limits}{rare})"


def measured(interval: Interval, *, signed: bool = False) -> list[Measured]:
    """The numbers of an interval, in a list; a single number gives a list of one."""
    columns = (interval.estimate, interval.low, interval.high, interval.defined)
    flat = [column.reshape(-1).tolist() for column in columns]
    return [
        Measured(estimate, low, high, defined, signed)
        for estimate, low, high, defined in zip(*flat, strict=True)
    ]


def measured_share(share: Share) -> Measured:
    """A share with its exact interval."""
    return Measured(share.value, share.low, share.high)


Cell = str | int | Measured


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under column names; the first cell of a row names it."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        rows = [[_cell(cell) for cell in row] for row in self.rows]
        return {"caption": self.caption, "columns": list(self.columns), "rows": rows}


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing.

    Args:
        caption: What it shows.
        alt: The same for who cannot see it: what it says.
        image: SVG or PNG file.
    """

    caption: str
    alt: str
    image: bytes


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report.

    Args:
        key: Its name in the JSON and in links.
        title: Its heading.
        text: Paragraphs.
        tables: Shown after the text.
        figures: Shown after the tables.
    """

    key: str
    title: str
    text: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON, without drawings."""
        return {
            "key": self.key,
            "title": self.title,
            "text": list(self.text),
            "tables": [table.to_dict() for table in self.tables],
        }


def _cell(cell: Cell) -> object:
    if not isinstance(cell, Measured):
        return cell
    values = {"estimate": cell.estimate, "low": cell.low, "high": cell.high}
    return {k: None if math.isnan(v) else round(v, 6) for k, v in values.items()}
