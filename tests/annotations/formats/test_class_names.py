"""Which class a name of another program stands for: never a guess."""

from __future__ import annotations

import pytest

from pathoai.errors import OntologyError
from pathoai.ontology import LabelClass, Ontology, load_ontology
from pathoai_annotations.formats.class_names import ClassNames

BREAST = load_ontology("breast")


@pytest.mark.parametrize("name", ["stroma", "Stroma", " STROMA ", BREAST["stroma"].name_fr])
def test_a_key_and_the_full_names_stand_for_the_class(name: str) -> None:
    assert ClassNames(BREAST).key_of(name) == "stroma"


def test_the_user_s_word_goes_before_all_else() -> None:
    names = ClassNames(BREAST, {"stroma": "dcis", "Tumor": "invasive_nst"})
    assert names.key_of("stroma") == "dcis"
    assert names.key_of("Tumor") == "invasive_nst"
    assert names.key_of("Stroma") == "stroma"


@pytest.mark.parametrize("name", ["Tumor", "", "strom", "0"])
def test_what_is_none_is_refused_with_the_classes(name: str) -> None:
    with pytest.raises(OntologyError, match=r"unknown class.*invasive_nst"):
        ClassNames(BREAST).key_of(name)


def test_a_name_of_two_classes_is_refused() -> None:
    classes = [
        LabelClass(i, key, "Twin", f"Jumeau {key}", "#ffffff")
        for i, key in enumerate(("background", "left", "right"))
    ]
    names = ClassNames(Ontology("twins", "1", "Twins", tuple(classes)))
    with pytest.raises(OntologyError, match="unknown class"):
        names.key_of("twin")
    assert names.key_of("Jumeau left") == "left"


def test_a_class_that_the_user_names_must_be_there() -> None:
    with pytest.raises(OntologyError, match="did you mean 'stroma'"):
        ClassNames(BREAST, {"Stroma": "stomra"})
