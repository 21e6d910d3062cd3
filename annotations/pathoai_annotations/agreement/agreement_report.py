"""The report on agreement: ``report.html`` for people, ``report.json`` for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pathoai.atomic_file import write_text_atomically
from pathoai.ontology import Ontology
from pathoai.report.page import report_page
from pathoai.report.section import Cell, Section, Table
from pathoai_annotations.agreement.disagreements import Disagreement
from pathoai_annotations.agreement.grade_sections import grade_sections
from pathoai_annotations.agreement.outlined_slides import classes_in
from pathoai_annotations.agreement.region_sections import region_section
from pathoai_annotations.agreement.study_readings import StudyReadings
from pathoai_annotations.agreement.time_sections import time_section
from pathoai_annotations.readers.assignment import Role

SCHEMA = 1
HTML, JSON = "report.html", "report.json"
_SHOWN_CASES = 100


@dataclass(frozen=True)
class AgreementReport:
    """All that is said of agreement.

    Args:
        title: Of the study.
        facts: What was looked at, by name.
        slide_ids: Codes of the slides that it rests on.
        sections: In their order.
        disagreements: The costliest first.
    """

    title: str
    facts: Mapping[str, str]
    slide_ids: tuple[str, ...]
    sections: tuple[Section, ...]
    disagreements: tuple[Disagreement, ...]

    def write(self, folder: Path) -> None:
        """Write the page and, last, the JSON; each is whole or the one before."""
        folder.mkdir(parents=True, exist_ok=True)
        page = report_page(f"Agreement of readers: {self.title}", self.sections)
        write_text_atomically(folder / HTML, page)
        text = json.dumps(self.content(), indent=1, sort_keys=True, allow_nan=False)
        write_text_atomically(folder / JSON, text + "\n")

    def content(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "schema": SCHEMA,
            "title": self.title,
            "facts": dict(self.facts),
            "slides": list(self.slide_ids),
            "sections": [section.to_dict() for section in self.sections],
            "disagreements": [asdict(case) for case in self.disagreements],
        }


def build_agreement(
    title: str,
    ontology: Ontology,
    work: StudyReadings,
    disagreements: Sequence[Disagreement],
    facts: Mapping[str, str],
) -> AgreementReport:
    """Measure everything.

    Args:
        title: Of the study.
        ontology: Of the study.
        work: What was signed off.
        disagreements: The costliest first.
        facts: What else belongs on record, by name.
    """
    grades = work.grades
    told = {**_facts(work), **facts}
    rows: tuple[tuple[Cell, ...], ...] = tuple((name, value) for name, value in told.items())
    about = Section(
        "about",
        "What was compared",
        (
            "Only work that was signed off is compared; what is missing is listed below.",
            *([work.model.words] if work.model.name else []),
        ),
        (Table("Facts", ("fact", "value"), rows),),
    )
    model_pairs = _model_pairs(work)
    sections = (
        about,
        *grade_sections(grades, work.scale),
        region_section(
            work.outlined,
            [*grades.reader_pairs, *model_pairs],
            classes_in(work.outlined, ontology),
            work.without_store,
            model_pairs[0][1] if model_pairs else "",
        ),
        time_section(work.slide_times, work.region_times),
        _disagreement_section(disagreements),
        _missing_section(work),
    )
    return AgreementReport(title, told, grades.slide_ids, sections, tuple(disagreements))


def _model_pairs(work: StudyReadings) -> list[tuple[str, str]]:
    """Readers and whoever else outlined something: a model."""
    raters = {rater for slide in work.outlined for rater in slide.outlines}
    models = sorted(raters - set(work.grades.readers))
    return [(reader, model) for model in models for reader in work.grades.readers]


def _facts(work: StudyReadings) -> dict[str, str]:
    done = [one for one in work.readings if one.signed and one.role is not Role.ADJUDICATOR]
    blind = sum(one.role is Role.BLIND_READER for one in done)
    return {
        "readers": ", ".join(work.grades.readers),
        "slides signed off": str(len(work.grades)),
        "patients": str(len(set(work.grades.patients))),
        "readings signed off": str(len(done)),
        "of these, blind": str(blind),
        "readings missing": str(len(work.missing)),
        "grades": ", ".join(work.scale.names),
        "costs of taking one for another": work.scale.costs_words,
    }


def _disagreement_section(cases: Sequence[Disagreement]) -> Section:
    title = "Where readers differ, the costliest first"
    if not cases:
        return Section("disagreements", title, ("No two readers differ.",))
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (str(place), case.slide_id, _where(case), f"{case.cost:.2f}", case.words)
        for place, case in enumerate(cases[:_SHOWN_CASES], start=1)
    )
    text = [
        "This is the order of the adjudication queue (`pathoai readers queue STUDY`). Cost: of "
        "taking the one for the other; of a lesion that one reader did not outline, of calling it "
        "benign.",
    ]
    if len(cases) > _SHOWN_CASES:
        text.append(f"The first {_SHOWN_CASES} of {len(cases)}; report.json holds all.")
    columns = ("", "slide", "where (level-0 pixels)", "cost", "said")
    return Section("disagreements", title, tuple(text), (Table("Cases", columns, rows),))


def _where(case: Disagreement) -> str:
    r = case.region
    if r is None:
        return "grade of the slide"
    return f"x {r.x:,.0f}, y {r.y:,.0f}, {r.width:,.0f} × {r.height:,.0f}"


def _missing_section(work: StudyReadings) -> Section:
    title = "What is missing"
    if not work.missing:
        return Section("missing", title, ("Every reading that was assigned is signed off.",))
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (one.reader, one.slide_id, str(one.role)) for one in work.missing
    )
    text = "Assigned and not signed off: whatever was drawn there counts nowhere above."
    table = Table("Missing readings", ("reader", "slide", "role"), rows)
    return Section("missing", title, (text,), (table,))
