"""From predictions to ``report.html`` and ``report.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from pathoai.atomic_file import write_text_atomically
from pathoai.errors import InvalidValueError
from pathoai.metrics.patient_bootstrap import PatientBootstrap
from pathoai.report.page import report_page
from pathoai.report.section import Cell, Section, Table
from pathoai_training.report.checklists import ChecklistEntry, filled_checklists
from pathoai_training.report.classification_sections import classification_sections
from pathoai_training.report.context import CaseRegion, EvaluationContext
from pathoai_training.report.decision_sections import Decisions
from pathoai_training.report.evaluation_parts import evaluation_parts, review_command
from pathoai_training.report.pixel_sections import instance_sections, segmentation_sections
from pathoai_training.report.predictions import (
    InstanceCounts,
    Predictions,
    SegmentationCounts,
    SlidePredictions,
)
from pathoai_training.report.shared_sections import (
    breakdown_section,
    headline_section,
    left_out_section,
)

SCHEMA = 1
HTML, JSON = "report.html", "report.json"


@dataclass(frozen=True)
class Report:
    """All that a report says.

    Args:
        context: What was evaluated.
        predictions: Of the evaluated slides.
        sections: In their order.
        cases: The worst, worst first.
        checklists: Fields of the reporting guidelines.
    """

    context: EvaluationContext
    predictions: Predictions
    sections: tuple[Section, ...]
    cases: tuple[CaseRegion, ...]
    checklists: tuple[ChecklistEntry, ...]


def build_report(
    context: EvaluationContext,
    predictions: Predictions,
    *,
    decisions: Decisions | None = None,
    left_out: Mapping[str, Predictions] | None = None,
    cases: Sequence[CaseRegion] = (),
) -> Report:
    """Measure everything, each number with its interval.

    Args:
        context: What was evaluated, and how it came about.
        predictions: Of the evaluated slides.
        decisions: Fixed before the test was looked at; for classes of slides or regions.
        left_out: Code of a centre → predictions for it of a model trained without it.
        cases: The worst, worst first.

    Raises:
        InvalidValueError: There is nothing to evaluate.
    """
    if not len(predictions.slides):
        raise InvalidValueError("no slide was evaluated", where=context.subset)
    bootstrap = PatientBootstrap(predictions.slides.patients)
    sections = [
        _about(context, predictions, bootstrap),
        headline_section(predictions, bootstrap),
        *_sections_of(predictions, bootstrap, decisions or Decisions()),
        breakdown_section(predictions),
    ]
    if left_out:
        sections.append(left_out_section(left_out))
    checklists = filled_checklists(_facts(context, predictions, bootstrap))
    return Report(context, predictions, tuple(sections), tuple(cases), tuple(checklists))


def write_report(report: Report, folder: Path) -> None:
    """Write ``report.html`` and, last, ``report.json``; each is whole or the one before."""
    folder.mkdir(parents=True, exist_ok=True)
    title = f"{report.context.model}: {report.context.subset}"
    parts = tuple(evaluation_parts(report.cases, report.checklists))
    page = report_page(title, report.sections, parts=parts)
    write_text_atomically(folder / HTML, page)
    text = json.dumps(report_content(report), indent=1, sort_keys=True, allow_nan=False)
    write_text_atomically(folder / JSON, text + "\n")


def report_content(report: Report) -> dict[str, Any]:
    """The report as JSON: what is measured, and the coded predictions it is measured on."""
    predictions = report.predictions
    return {
        "schema": SCHEMA,
        "context": asdict(report.context),
        "sections": [section.to_dict() for section in report.sections],
        "cases": [
            {
                "slide_id": case.slide_id,
                "region": asdict(case.region),
                "title": case.title,
                "command": review_command(case),
            }
            for case in report.cases
        ],
        "checklists": [asdict(entry) for entry in report.checklists],
        "predictions": {
            "kind": predictions.kind,
            "classes": list(predictions.classes),
            "slides": asdict(predictions.slides),
            "values": predictions.to_dict(),
        },
    }


def _sections_of(
    predictions: Predictions, bootstrap: PatientBootstrap, decisions: Decisions
) -> list[Section]:
    match predictions:
        case SlidePredictions():
            return classification_sections(predictions, bootstrap, decisions)
        case SegmentationCounts():
            return segmentation_sections(predictions, bootstrap)
        case InstanceCounts():
            return instance_sections(predictions, bootstrap)


def _facts(
    context: EvaluationContext, predictions: Predictions, bootstrap: PatientBootstrap
) -> dict[str, object]:
    slides = predictions.slides
    software = ", ".join(f"{name} {version}" for name, version in context.software.items())
    return {f.name: getattr(context, f.name) for f in fields(context)} | {
        "classes": ", ".join(predictions.classes),
        "software": software,
        "patients": bootstrap.patients,
        "slides": len(set(slides.slide_ids)),
        "without_patient": slides.without_patient,
        "centres": len({c for c in slides.centre_ids if c}) or None,
    }


_ABOUT = (
    ("study", "study"),
    ("model", "model"),
    ("task", "task"),
    ("classes", "classes"),
    ("bundle (SHA-256)", "bundle_sha256"),
    ("recipe", "recipe"),
    ("ontology", "ontology"),
    ("scale, µm per pixel", "mpp"),
    ("kept apart by", "split_kind"),
    ("split (SHA-256)", "split_sha256"),
    ("subset", "subset"),
    ("openings of the test, this one included", "openings"),
    ("patients evaluated", "patients"),
    ("slides evaluated", "slides"),
    ("slides without a patient code", "without_patient"),
    ("tiles evaluated", "tiles"),
    ("trained on patients", "training_patients"),
    ("trained on slides", "training_slides"),
    ("licence of the model", "licence"),
    ("commit of pathoai", "commit"),
    ("software", "software"),
    ("evaluated", "created"),
)


def _about(
    context: EvaluationContext, predictions: Predictions, bootstrap: PatientBootstrap
) -> Section:
    facts = _facts(context, predictions, bootstrap)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (title, "not known" if facts[name] in (None, "") else str(facts[name]))
        for title, name in _ABOUT
    )
    text = [context.split_statement, context.label_statement, context.intended_use]
    if context.openings is None:
        text.append("Openings of this subset are not logged.")
    elif context.openings > 1:
        text.append(
            f"The test was opened {context.openings} times: choices made after the first opening "
            "make the numbers below too good."
        )
    table = Table("Facts", ("fact", "value"), rows)
    return Section("about", "What was evaluated", tuple(t for t in text if t), (table,))
