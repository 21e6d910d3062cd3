"""The rows of the table of annotations, made alike at build and at verification."""

from __future__ import annotations

from pathoai_annotations.annotation import Annotation
from pathoai_annotations.package.csv_file import Row, text


def annotation_row(annotation: Annotation) -> Row:
    """One annotation; its area is in square pixels of level 0, to two decimals."""
    return {
        "annotation_id": str(annotation.id),
        "slide_id": annotation.slide_id,
        "label": annotation.label,
        "origin": annotation.origin.value,
        "status": annotation.status.value,
        "author": annotation.author,
        "confidence": text(annotation.confidence),
        "derived_from": text(annotation.derived_from),
        "geometry": annotation.geometry.geom_type,
        "area_px": f"{annotation.geometry.area:.2f}",
    }
