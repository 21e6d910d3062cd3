"""Leaks against their definition, and how they are told."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathoai.errors import LeakError
from pathoai.study.cohort import CohortRow
from pathoai_training.splits.cohort_leak import check_slides_apart


def code(letter: str, number: int) -> str:
    return f"{letter}{number:015d}" if number else ""


few = st.integers(0, 8)
rows_and_subsets = st.lists(
    st.tuples(few, few, few, st.sampled_from(["train", "validation", "test", "left out", None])),
    max_size=10,
)


@given(rows_and_subsets)
def test_a_leak_is_found_exactly_where_two_slides_of_two_subsets_share_something(
    drawn: list[tuple[int, int, int, str | None]],
) -> None:
    rows = [
        CohortRow(
            code("S", i + 1),
            patient_id=code("P", p),
            block_id=code("B", b),
            source_sha256=f"{f:064x}" if f else "",
        )
        for i, (p, b, f, _) in enumerate(drawn)
    ]
    subsets = {r.slide_id: s for r, (*_, s) in zip(rows, drawn, strict=True) if s is not None}
    leaks = [
        (a, b)
        for a, b in combinations(rows, 2)
        if {subsets.get(a.slide_id), subsets.get(b.slide_id)} <= {"train", "validation", "test"}
        and subsets[a.slide_id] != subsets[b.slide_id]
        and any(
            getattr(a, name) == getattr(b, name) != ""
            for name in ("patient_id", "block_id", "source_sha256")
        )
    ]
    if leaks:
        with pytest.raises(LeakError):
            check_slides_apart(rows, subsets)
    else:
        check_slides_apart(rows, subsets)


def test_the_message_counts_and_names_the_first_codes() -> None:
    rows = [CohortRow(code("S", i + 1), patient_id=code("P", 1 + i // 2)) for i in range(16)]
    subsets = {row.slide_id: ("train", "test")[i % 2] for i, row in enumerate(rows)}
    with pytest.raises(LeakError) as raised:
        check_slides_apart(rows, subsets)
    told = str(raised.value)
    assert "8 patients: P000000000000001 in test and train, P000000000000002" in told
    assert "P000000000000005" in told
    assert "P000000000000006" not in told
    assert "pathoai split STUDY --by patient,block" in told


def test_the_same_scan_in_two_files_is_found_by_its_pixels() -> None:
    rows = [CohortRow(code("S", i), source_sha256=f"{i:064x}") for i in (1, 2, 3)]
    subsets = {code("S", 1): "train", code("S", 2): "test", code("S", 3): "train"}
    check_slides_apart(rows, subsets, {})
    check_slides_apart(rows, subsets, {code("S", 1): "x", code("S", 3): "x"})
    told = r"1 duplicate scans: slide S0+2 \(test\) = slide S0+1 \(train\)"
    with pytest.raises(LeakError, match=told):
        check_slides_apart(rows, subsets, {code("S", 1): "x", code("S", 2): "x"})
