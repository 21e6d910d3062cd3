"""How a split turned out: slides, patients, centres and grades of each subset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from pathoai.study.cohort import CohortRow
from pathoai_training.splits.written_split import WRITTEN_SUBSETS, WrittenSplit

_HEAD = ("fold", "subset", "slides", "patients", "centres", "grades")


def balance_table(split: WrittenSplit, rows: Mapping[str, CohortRow]) -> list[str]:
    """Lines of a table, a row for each subset of each fold.

    Args:
        split: The split.
        rows: The cohort, by slide id; slides that have left it are not counted.
    """
    lines = [_HEAD]
    for fold, name in enumerate(split.fold_names, start=1):
        subsets = split.subset_of_slide(fold)
        for subset in WRITTEN_SUBSETS:
            held = [rows[i] for i, own in subsets.items() if own == subset and i in rows]
            if held:
                lines.append((_fold(fold, name), subset, *_tally(held)))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]


def _fold(fold: int, name: str) -> str:
    return name if name == str(fold) else f"{fold} (without {name})"


def _tally(rows: list[CohortRow]) -> tuple[str, str, str, str]:
    grades = Counter(row.grade or "not stated" for row in rows)
    return (
        str(len(rows)),
        str(len({row.patient_id for row in rows} - {""})),
        str(len({row.centre_id for row in rows} - {""})),
        ", ".join(f"{grade} {count}" for grade, count in sorted(grades.items())),
    )
