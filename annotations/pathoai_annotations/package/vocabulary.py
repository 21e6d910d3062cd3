"""The classes of a package, as a table that needs no pathoai to be read."""

from __future__ import annotations

import re
from pathlib import Path

from pathoai.errors import OntologyError, PackageError
from pathoai.ontology import Coding, LabelClass, Ontology
from pathoai_annotations.package.csv_file import Row, read_csv, text, write_csv
from pathoai_annotations.package.table import CLASSES

CLASS_COLUMNS = CLASSES.header
_LOCAL = "local term: "
_CODING = re.compile(r"([^:]+):(\S+) \((.*)\)")


def write_classes(path: Path, ontology: Ontology) -> None:
    """Write all classes of an ontology; codes as ``scheme:code (meaning)``, ``|`` in between.

    Of a class without a code the column says that it is a local term, and why.
    """
    write_csv(path, CLASS_COLUMNS, (_row(label) for label in ontology.classes))


def _row(label: LabelClass) -> Row:
    row = {column: text(getattr(label, column)) for column in CLASS_COLUMNS}
    row["codings"] = " | ".join(f"{c.scheme}:{c.code} ({c.meaning})" for c in label.codings)
    if label.local:
        row["codings"] = f"{_LOCAL}{label.local}"
    return row


def read_classes(path: Path) -> Ontology:
    """The ontology of a package.

    Raises:
        PackageError: The table is absent or malformed, or its classes contradict each other.
    """
    rows = read_csv(path, CLASS_COLUMNS)
    try:
        return Ontology("package", "1", "Classes of a package", tuple(map(_class, rows)))
    except (OntologyError, ValueError) as error:
        raise PackageError("malformed classes", where=path.name, found=error) from error


def _class(row: Row) -> LabelClass:
    said = row["codings"]
    is_local = said.startswith(_LOCAL)
    return LabelClass(
        int(row["index"]),
        row["key"],
        row["name"],
        row["name_fr"],
        row["colour"],
        row["parent"] or None,
        int(row["grade"]) if row["grade"] else None,
        () if is_local or not said else tuple(map(_coding, said.split(" | "))),
        said.removeprefix(_LOCAL) if is_local else "",
    )


def _coding(text: str) -> Coding:
    found = _CODING.fullmatch(text)
    if found is None:
        raise ValueError(f"no code: {text!r}")
    return Coding(*found.groups())
