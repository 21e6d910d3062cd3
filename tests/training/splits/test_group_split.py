"""Dealing: no group is ever divided, shares come near their targets, grades are everywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathoai.errors import InvalidValueError, LeakError
from pathoai.ontology import load_ontology
from pathoai.study.cohort import CohortRow
from pathoai_training.splits.balance_table import balance_table
from pathoai_training.splits.group_split import split_by_groups
from pathoai_training.splits.linked_slides import Link, linked_groups
from pathoai_training.splits.split_plan import SplitPlan
from pathoai_training.splits.written_split import LEFT_OUT, WrittenSplit

CERVIX = load_ontology("cervix")
GRADES = ("benign", "lsil", "hsil", "invasive_scc")
BY_PATIENT = (Link.PATIENT,)


def code(letter: str, number: int) -> str:
    return f"{letter}{number:015d}"


def slide(number: int, patient: int, *, centre: int = 1, grade: str = "") -> CohortRow:
    return CohortRow(
        code("S", number),
        patient_id=code("P", patient),
        centre_id=code("C", centre),
        grade=grade,
    )


def made(rows: Sequence[CohortRow], plan: SplitPlan) -> WrittenSplit:
    return split_by_groups(rows, plan, CERVIX, name="main")


@st.composite
def cohorts(draw: st.DrawFn) -> list[CohortRow]:
    """2 to 60 slides of up to 25 patients, each at one of 4 centres."""
    patients = draw(st.lists(st.integers(1, 25), min_size=2, max_size=60))
    grades = draw(st.lists(st.sampled_from(GRADES), min_size=25, max_size=25))
    return [
        slide(i, p, centre=1 + p % 4, grade=grades[p - 1]) for i, p in enumerate(patients, start=1)
    ]


plans = st.one_of(
    st.builds(
        SplitPlan,
        by=st.just(BY_PATIENT),
        test=st.sampled_from([0.0, 0.1, 0.2, 0.3]),
        validation=st.sampled_from([0.1, 0.2, 0.3]),
        seed=st.integers(0, 3),
    ),
    st.builds(
        SplitPlan,
        by=st.just(BY_PATIENT),
        test=st.sampled_from([0.0, 0.2]),
        validation=st.just(0.0),
        folds=st.integers(2, 5),
        seed=st.integers(0, 3),
    ),
)


@given(cohorts(), plans)
def test_no_group_is_divided_and_shares_are_near_their_targets(
    rows: list[CohortRow], plan: SplitPlan
) -> None:
    groups = linked_groups(rows, plan.by)
    parts = (plan.folds if plan.folds > 1 else 2) + (plan.test > 0)
    if len(groups) < parts:
        with pytest.raises(LeakError, match="too few groups"):
            made(rows, plan)
        return
    split = made(rows, plan)
    largest = max(map(len, groups))
    for fold in range(1, len(split.fold_names) + 1):
        subsets = split.subset_of_slide(fold)
        assert set(subsets) == {row.slide_id for row in rows}
        for group in groups:
            assert len({subsets[row.slide_id] for row in group}) == 1
        counts = Counter(subsets.values())
        share = {"test": plan.test, "validation": plan.validation or (1 - plan.test) / plan.folds}
        for subset, wanted in share.items():
            assert abs(counts[subset] - wanted * len(rows)) <= largest + 1
            assert counts[subset] > 0 or wanted == 0
        assert counts["train"] > 0


@given(cohorts().filter(lambda rows: len({r.patient_id for r in rows}) >= 6), plans, st.randoms())
def test_neither_the_order_of_rows_nor_that_of_columns_matters(
    rows: list[CohortRow], plan: SplitPlan, random: Random
) -> None:
    assert made(random.sample(rows, len(rows)), plan) == made(rows, plan)


def test_each_slide_is_for_validation_in_one_fold_and_the_test_is_locked_in_all() -> None:
    rows = [slide(i, i) for i in range(1, 101)]
    split = made(rows, SplitPlan(BY_PATIENT, test=0.2, validation=0.0, folds=5))
    folds = [split.subset_of_slide(fold) for fold in range(1, 6)]
    for row in rows:
        turns = Counter(fold[row.slide_id] for fold in folds)
        assert turns in (Counter(test=5), Counter(validation=1, train=4))
    assert [Counter(f.values()) for f in folds] == [Counter(test=20, validation=16, train=64)] * 5


def test_another_seed_deals_otherwise() -> None:
    rows = [slide(i, i) for i in range(1, 101)]
    one, other = (made(rows, SplitPlan(BY_PATIENT, seed=seed)) for seed in (0, 1))
    assert one.subsets != other.subsets
    assert one.sha256 != other.sha256


def test_stratified_subsets_have_like_shares_of_each_grade() -> None:
    """Of 200 patients with 1 to 4 slides, prevalences 50, 30, 15 and 5 %."""
    random = Random(0)
    grades = [g for g, n in zip(GRADES, (100, 60, 30, 10), strict=True) for _ in range(n)]
    rows, number = [], 0
    for patient, grade in enumerate(grades, start=1):
        for _ in range(random.randint(1, 4)):
            number += 1
            rows.append(slide(number, patient, grade=grade))
    split = made(rows, SplitPlan(BY_PATIENT, stratify=True))
    subsets = split.subset_of_slide()
    for grade in GRADES:
        own = [subsets[row.slide_id] for row in rows if row.grade == grade]
        for subset, share in (("test", 0.2), ("validation", 0.2), ("train", 0.6)):
            assert abs(own.count(subset) - share * len(own)) <= 3


@given(st.integers(0, 20))
def test_a_rare_grade_is_in_every_subset(seed: int) -> None:
    rows = [slide(i, i, grade="benign") for i in range(1, 31)]
    rows += [slide(100 + i, 100 + i, grade="adenocarcinoma") for i in range(3)]
    subsets = made(rows, SplitPlan(BY_PATIENT, stratify=True, seed=seed)).subset_of_slide()
    assert {subsets[row.slide_id] for row in rows[30:]} == {"train", "validation", "test"}


def test_the_worst_slide_of_a_patient_says_where_all_of_them_count() -> None:
    """Each patient has a benign slide too, yet the three with cancer are one to a subset."""
    rows = [slide(i, 1 + i // 2, grade="benign") for i in range(40)]
    rows += [slide(100 + p, p, grade="invasive_scc") for p in (1, 2, 3)]
    subsets = made(rows, SplitPlan(BY_PATIENT, stratify=True)).subset_of_slide()
    assert {subsets[row.slide_id] for row in rows[40:]} == {"train", "validation", "test"}


def test_a_grade_of_too_few_patients_cannot_be_stratified() -> None:
    rows = [slide(i, i, grade="benign") for i in range(1, 31)]
    rows += [slide(100 + i, 100, grade="invasive_scc") for i in range(8)]
    with pytest.raises(LeakError, match=r"invasive_scc: .*1 groups hold it.*leave --stratify out"):
        made(rows, SplitPlan(BY_PATIENT, stratify=True))
    with pytest.raises(LeakError, match="pathoai cohort import"):
        made([slide(i, i) for i in range(9)], SplitPlan(BY_PATIENT, stratify=True))


def test_slides_whose_patient_is_not_known_are_in_no_subset() -> None:
    rows = [slide(i, i) for i in range(1, 9)]
    unknown = CohortRow(code("S", 99), centre_id=code("C", 1))
    split = made([*rows, unknown], SplitPlan(BY_PATIENT))
    assert unknown.slide_id not in split.slide_ids
    assert len(split.slide_ids) == 8


def test_a_link_that_is_not_kept_apart_is_refused() -> None:
    """By block alone, a patient with two blocks could be on both sides."""
    rows = [
        CohortRow(code("S", i), patient_id=code("P", i // 2), block_id=code("B", i))
        for i in range(40)
    ]
    with pytest.raises(LeakError, match=r"\d+ patients: P0.* in .*--by patient,block"):
        made(rows, SplitPlan((Link.BLOCK,)))
    made(rows, SplitPlan((Link.PATIENT, Link.BLOCK)))


def test_each_centre_is_left_out_once_with_all_that_is_linked_to_it() -> None:
    rows = [slide(10 * c + i, 10 * c + i, centre=c) for c in range(1, 5) for i in range(6)]
    traveller = slide(99, 10, centre=2)  # patient 10 is of centre 1
    plan = SplitPlan(BY_PATIENT, test=0.0, leave_one_centre_out=True)
    split = made([*rows, traveller], plan)
    assert split.fold_names == tuple(code("C", c) for c in range(1, 5))
    for fold, centre in enumerate(split.fold_names, start=1):
        subsets = split.subset_of_slide(fold)
        for row in rows:
            linked = row.patient_id == traveller.patient_id and centre == code("C", 2)
            if row.centre_id == centre:
                assert subsets[row.slide_id] == "test"
            else:
                assert subsets[row.slide_id] in ([LEFT_OUT] if linked else ["train", "validation"])
        assert {"train", "validation", "test"} <= set(subsets.values())
    assert split.subset_of_slide(1)[traveller.slide_id] == LEFT_OUT
    assert split.subset_of_slide(2)[traveller.slide_id] == "test"
    table = balance_table(split, {row.slide_id: row for row in [*rows, traveller]})
    assert any("left out" in line for line in table)
    assert table[1].startswith(f"1 (without {code('C', 1)})")


def test_one_centre_cannot_be_left_out() -> None:
    plan = SplitPlan(BY_PATIENT, test=0.0, leave_one_centre_out=True)
    with pytest.raises(LeakError, match="too few centres"):
        made([slide(i, i) for i in range(9)], plan)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"by": ()}, "--by"),
        ({"by": (Link.BLOCK, Link.BLOCK)}, "--by"),
        ({"folds": 0}, "--folds"),
        ({"folds": 3}, "--validation"),
        ({"validation": 0.0}, "--validation"),
        ({"test": 1.0}, "--test"),
        ({"test": -0.1}, "--test"),
        ({"test": float("nan")}, "--test"),
        ({"test": 0.6, "validation": 0.4}, "nothing to train on"),
        ({"leave_one_centre_out": True}, "--test"),
        ({"leave_one_centre_out": True, "folds": 3}, "exclude each other"),
    ],
)
def test_plans_that_contradict_themselves(values: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidValueError, match=says):
        SplitPlan(**{"by": BY_PATIENT} | values)  # type: ignore[arg-type]  # wrong on purpose


def test_the_balance_table_counts_by_hand() -> None:
    rows = [slide(i, i, centre=1 + i % 2, grade=GRADES[i % 2]) for i in range(10)]
    lines = balance_table(made(rows, SplitPlan(BY_PATIENT)), {r.slide_id: r for r in rows})
    assert lines[0].split() == ["fold", "subset", "slides", "patients", "centres", "grades"]
    assert [line.split()[1:4] for line in lines[1:]] == [
        ["train", "6", "6"],
        ["validation", "2", "2"],
        ["test", "2", "2"],
    ]
