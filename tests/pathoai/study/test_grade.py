"""Grades by their rank in the ontology."""

from __future__ import annotations

import pytest

from pathoai.errors import OntologyError
from pathoai.ontology import load_ontology
from pathoai.study.grade import position_of_grade


def test_every_class_with_a_rank_finds_the_class_of_its_rank() -> None:
    found = position_of_grade(load_ontology("cervix"), ("benign", "lsil", "hsil", "invasive"))
    assert found == {
        "benign": 0,
        "lsil": 1,
        "hsil": 2,
        "cin2": 2,
        "cin3": 2,
        "ais": 2,
        "invasive": 3,
        "invasive_scc": 3,
        "adenocarcinoma": 3,
    }
    two = position_of_grade(load_ontology("cervix"), ("benign", "hsil"))
    assert "lsil" not in two
    assert two["cin3"] == 1


@pytest.mark.parametrize(
    "classes", [("hsil", "benign"), ("hsil", "cin2"), ("benign", "stroma"), ("benign", "cancer")]
)
def test_classes_that_do_not_rise_are_refused(classes: tuple[str, ...]) -> None:
    with pytest.raises(OntologyError):
        position_of_grade(load_ontology("cervix"), classes)
