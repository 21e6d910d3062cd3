"""Objects that a model or a method found, as proposals for the journal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from pathoai.errors import OntologyError
from pathoai.geometry import Region
from pathoai.ontology import Ontology
from pathoai.store.objects import ObjectTable, read_objects
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Origin, deterministic_id
from pathoai_annotations.journal.journal import Journal

MOST_AT_ONCE = 2000
"""Proposals that a person could still judge one by one, and that napari edits without stuttering
(measured: 10,000 polygons take 0.6 s per click)."""


@dataclass(frozen=True)
class ProposedObjects:
    """Predicted objects turned into proposals: new ones, known ones, and those left out."""

    new: int
    known: int
    beyond: int


def propose_objects(
    journal: Journal, study: Study, slide_id: str, model: str, region: Region
) -> ProposedObjects:
    """Enter what a model found in a region as proposals, at most 2,000 at once.

    The id of a proposal follows from model and outline, so that doing it again adds nothing.

    Args:
        journal: Of the study.
        study: Where the model's objects lie.
        slide_id: Code of the slide.
        model: Name of a model that predicted objects of it.
        region: Level-0 pixels; objects whose bounds touch it.

    Raises:
        StoreError: The model's objects were not written for this slide.
        AnnotationError: A predicted object cannot be an annotation; none is entered.
    """
    objects = read_objects(study.objects_path(slide_id, f"prediction/{model}"))
    inside = objects_in(objects, region)
    proposals = list(
        proposals_of(
            _rows_of(objects, inside[:MOST_AT_ONCE]),
            slide_id,
            study.ontology,
            origin=Origin.MODEL,
            author=model_code(model),
        )
    )
    new = journal.propose(proposals)
    return ProposedObjects(new, len(proposals) - new, max(0, len(inside) - MOST_AT_ONCE))


def objects_in(objects: ObjectTable, region: Region) -> list[int]:
    """Rows of the objects whose bounds touch a region (level-0 pixels), least probable first."""
    if not len(objects):
        return []
    left, top, right, bottom = shapely.bounds(objects.geometry).T
    touches = (
        (left <= region.right) & (right >= region.x) & (top <= region.bottom) & (bottom >= region.y)
    )
    rows = np.flatnonzero(touches)
    order = np.argsort(objects.probability[rows], kind="stable")
    return [int(row) for row in rows[order]]


def model_code(model: str) -> str:
    """A model's name as an author's code: what a code cannot hold becomes a hyphen."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", model).strip("-_")[:32] or "model"


def _rows_of(objects: ObjectTable, rows: Sequence[int]) -> ObjectTable:
    picked = list(rows)
    return ObjectTable(
        objects.geometry[picked],
        objects.class_index[picked],
        objects.probability[picked],
        objects.area_um2[picked],
        objects.source,
    )


def proposals_of(
    objects: ObjectTable, slide_id: str, ontology: Ontology, *, origin: Origin, author: str
) -> Iterator[Annotation]:
    """One proposal per object; the same object always gets the same id.

    Args:
        objects: What was found, level-0 pixels.
        slide_id: Code of the slide.
        ontology: Classes of the study.
        origin: ``model`` for predictions, ``import`` for colour.
        author: Code under which they enter, e.g. the model's name.

    Raises:
        OntologyError: An object is of a class that the study's ontology lacks.
    """
    source = objects.source
    derived_from = (
        f"model:{source['model']}@{source['model_sha256']}"
        if "model" in source
        else f"method:{source.get('method', source['label'])}"
    )
    columns = zip(objects.geometry, objects.class_index, objects.probability, strict=True)
    for geometry, index, probability in columns:
        if int(index) not in ontology.by_index:
            raise OntologyError(
                "an object of unknown class",
                where=f"ontology {ontology.key}",
                found=f"index {index}",
                allowed=", ".join(f"{i} {c.key}" for i, c in ontology.by_index.items()),
                remedy="the model was trained with another ontology: use one made for this study",
            )
        label = ontology.by_index[int(index)].key
        yield Annotation(
            deterministic_id(slide_id, derived_from, label, geometry.wkb_hex),
            slide_id,
            label,
            geometry,
            origin,
            author,
            confidence=float(probability) if origin is Origin.MODEL else None,
            derived_from=derived_from,
        )
