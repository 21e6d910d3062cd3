"""What a package must say of itself: licence, date, and no code that its dictionary lacks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from pathoai.errors import PackageError
from pathoai_annotations.package import layout
from pathoai_annotations.package.crate_reader import Crate
from pathoai_annotations.package.csv_file import read_table
from pathoai_annotations.package.finding import Finding
from pathoai_annotations.package.table import CLASSES

_CODE = re.compile(r"(?:^| \| )([A-Za-z0-9-]+:[^ ]+) \(")
"""As the column ``codings`` has them: ``scheme:code (meaning)``, ``|`` in between."""


def check_statements(root: Path) -> Iterator[Finding]:
    """Look at the crate's licence and date, and for every code in the SKOS dictionary."""
    yield from _of_crate(root)
    yield from _codes(root)


def _of_crate(root: Path) -> Iterator[Finding]:
    where = f"{layout.PAYLOAD}/{layout.METADATA}"
    try:
        crate = Crate(root)
    except PackageError:
        return  # told by the check of the files
    licences = crate.references("license")
    if not licences:
        yield Finding("no licence is stated: nobody may use it", where)
    elif not licences & crate.entities.keys():
        yield Finding("the licence is named, and not described", where)
    try:
        date.fromisoformat(crate.published)
    except ValueError:
        yield Finding("no day of publication is stated (YYYY-MM-DD)", where)


def _codes(root: Path) -> Iterator[Finding]:
    where = f"{layout.PAYLOAD}/{layout.CLASSES}"
    try:
        dictionary = (root / layout.PAYLOAD / layout.CLASSES_SKOS).read_text("utf8")
        rows = read_table(root, CLASSES)
    except (OSError, UnicodeDecodeError, PackageError):
        return  # told by the checks of files and of annotations
    for line, row in enumerate(rows, start=2):
        for found in _CODE.findall(row["codings"]):
            if f'"{found}"' not in dictionary:
                yield Finding("a code that is not in the dictionary", f"{where} line {line}")
