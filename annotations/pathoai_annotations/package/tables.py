"""The tables of a package, in CSV: what a spreadsheet or a data frame opens at once."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pathoai.errors import OntologyError, PackageError
from pathoai.ontology import Coding, LabelClass, Ontology
from pathoai_annotations.package.content import PackageContent

SLIDE_COLUMNS = (
    "slide_id",
    "patient_id",
    "centre_id",
    "stain",
    "mpp",
    "source_sha256",
    "annotations",
)
ANNOTATION_COLUMNS = (
    "annotation_id",
    "slide_id",
    "label",
    "class_index",
    "origin",
    "status",
    "author",
    "confidence",
    "derived_from",
    "area_px",
    "first_event",
    "last_event",
)
ANNOTATOR_COLUMNS = ("author", "demonstration", "proposed", "validated", "corrected", "rejected")
CLASS_COLUMNS = ("index", "key", "name", "name_fr", "colour", "parent", "grade", "codings")

_OPERATIONS = {
    "proposed": "propose",
    "validated": "validate",
    "corrected": "correct",
    "rejected": "reject",
}
_BETWEEN_CODINGS = " | "

COLUMN_MEANINGS = {
    "tables/slides.csv": "mpp: scale stated by the study in µm per pixel, empty where the file's "
    "own holds; source_sha256: SHA-256 of the slide's file; annotations: number in this package",
    "tables/annotations.csv": "label, class_index: see vocab/classes.csv; author: code of who last "
    "changed it; confidence: probability given by a model; area_px: in squared level-0 pixels",
    "tables/annotators.csv": "edits of each author on the annotations of this package, from "
    "the journal; demonstration: true where no person stands behind the code",
    "vocab/classes.csv": "codings: SCHEME:CODE meaning, several separated by |; SCT is SNOMED CT, "
    "NCIt is the NCI Thesaurus; a class without codings is a local term",
}


def slides_csv(content: PackageContent) -> str:
    """The slides, by code and hash; images are not part of a package."""
    return _csv(
        SLIDE_COLUMNS,
        (
            {
                "slide_id": row.slide_id,
                "patient_id": row.patient_id,
                "centre_id": row.centre_id,
                "stain": row.stain,
                "mpp": row.mpp,
                "source_sha256": row.source_sha256,
                "annotations": len(content.annotations[row.slide_id]),
            }
            for row in content.slides
        ),
    )


def annotations_csv(content: PackageContent) -> str:
    """One row per annotation; outlines are in the GeoJSON files."""
    return _csv(
        ANNOTATION_COLUMNS,
        (
            {
                "annotation_id": a.id,
                "slide_id": a.slide_id,
                "label": a.label,
                "class_index": content.ontology[a.label].index,
                "origin": a.origin.value,
                "status": a.status.value,
                "author": a.author,
                "confidence": a.confidence,
                "derived_from": a.derived_from,
                "area_px": a.geometry.area,
                "first_event": content.first_at[a.id],
                "last_event": content.last_at[a.id],
            }
            for a in content.all_annotations()
        ),
    )


def annotators_csv(content: PackageContent) -> str:
    """Who edited how often, by code."""
    return _csv(
        ANNOTATOR_COLUMNS,
        (
            {"author": record.author, "demonstration": str(record.is_demonstration).lower()}
            | {column: record.edits[operation] for column, operation in _OPERATIONS.items()}
            for record in content.authors
        ),
    )


def classes_csv(ontology: Ontology) -> str:
    """All classes of the ontology, used or not."""
    return _csv(
        CLASS_COLUMNS,
        (
            {
                "index": c.index,
                "key": c.key,
                "name": c.name,
                "name_fr": c.name_fr,
                "colour": c.colour,
                "parent": c.parent,
                "grade": c.grade,
                "codings": _BETWEEN_CODINGS.join(
                    f"{coding.scheme}:{coding.code} {coding.meaning}" for coding in c.codings
                ),
            }
            for c in ontology.classes
        ),
    )


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a table.

    Raises:
        PackageError: It has other columns, or a row has too few or too many cells.
    """
    with path.open(newline="", encoding="utf8") as file:
        reader = csv.DictReader(file, strict=True)
        try:
            rows = list(reader)
        except (csv.Error, UnicodeDecodeError) as error:
            raise PackageError("malformed table", where=path.name, found=str(error)) from error
    if tuple(reader.fieldnames or ()) != tuple(columns):
        raise PackageError(
            "the table has other columns than expected",
            where=path.name,
            found=", ".join(reader.fieldnames or ()),
            allowed=", ".join(columns),
        )
    if any(None in row or None in row.values() for row in rows):
        raise PackageError("a row has too few or too many cells", where=path.name)
    return rows


def read_classes(path: Path) -> Ontology:
    """The ontology of a package.

    Raises:
        PackageError: The table is malformed, or its classes contradict each other.
    """
    try:
        classes = tuple(_class(row) for row in read_table(path, CLASS_COLUMNS))
        return Ontology("package", "0", "Classes of the package", classes)
    except (ValueError, OntologyError) as error:
        raise PackageError("malformed classes", where=path.name, found=str(error)) from error


def _class(row: Mapping[str, str]) -> LabelClass:
    codings = (text for text in row["codings"].split(_BETWEEN_CODINGS) if text)
    return LabelClass(
        index=int(row["index"]),
        key=row["key"],
        name=row["name"],
        name_fr=row["name_fr"],
        colour=row["colour"],
        parent=row["parent"] or None,
        grade=int(row["grade"]) if row["grade"] else None,
        codings=tuple(_coding(text) for text in codings),
    )


def _coding(text: str) -> Coding:
    identity, _, meaning = text.partition(" ")
    scheme, _, code = identity.partition(":")
    return Coding(scheme, code, meaning)


def _csv(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: "" if v is None else v for k, v in row.items()} for row in rows)
    return text.getvalue()
