from __future__ import annotations

import pytest

from pathoai.study.stain import HE, HES, is_routine, stain_term


@pytest.mark.parametrize(
    ("written", "term"),
    [
        ("H&E", HE),
        ("h & e", HE),
        ("Haematoxylin and Eosin", HE),
        ("hes", HES),
        ("H.E.S.", HES),
        ("Hematoxylin, eosin, saffron", HES),
        (" Ki-67 ", "Ki-67"),
        ("HER2", "HER2"),
        ("HE4", "HE4"),
        ("", ""),
    ],
)
def test_a_stain_is_spelled_as_the_cohort_does(written: str, term: str) -> None:
    assert stain_term(written) == term
    assert is_routine(term) == (term in (HE, HES))
