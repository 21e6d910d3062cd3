"""Sections about grades of whole slides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pathoai.metrics.krippendorff_alpha import MISSING
from pathoai.report.charts import confusion_chart, forest_chart
from pathoai.report.section import Cell, Figure, Measured, Section, Table
from pathoai_annotations.agreement.cells import cell, cells, joined, on_few_patients, signed
from pathoai_annotations.agreement.grade_agreement import (
    GroupAgreement,
    PairAgreement,
    compare_with_model,
    group_agreement,
    main_measure,
    pair_agreements,
)
from pathoai_annotations.agreement.grade_scale import GradeScale, grades_seen
from pathoai_annotations.agreement.graded_slides import GradedSlides

_SAME = "not defined: all said the same"
_INTERVALS = (
    "Intervals are percentiles (95 %) over 2,000 resamples of patients; each patient brings all of "
    "his slides."
)


def grade_sections(slides: GradedSlides, scale: GradeScale) -> list[Section]:
    """What can be said of grades; one section that says so where there is nothing."""
    pairs = pair_agreements(slides, scale, slides.reader_pairs)
    against = pair_agreements(slides, scale, slides.model_pairs)
    if not pairs and not against:
        text = "No slide was given a grade by two readers, so their agreement cannot be measured."
        return [Section("grades", "Grades of slides", (text,))]
    sections = [_pairs_section(slides, scale, [*pairs, *against])]
    if len(slides.readers) > 1:
        sections.append(_group_section(slides, scale))
    if slides.model:
        sections.append(_model_section(slides, scale))
    sections.append(_confusions(slides, scale, [*pairs, *against]))
    return sections


def _pairs_section(
    slides: GradedSlides, scale: GradeScale, pairs: Sequence[PairAgreement]
) -> Section:
    names = list(pairs[0].measures)
    rows: list[tuple[Cell, ...]] = [
        (_name(one, slides), one.slides, *(cell(one.measures[n], _SAME) for n in names))
        for one in pairs
    ]
    text = [_INTERVALS, on_few_patients(slides.patients)]
    if scale.costs_key:
        text.append(
            f"The score by costs ({scale.costs_key}) is 1 − the mean cost of taking the one "
            "reader's grade for the other's; it is high for whoever calls everything low grade, so "
            "it is read beside κ."
        )
    main = main_measure(scale)
    column = 2 + names.index(main)
    known = [(str(row[0]), m) for row in rows if isinstance(m := row[column], Measured)]
    figures = (_forest(known, main),) if known else ()
    table = Table("Pairs, on the slides that both graded", ("pair", "slides", *names), tuple(rows))
    return Section("grades", "Grades of slides, in pairs", _said(text), (table,), figures)


def _forest(rows: Sequence[tuple[str, Measured]], name: str) -> Figure:
    return Figure(
        f"{name} of each pair, 95 % intervals",
        f"{name}: " + "; ".join(f"{pair} {value}" for pair, value in rows),
        forest_chart([pair for pair, _ in rows], joined([m for _, m in rows]), name),
    )


def _group_section(slides: GradedSlides, scale: GradeScale) -> Section:
    groups = {"readers": group_agreement(slides, scale)}
    if slides.model:
        groups["readers and model"] = group_agreement(slides, scale, with_model=True)
    rows = [row for name, group in groups.items() for row in _group_rows(name, group)]
    table = Table(
        "All together", ("among", "measure", "slides", "value (95 % interval)"), tuple(rows)
    )
    text = (
        "Fleiss' κ takes the slides that every reader graded. Krippendorff's α takes all that two "
        "or more graded, so a reading that is missing costs no slide.",
        on_few_patients(slides.patients),
    )
    return Section("group", "All readers together", _said(text), (table,))


def _group_rows(name: str, group: GroupAgreement) -> list[tuple[Cell, ...]]:
    none = "not defined: no slide was graded by all"
    fleiss: Cell = none if group.fleiss is None else cell(group.fleiss, _SAME)
    rows: list[tuple[Cell, ...]] = [(name, "Fleiss' κ", group.fleiss_slides, fleiss)]
    for level, interval in group.alphas.items():
        measure = f"Krippendorff's α, {level}"
        rows.append((name, measure, group.alpha_slides, cell(interval, _SAME)))
    return rows


def _model_section(slides: GradedSlides, scale: GradeScale) -> Section:
    title = "Readers with each other, and with the model"
    said = slides.said_by_model
    left = 0 if said is None else int((said == MISSING).sum())
    text = [
        "On the slides that two readers or more and the model graded: the mean over pairs of "
        "readers, the mean over pairs of a reader and the model, and the difference, over the same "
        "resamples of patients. An interval of the difference that holds 0 shows no difference.",
        f"The model gave no grade to {left} of {len(slides)} slides: it left them to the doctor, "
        "did not see them, or knew their patients from its training."
        if left
        else "",
    ]
    found = compare_with_model(slides, scale)
    if found is None:
        text.append("There is no slide that two readers and the model graded.")
        return Section("model", title, _said(text))
    columns = [cells(i, _SAME) for i in (found.among_readers, found.with_model)]
    difference = cells(found.difference, _SAME)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (name, columns[0][at], columns[1][at], signed(difference[at]))
        for at, name in enumerate(found.names)
    )
    names = ("", "reader and reader", f"reader and {slides.model}", "difference")
    table = Table(f"{found.slides} slides", names, rows)
    return Section("model", title, _said(text), (table,))


def _confusions(slides: GradedSlides, scale: GradeScale, pairs: Sequence[PairAgreement]) -> Section:
    tables, figures = [], []
    for one in pairs:
        seen = np.flatnonzero(one.confusion.sum(0) + one.confusion.sum(1)).tolist()
        shown = grades_seen(scale, seen)
        counts = one.confusion[np.ix_(shown, shown)]
        names = [scale.names[at] for at in shown]
        first, second = one.pair
        rows: tuple[tuple[Cell, ...], ...] = tuple(
            (name, *map(int, row)) for name, row in zip(names, counts.tolist(), strict=True)
        )
        title = _name(one, slides)
        tables.append(Table(f"{title}: {first} by row, {second} by column", ("", *names), rows))
        figures.append(
            Figure(
                f"{title}; shade: share of {first}'s grade",
                f"Grades of {first} against those of {second}; the table holds every count.",
                confusion_chart(counts, names, sides=(first, second)),
            )
        )
    return Section(
        "confusion", "Which grades are taken for which", (), tuple(tables), tuple(figures)
    )


def _name(one: PairAgreement, slides: GradedSlides) -> str:
    first, second = one.pair
    return f"{first} and model {second}" if second == slides.model else f"{first} and {second}"


def _said(text: Sequence[str]) -> tuple[str, ...]:
    return tuple(paragraph for paragraph in text if paragraph)
