"""Pairs of slides: one section in H&E and restained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pathoai.errors import StudyError
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.pairs import pairs_of, sound_pairs
from pathoai.study.study import Study


def row(number: int, pair: str = "", stain: str = "HE", marker: str = "") -> CohortRow:
    return CohortRow(f"{number:016x}", stain=stain, pair=pair, marker=marker)


def test_an_he_slide_pairs_with_each_restained_one_of_its_term() -> None:
    cohort = Cohort(
        [
            row(1, "a"),
            row(2, "a", "IHC", "AE1AE3"),
            row(3),
            row(4, "b", "CD3CD20"),
            row(5, "a", "MKI67"),
            row(6, "b"),
        ]
    )
    pairs = pairs_of(cohort)
    assert [(int(p.fixed.slide_id, 16), int(p.moving.slide_id, 16)) for p in pairs] == [
        (1, 2),
        (1, 5),
        (6, 4),
    ]
    assert [p.marker for p in pairs] == ["AE1AE3", "MKI67", "CD3CD20"]
    assert pairs_of(cohort, [row(4).slide_id]) == pairs[2:]
    assert pairs_of(cohort, [row(1).slide_id]) == pairs[:2]


def test_saffron_makes_no_restained_slide() -> None:
    (pair,) = pairs_of(Cohort([row(1, "a", "HES"), row(2, "a", "IHC", "AE1AE3")]))
    assert (pair.fixed.stain, pair.marker) == ("HES", "AE1AE3")
    with pytest.raises(StudyError, match="shows no marker"):
        row(3, "a", "HES", "AE1AE3")


@pytest.mark.parametrize(
    "rows",
    [
        [row(1, "a")],
        [row(1, "a"), row(2, "a")],
        [row(1, "a", "IHC")],
        [row(1, "a"), row(2, "a"), row(3, "a", "IHC")],
    ],
)
def test_a_pair_has_one_he_slide_and_something_restained(rows: list[CohortRow]) -> None:
    with pytest.raises(StudyError, match=r"pair a.*in H&E"):
        pairs_of(Cohort(rows))
    sound = [row(8, "b"), row(9, "b", "IHC")]
    pairs, faults = sound_pairs(Cohort([*rows, *sound]))
    assert [p.moving for p in pairs] == sound[1:]
    assert list(faults) == ["a"]
    assert sound_pairs(Cohort([*rows, *sound]), [sound[0].slide_id]) == (pairs, {})


def test_a_cohort_without_pairs_and_a_slide_of_none_are_told() -> None:
    with pytest.raises(StudyError, match="names no pair"):
        pairs_of(Cohort([row(1), row(2, stain="IHC")]))
    cohort = Cohort([row(1, "a"), row(2, "a", "IHC"), row(3)])
    with pytest.raises(StudyError, match="part of no pair"):
        pairs_of(cohort, [row(3).slide_id])


def test_an_erasure_of_either_slide_reaches_the_transform(tmp_path: Path) -> None:
    study = Study.create(tmp_path / "s", ontology="breast")
    path = study.registration_path("1" * 16, "2" * 16)
    path.parent.mkdir()
    path.write_bytes(b"x")
    picture = path.with_suffix(".png")
    picture.write_bytes(b"x")
    for slide in ("1" * 16, "2" * 16):
        assert set(study.derived_copies(slide)) == {path, picture}
    assert study.derived_copies("3" * 16) == []


@pytest.mark.parametrize("noun", ["patient", "block"])
def test_a_pair_of_two_patients_or_blocks_was_paired_by_mistake(noun: str) -> None:
    """Two slides of another section got a term that was taken; the rest is worked on."""
    sound = [row(1, pair="a"), row(2, pair="a", stain="PHH3")]
    one, other = (_of(r, noun, f"{n}" * 16) for n, r in enumerate(sound))
    rows = [one, other, row(3, pair="b"), row(4, pair="b", stain="PHH3")]
    found, faults = sound_pairs(Cohort(rows))
    assert [pair.fixed.pair for pair in found] == ["b"]
    assert f"cannot be of two {noun}s" in str(faults["a"])
    assert pairs_of(Cohort([one, _of(other, noun, "")]))


def _of(slide: CohortRow, noun: str, code: str) -> CohortRow:
    return replace(slide, patient_id=code) if noun == "patient" else replace(slide, block_id=code)
