"""Objects that a model or a method found, as proposals for the journal."""

from __future__ import annotations

from collections.abc import Iterator

from pathoai.errors import OntologyError
from pathoai.ontology import Ontology
from pathoai.store.objects import ObjectTable
from pathoai_annotations.annotation import Annotation, Origin, deterministic_id


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
