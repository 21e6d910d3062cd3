"""From a study to the report on agreement."""

from __future__ import annotations

from pathoai.metrics.expected_cost import CostMatrix
from pathoai.provenance import utc_now
from pathoai.study.study import Study
from pathoai_annotations.agreement.agreement_report import AgreementReport, build_agreement
from pathoai_annotations.agreement.disagreements import (
    Disagreement,
    by_cost,
    grade_disagreements,
    region_disagreements,
)
from pathoai_annotations.agreement.grade_scale import GradeScale
from pathoai_annotations.agreement.study_readings import StudyReadings, gather_readings


def agree_study(
    study: Study, *, model: str = "", costs: CostMatrix | None = None, roll_up: bool = False
) -> AgreementReport:
    """Measure the agreement of a study's readers.

    Args:
        study: The study.
        model: Name of a model to hold against them; none where empty.
        costs: Of taking one grade for another; those shipped for the ontology where None.
        roll_up: Whether outlines count with the topmost class that theirs is a kind of.

    Raises:
        StudyError: Nobody signed anything off, or the model said nothing of any slide.
        OntologyError: The costs are for other grades.
    """
    ontology = study.ontology
    scale = GradeScale.of(ontology, costs)
    work = gather_readings(study, scale, model=model, roll_up=roll_up)
    facts = {
        "model": model or "none",
        "ontology": f"{ontology.key} {ontology.version}",
        "outlines count as": "their topmost class" if roll_up else "their own class",
        "measured": utc_now(),
    }
    if work.model.known_slides:
        known = len(work.model.known_slides.intersection(work.grades.slide_ids))
        facts["not counted for the model"] = f"{known} slides of patients it learnt from"
    return build_agreement(study.sheet.title, ontology, work, disagreements(work), facts)


def disagreements(work: StudyReadings) -> list[Disagreement]:
    """All cases in which readers differ, the costliest first."""
    found = [
        *grade_disagreements(work.grades, work.scale),
        *region_disagreements(work.outlined, work.grades.readers, work.scale),
    ]
    return by_cost(found)
