"""A written split given by a table, such as the official one of a public challenge."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pathoai.errors import LeakError, MissingFileError, StudyError
from pathoai.provenance import sha256_of_json
from pathoai.study.cohort import CohortRow, opened_table
from pathoai_training.splits.cohort_leak import check_slides_apart
from pathoai_training.splits.linked_slides import linked_groups
from pathoai_training.splits.split import SUBSETS
from pathoai_training.splits.split_plan import SplitPlan
from pathoai_training.splits.written_split import LEFT_OUT, WrittenSplit

_COLUMNS = ("slide_id", "subset")
_REMEDY = "give each group one subset; --drop-linked leaves out slides that are linked to the test"

Assignment = Mapping[str, str]
"""Slide id → ``train``, ``validation`` or ``test``."""


def read_assignment(path: Path) -> dict[str, str]:
    """The subset of each slide, from a CSV file with the columns ``slide_id`` and ``subset``.

    Raises:
        MissingFileError: The file does not exist.
        StudyError: It is no such table, or names a slide twice; the message names the line.
    """
    if not path.is_file():
        raise MissingFileError("no such table of subsets", where="--assign")
    found: dict[str, str] = {}
    with opened_table(path, "--assign", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if sorted(reader.fieldnames or ()) != sorted(_COLUMNS):
            raise StudyError(
                "the table of subsets has other columns than expected",
                where="--assign",
                found=", ".join(reader.fieldnames or ()) or "none",
                allowed=", ".join(_COLUMNS),
            )
        for row in reader:
            slide_id, subset = ((row[name] or "").strip() for name in _COLUMNS)
            where = f"--assign line {reader.line_num}"
            if subset not in SUBSETS:
                raise StudyError(
                    "unknown subset", where=where, found=repr(subset), allowed=", ".join(SUBSETS)
                )
            if slide_id in found:
                raise StudyError("a slide is named twice", where=where, found=slide_id)
            found[slide_id] = subset
    return found


def assigned_plan(plan: SplitPlan, assignment: Assignment) -> SplitPlan:
    """The plan of a split that a table gives: what it keeps apart, and the table's hash."""
    return replace(plan, test=0.0, validation=0.0, assigned=sha256_of_json(dict(assignment)))


def split_by_assignment(
    rows: Sequence[CohortRow],
    plan: SplitPlan,
    assignment: Assignment,
    *,
    name: str,
    contents: Mapping[str, str] | None = None,
    drop_linked: bool = False,
) -> WrittenSplit:
    """Take over a table of subsets, if it keeps linked slides together.

    A slide whose patient is not known is linked to no other: the table answers for it.

    Args:
        rows: The cohort.
        plan: Of :func:`assigned_plan`.
        assignment: The table. Slides that it does not name are in no subset.
        name: Of the split.
        contents: Slide id → hash of its pixels, where known.
        drop_linked: Leave out slides of training and validation that are linked to the test.

    Raises:
        StudyError: The table names slides that the study does not have, or leaves training or
            validation empty.
        LeakError: Linked slides are in two subsets.
    """
    _check_slides(rows, assignment)
    placed = [row for row in rows if row.slide_id in assignment]
    groups = linked_groups(placed, plan.by, contents)
    subsets = dict(assignment)
    for group in groups if drop_linked else ():
        own = [row.slide_id for row in group]
        if any(subsets[i] == "test" for i in own):
            subsets |= {i: LEFT_OUT for i in own if subsets[i] != "test"}
    for group in groups:
        held = {subsets[row.slide_id] for row in group} - {LEFT_OUT}
        if len(held) > 1:
            _refuse_divided(group, subsets, groups)
    check_slides_apart(placed, subsets, contents, remedy=_REMEDY)
    for subset in ("train", "validation"):
        if subset not in subsets.values():
            raise StudyError(f"the table leaves no slide for {subset}", where="--assign")
    number = {row.slide_id: i for i, group in enumerate(groups) for row in group}
    ids = tuple(sorted(number))
    return WrittenSplit(
        name=name,
        plan=plan,
        slide_ids=ids,
        groups=tuple(number[i] for i in ids),
        fold_names=("1",),
        subsets=tuple((subsets[i],) for i in ids),
    )


def _check_slides(rows: Sequence[CohortRow], assignment: Assignment) -> None:
    if unknown := sorted(set(assignment) - {row.slide_id for row in rows}):
        raise StudyError(
            "the table names slides that the study does not have",
            where="--assign",
            found=f"{len(unknown)} of {len(assignment)}",
            allowed="the slide_id of cohort.csv, as `pathoai add` prints it",
        )


def _refuse_divided(
    group: Sequence[CohortRow], subsets: Assignment, groups: Sequence[Sequence[CohortRow]]
) -> None:
    divided = sum(len({subsets[r.slide_id] for r in g} - {LEFT_OUT}) > 1 for g in groups)
    shown = ", ".join(f"{row.slide_id} in {subsets[row.slide_id]}" for row in group[:4])
    raise LeakError(
        "linked slides are in two subsets",
        where="--assign",
        found=f"{divided} groups are divided, the first: {shown}",
        remedy=_REMEDY,
    )
