"""Sections about what readers outlined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

from pathoai.metrics.patient_bootstrap import Interval
from pathoai.report.charts import forest_chart
from pathoai.report.section import Cell, Figure, Measured, Section, Table
from pathoai_annotations.agreement.cells import cells, joined, on_few_patients, signed
from pathoai_annotations.agreement.outlined_slides import OutlinedSlide
from pathoai_annotations.agreement.region_agreement import (
    DICE,
    F1,
    HAUSDORFF,
    IOU,
    PANOPTIC,
    PairOutlines,
    pair_outlines,
)
from pathoai_annotations.agreement.region_comparison import COMPARED, compare_outlines

_TEXT = (
    "Dice and intersection over union: of the exact areas of all that the two outlined of a class, "
    "pooled over slides. Hausdorff 95: the mean over slides on which both outlined the class; of "
    "each boundary a twentieth may lie farther from the other, points taken every 2 µm. Object F1 "
    "and panoptic quality: outlines of one class that share more than half of their common area "
    "are the same object.",
    "A slide that both signed off counts even where one of them outlined nothing. Where readers "
    "outline examples and not everything, these numbers say how far the examples are the same.",
)
_ABSENT = "not defined: nobody outlined any"
_APART = "not defined: never outlined by both on a slide"


def region_section(
    slides: Sequence[OutlinedSlide],
    pairs: Sequence[tuple[str, str]],
    classes: tuple[str, ...],
    without_store: Sequence[str] = (),
    model: str = "",
) -> Section:
    """Outlines of each pair, class by class.

    Args:
        slides: With what was outlined on them.
        pairs: Of raters, readers before a model.
        classes: Keys of those that anybody outlined.
        without_store: Slides that are left out since they are not tiled.
        model: Name of the model among the raters; empty where there is none.
    """
    title = "Outlined regions"
    text = [*_TEXT, _left_out(slides, without_store), on_few_patients([s.patient for s in slides])]
    found = [one for pair in pairs if (one := pair_outlines(slides, pair, classes))]
    if not found or not classes:
        return Section("regions", title, ("Nobody outlined anything that two raters looked at.",))
    measured = [(one, one.measures()) for one in found]
    areas = [_table(*one, (DICE, IOU, HAUSDORFF), "areas and boundaries") for one in measured]
    objects = [_table(*one, (F1, PANOPTIC), "outline by outline") for one in measured]
    rows = [
        (f"{row[0]}, {' and '.join(one.pair)}", row[1])
        for one, table in zip(found, areas, strict=True)
        for row in table.rows
    ]
    known = [(name, value) for name, value in rows if isinstance(value, Measured)]
    figures = (_figure(known),) if known else ()
    compared = [_comparison(found, model)] if model else []
    tables = (*areas, *objects, *compared)
    return Section("regions", title, tuple(t for t in text if t), tables, figures)


def _table(
    one: PairOutlines, measures: Mapping[str, Interval], shown: Sequence[str], kind: str
) -> Table:
    columns = [cells(measures[n], _APART if n == HAUSDORFF else _ABSENT) for n in shown]
    counts = one.outlined
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (label, *(column[at] for column in columns), *map(int, counts[at]))
        for at, label in enumerate(one.classes)
        if counts[at].any()
    )
    first, second = one.pair
    caption = f"{first} and {second}, {len(one.patients)} slides: {kind}"
    names = ("class", *shown, f"outlines of {first}", f"outlines of {second}")
    return Table(caption, names, rows)


def _comparison(found: Sequence[PairOutlines], model: str) -> Table:
    """Pairs of readers beside pairs of a reader and the model."""
    names = ("class", "measure", "reader and reader", f"reader and {model}", "difference")
    compared = compare_outlines(found, model)
    if compared is None:
        return Table(f"No slide was looked at by two readers and {model}", names, ())
    parts = (compared.among_readers, compared.with_model, compared.difference)
    columns = [cells(part, _ABSENT) for part in parts]
    named = product(found[0].classes, COMPARED)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (*name, among, against, signed(difference))
        for name, among, against, difference in zip(named, *columns, strict=True)
    )
    caption = f"Means over pairs, on {compared.slides} slides that two readers and {model} saw"
    return Table(caption, names, rows)


def _figure(rows: Sequence[tuple[str, Measured]]) -> Figure:
    return Figure(
        "Dice by class and pair, 95 % intervals",
        "Dice: " + "; ".join(f"{name} {value}" for name, value in rows),
        forest_chart([name for name, _ in rows], joined([value for _, value in rows]), DICE),
    )


def _left_out(slides: Sequence[OutlinedSlide], without_store: Sequence[str]) -> str:
    points = sum(one.without_area for slide in slides for one in slide.outlines.values())
    parts = []
    if points:
        parts.append(f"{points} points and lines, which have no area")
    if without_store:
        parts.append(f"{len(without_store)} slides that are not tiled, so their scale is not known")
    return f"Left out: {' and '.join(parts)}." if parts else ""
