"""From slides and a plan to the subsets of each fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pathoai.errors import LeakError
from pathoai.ontology import Ontology
from pathoai.study.cohort import CohortRow
from pathoai.study.grade import severity
from pathoai_training.splits.cohort_leak import check_slides_apart
from pathoai_training.splits.deal_groups import Group, deal_groups
from pathoai_training.splits.linked_slides import Link, is_placed, linked_groups
from pathoai_training.splits.split_plan import SplitPlan
from pathoai_training.splits.written_split import LEFT_OUT, WrittenSplit

Fold = dict[str, str]
"""Slide id → subset."""


def split_by_groups(
    rows: Sequence[CohortRow],
    plan: SplitPlan,
    ontology: Ontology,
    *,
    name: str,
    contents: Mapping[str, str] | None = None,
) -> WrittenSplit:
    """Deal whole groups of linked slides; slides whose links are not known stay out.

    Args:
        rows: The slides, in any order.
        plan: How.
        ontology: Ranks the grades.
        name: Of the split.
        contents: Slide id → hash of its pixels, where known.

    Raises:
        LeakError: Too few groups, or of one grade; or what the plan keeps apart still lets a
            patient, a block or the same content be in two subsets.
    """
    placed = [row for row in rows if is_placed(row, _needed(plan))]
    groups = linked_groups(placed, plan.by, contents)
    ranks = {r.slide_id: severity(ontology, r.grade) if plan.stratify else -1 for r in placed}
    if plan.stratify and all(rank < 0 for rank in ranks.values()):
        raise LeakError(
            "no slide has a grade to stratify by",
            where="--stratify",
            remedy="state grades with `pathoai cohort import`, or leave --stratify out",
        )
    folds = (
        _centres_left_out(groups, plan, ranks)
        if plan.leave_one_centre_out
        else _folds(groups, plan, ranks)
    )
    for fold in folds.values():
        check_slides_apart(placed, fold, contents, remedy="--by patient,block")
    members = {row.slide_id: i for i, group in enumerate(groups) for row in group}
    ids = tuple(sorted(members))
    return WrittenSplit(
        name=name,
        plan=plan,
        slide_ids=ids,
        groups=tuple(members[slide_id] for slide_id in ids),
        fold_names=tuple(folds),
        subsets=tuple(tuple(fold[slide_id] for fold in folds.values()) for slide_id in ids),
    )


def _needed(plan: SplitPlan) -> tuple[Link, ...]:
    return (*plan.by, Link.CENTRE) if plan.leave_one_centre_out else plan.by


def _folds(groups: Sequence[Group], plan: SplitPlan, ranks: Mapping[str, int]) -> dict[str, Fold]:
    """One fold, or one for each part that takes its turn as validation."""
    test = {"test": plan.test} if plan.test else {}
    if plan.folds == 1:
        shares = test | {
            "validation": plan.validation,
            "train": 1 - plan.test - plan.validation,
        }
        return {"1": _dealt(groups, shares, ranks, plan.seed)}
    turns = [str(fold) for fold in range(1, plan.folds + 1)]
    shares = test | dict.fromkeys(turns, (1 - plan.test) / plan.folds)
    parts = _dealt(groups, shares, ranks, plan.seed)
    subset = {turn: "train" for turn in turns} | {"test": "test"}
    return {
        turn: {i: (subset | {turn: "validation"})[part] for i, part in parts.items()}
        for turn in turns
    }


def _centres_left_out(
    groups: Sequence[Group], plan: SplitPlan, ranks: Mapping[str, int]
) -> dict[str, Fold]:
    """A fold for each centre; what is linked to its slides but lies elsewhere serves nothing."""
    centres = sorted({row.centre_id for group in groups for row in group})
    if len(centres) < 2:
        raise LeakError(
            "too few centres to leave one out",
            found=f"{len(centres)} among {sum(map(len, groups))} slides that state "
            f"{' and '.join(dict.fromkeys(_needed(plan)))}",
            allowed="2 or more",
            remedy="state centres with `pathoai cohort import`, or split without "
            "--leave-one-centre-out",
        )
    shares = {"validation": plan.validation, "train": 1 - plan.validation}
    folds: dict[str, Fold] = {}
    for centre in centres:
        touched = [any(row.centre_id == centre for row in group) for group in groups]
        others = [group for group, hit in zip(groups, touched, strict=True) if not hit]
        fold = _dealt(others, shares, ranks, plan.seed)
        for group, hit in zip(groups, touched, strict=True):
            for row in group if hit else ():
                fold[row.slide_id] = "test" if row.centre_id == centre else LEFT_OUT
        folds[centre] = fold
    return folds


def _dealt(
    groups: Sequence[Group], shares: Mapping[str, float], ranks: Mapping[str, int], seed: int
) -> Fold:
    """Slide id → part.

    Raises:
        LeakError: Too few groups, or a part lacks a grade that the slides have.
    """
    own = {row.slide_id: ranks[row.slide_id] for group in groups for row in group}
    dealt = deal_groups(groups, shares, own, seed=seed)
    parts = {r.slide_id: part for g, part in zip(groups, dealt, strict=True) for r in g}
    for rank in sorted(set(own.values()) - {-1}):
        lacking = set(shares) - {part for i, part in parts.items() if own[i] == rank}
        if lacking:
            holders = sum(any(own[row.slide_id] == rank for row in group) for group in groups)
            raise LeakError(
                "a grade cannot be in every subset",
                where=", ".join(
                    sorted({r.grade for g in groups for r in g if own[r.slide_id] == rank})
                ),
                found=f"{holders} groups hold it, none in {', '.join(sorted(lacking))}",
                allowed=f"{len(shares)} groups or more",
                remedy="add slides of that grade, ask for fewer folds, try another --seed, or "
                "leave --stratify out",
            )
    return parts
