"""Groups of slides against their definition: reachable through shared codes or content."""

from __future__ import annotations

from itertools import combinations
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from pathoai.study.cohort import CohortRow
from pathoai_training.splits.linked_slides import Link, is_placed, linked_groups


def code(letter: str, number: int) -> str:
    return f"{letter}{number:015d}" if number else ""


small = st.integers(0, 5)


@st.composite
def cohorts(draw: st.DrawFn) -> list[CohortRow]:
    return [
        CohortRow(
            code("S", i + 1),
            patient_id=code("P", draw(small)),
            block_id=code("B", draw(small)),
            centre_id=code("C", draw(small)),
            source_sha256=f"{draw(st.integers(0, 9)) or i + 100:064x}",
        )
        for i in range(draw(st.integers(1, 14)))
    ]


links = st.lists(st.sampled_from(list(Link)), unique=True, min_size=1)


def brute_force(rows: list[CohortRow], by: list[Link]) -> set[frozenset[str]]:
    """Merge any two groups that hold two slides with something in common, until none are left."""
    groups = [{row} for row in rows]

    def touch(one: set[CohortRow], other: set[CohortRow]) -> bool:
        return any(
            a.source_sha256 == b.source_sha256 or any(link.of(a) == link.of(b) != "" for link in by)
            for a in one
            for b in other
        )

    while pair := next((p for p in combinations(groups, 2) if touch(*p)), None):
        groups = [g for g in groups if g not in pair] + [pair[0] | pair[1]]
    return {frozenset(row.slide_id for row in group) for group in groups}


@given(cohorts(), links, st.randoms(use_true_random=False))
def test_groups_are_what_is_connected(
    rows: list[CohortRow], by: list[Link], random: Random
) -> None:
    groups = linked_groups(rows, by)
    assert {frozenset(r.slide_id for r in group) for group in groups} == brute_force(rows, by)
    assert linked_groups(random.sample(rows, len(rows)), by[::-1]) == groups


def test_one_scan_in_two_files_is_linked_by_its_pixels() -> None:
    one, other = CohortRow(code("S", 1)), CohortRow(code("S", 2))
    assert len(linked_groups([one, other], [Link.PATIENT])) == 2
    pixels = {one.slide_id: "same", other.slide_id: "same"}
    assert linked_groups([other, one], [Link.PATIENT], pixels) == [(one, other)]


def test_a_block_may_be_unknown_only_beside_a_patient() -> None:
    row = CohortRow(code("S", 1), patient_id=code("P", 1))
    assert is_placed(row, [Link.PATIENT, Link.BLOCK])
    assert not is_placed(row, [Link.BLOCK])
    assert not is_placed(row, [Link.PATIENT, Link.CENTRE])
    assert not is_placed(CohortRow(code("S", 1)), [Link.PATIENT])
