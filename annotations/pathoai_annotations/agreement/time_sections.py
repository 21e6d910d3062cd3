"""The section about reading times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pathoai.report.charts import BLUE, GREY, drawing
from pathoai.report.section import Cell, Figure, Section, Table
from pathoai_annotations.agreement.cells import on_few_patients, seconds
from pathoai_annotations.agreement.reading_times import TimedReading, reading_times

_ALONE, _HELPED = "without the model", "with the model"
_TEXT = (
    "What the help saved is compared like with like: the medians of slides of one grade by one "
    "reader, of regions of one class by one reader, with help and without; then the mean of these "
    "differences. Readings of which nobody said whether a model was seen are left out.",
)


def time_section(slides: Sequence[TimedReading], regions: Sequence[TimedReading]) -> Section:
    """Seconds per slide and per region, and what the model's help saved."""
    title = "Reading time, and what the model's help saved"
    kinds = {"slide": slides, "region": regions}
    if not slides and not regions:
        return Section("times", title, ("No reading was timed.",))
    rows = tuple(_row(name, found) for name, found in kinds.items() if found)
    columns = ("per", "readings", _ALONE, "readings", _HELPED, "saved", "strata compared")
    table = Table("Medians (95 % intervals)", columns, rows)
    patients = on_few_patients([one.patient for one in (*slides, *regions)])
    text = tuple(t for t in (*_TEXT, patients) if t)
    return Section("times", title, text, (table,), (_figure(slides),) if slides else ())


def _row(name: str, found: Sequence[TimedReading]) -> tuple[Cell, ...]:
    times = reading_times(found)
    helped, alone, strata = times.counts
    saved = seconds(times.saved) if strata else "no grade was read both ways by one reader"
    return (
        name,
        alone,
        seconds(times.without_model),
        helped,
        seconds(times.with_model),
        saved,
        strata,
    )


def _figure(slides: Sequence[TimedReading]) -> Figure:
    groups = {
        name: [one.seconds / 60 for one in slides if one.with_model is helped]
        for name, helped in ((_ALONE, False), (_HELPED, True))
    }
    shown = {name: values for name, values in groups.items() if values}
    with drawing("minutes per slide", "", size=(6.2, 1.2 + 0.6 * len(shown))) as drawn:
        for place, values in enumerate(shown.values()):
            low, middle, high = np.percentile(values, [25, 50, 75])
            drawn.axes.plot(values, np.full(len(values), place), "o", color=GREY, alpha=0.35)
            drawn.axes.plot([low, high], [place, place], color=BLUE, linewidth=5, alpha=0.6)
            drawn.axes.plot([middle], [place], "D", color=BLUE)
        drawn.axes.set_yticks(range(len(shown)), list(shown))
        drawn.axes.set_xlim(left=0)
        drawn.axes.margins(y=0.4)
    alt = "; ".join(f"{name}: {len(values)} readings" for name, values in shown.items())
    return Figure(
        "Minutes per slide: each reading, the middle half (bar) and the median (diamond)",
        alt,
        drawn.image,
    )
