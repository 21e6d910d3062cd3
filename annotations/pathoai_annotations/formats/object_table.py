"""The objects of a label of a store, read as annotations: what ``pathoai predict`` found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pathoai.errors import AnnotationError, StoreError
from pathoai.privacy.shown import shown
from pathoai_annotations.annotation import Annotation, Origin
from pathoai_annotations.formats.annotation_format import ReadingContext
from pathoai_annotations.formats.check_outline import checked_outline
from pathoai_annotations.formats.exchange_report import ExchangeReport

OBJECT_COLUMNS = {"geometry", "class_index", "probability", "area_um2"}


def annotations_of_objects(
    path: Path, columns: Sequence[str], context: ReadingContext, report: ExchangeReport
) -> Iterator[Annotation]:
    """One annotation per object, of the id that ``pathoai annotations propose`` would give it.

    Args:
        path: The table.
        columns: Names of its columns.
        context: The slide, which such a table does not name, and the classes.
        report: Told of columns that have no place in an annotation, and of what is repaired.

    Raises:
        AnnotationError: The table is damaged, or an object lies off the slide.
        OntologyError: An object is of a class that the study's ontology lacks.
    """
    for name in sorted({*columns} - OBJECT_COLUMNS):
        report.lose(f"the column {shown(name)}", path.name)
    report.note(f"{path.name} does not say which slide its objects are of")
    repair = report if context.repair else None
    for number, found in enumerate(_proposals(path, context), start=1):
        where = f"{path.name} row {number}"
        outline = checked_outline(found.geometry, frame=context.frame, where=where, repair=repair)
        if outline is not None:
            yield replace(found, geometry=outline)


def _proposals(path: Path, context: ReadingContext) -> Iterator[Annotation]:
    from pathoai.store.object_batches import object_batches
    from pathoai_annotations.proposals import proposals_of

    try:
        for objects in object_batches(path):
            yield from proposals_of(
                objects,
                context.slide_id,
                context.ontology,
                origin=Origin.MODEL if "model" in objects.source else context.origin,
                author=context.author,
            )
    except StoreError as error:
        raise AnnotationError(
            error.what, where=path.name, found=error.found, remedy="write it again"
        ) from error
