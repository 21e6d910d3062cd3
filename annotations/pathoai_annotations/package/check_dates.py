"""Does the table of slides tell a day or a month of a patient or a scan? A year is enough."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pathoai.errors import PackageError
from pathoai_annotations.package import layout
from pathoai_annotations.package.csv_file import read_table
from pathoai_annotations.package.finding import Finding
from pathoai_annotations.package.table import SLIDES

_YEAR, _MONTH, _DAY = r"(?:19|20)\d\d", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_SIGN = r"[-._/ ]"
_DATE = re.compile(
    rf"(?<!\d)(?:{_YEAR}{_SIGN}{_MONTH}(?!\d)|{_YEAR}{_MONTH}{_DAY}(?!\d)"
    rf"|{_DAY}{_SIGN}{_MONTH}{_SIGN}{_YEAR}(?!\d)|{_MONTH}{_SIGN}{_YEAR}(?!\d))"
)
# Made by people, in their words; all other columns are codes, hashes and numbers.
_WORDED = ("stain", "marker", "scanner", "grade")


def check_dates(root: Path) -> Iterator[Finding]:
    """Look for dates finer than a year among what people stated of slides."""
    try:
        rows = read_table(root, SLIDES)
    except PackageError:
        return  # told by the check of annotations
    for line, row in enumerate(rows, start=2):
        for column in _WORDED:
            if _DATE.search(row[column]):
                yield Finding(
                    "a date finer than a year among what is said of a slide",
                    f"{layout.PAYLOAD}/{layout.SLIDES} line {line} column {column}",
                    "name the device or the stain alone in cohort.csv, and build it again",
                )
