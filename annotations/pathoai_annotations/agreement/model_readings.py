"""What a model said of slides and regions, from the files that it left in the study."""

from __future__ import annotations

import json
from typing import Any

from shapely.geometry.base import BaseGeometry

from pathoai.errors import StoreError
from pathoai.inference.slide_grade import SlideGrade
from pathoai.ontology import Ontology
from pathoai.store.objects import read_objects
from pathoai.study.study import Study
from pathoai_annotations.agreement.asked_model import AskedModel


def model_grade(study: Study, model: AskedModel, slide_id: str) -> str | None:
    """Key of the grade that a model gives a slide.

    A model of whole slides says it; of one that finds lesions it is the worst of which there is as
    much as the ontology's summary asks for.

    Returns:
        None where it left the slide to the doctor, found too little, or did not see it; also where
        an earlier model of its name did.

    Raises:
        StoreError: Its files are damaged.
    """
    table = study.objects_path(slide_id, f"grade/{model.name}")
    if table.is_file():
        source = read_objects(table).source
        grade = SlideGrade.from_dict(source["grade"])
        return None if grade.is_referred or not model.made(source) else grade.decision
    report = study.report_path(slide_id, f"prediction/{model.name}")
    return _worst_lesion(report.read_text("utf8"), model, slide_id) if report.is_file() else None


def model_outlines(
    study: Study, model: AskedModel, slide_id: str, ontology: Ontology
) -> list[tuple[str, BaseGeometry]] | None:
    """Class and outline of each object that a model found on a slide, level-0 pixels.

    Returns:
        None where it found no objects because it was not run on the slide, or grades it only; also
        where an earlier model of its name was.

    Raises:
        StoreError: The table is damaged.
        OntologyError: An object is of a class that the study does not have.
    """
    path = study.objects_path(slide_id, f"prediction/{model.name}")
    if not path.is_file():
        return None
    objects = read_objects(path)
    if not model.made(objects.source):
        return None
    pairs = zip(objects.class_index.tolist(), objects.geometry, strict=True)
    return [(ontology.by_index[index].key, outline) for index, outline in pairs]


def _worst_lesion(text: str, model: AskedModel, slide_id: str) -> str | None:
    try:
        said: dict[str, Any] = json.loads(text)
        if not model.made(said.get("about", {})):
            return None
        worst = said.get("summary", {}).get("grades", {}).get("worst")
        return None if worst is None else str(worst["classes"][0])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            "damaged report on a prediction",
            where=slide_id,
            found=str(error),
            remedy="run `pathoai predict` again",
        ) from error
