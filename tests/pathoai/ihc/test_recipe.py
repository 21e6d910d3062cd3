"""Marker recipes: what ships, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from pathoai.errors import RecipeError
from pathoai.ihc.recipe import COMPARTMENTS, load_recipe, parse_recipe, recipe_keys
from pathoai.ontology import load_ontology

APRIORICS = {
    "AE1AE3",
    "CD3CD20",
    "CD163",
    "EMD",
    "ERGCALDESMON",
    "ERGPODOPLANIN",
    "INI1",
    "P40COLIV",
    "PHH3",
}
CLINICAL = {"ER", "PR", "MKI67", "HER2", "P16"}
TEXT = """
key: MINE
title: A marker of our own
targets:
  - {class: nucleus, chromogen: dab, compartment: nucleus, lowest_od: 0.2, highest_od: 0.8}
"""


def test_all_markers_ship_with_classes_that_exist() -> None:
    assert set(recipe_keys()) == APRIORICS | CLINICAL
    for key in recipe_keys():
        recipe = load_recipe(key)
        assert recipe.key == key
        ontology = load_ontology("cervix" if key == "P16" else "breast")
        for target in recipe.targets:
            assert target.class_key in ontology
            assert target.compartment in COMPARTMENTS
    assert "nucleus_positive" in load_ontology("cervix")


def test_each_kind_of_compartment_has_its_marker() -> None:
    found = {target.compartment for key in recipe_keys() for target in load_recipe(key).targets}
    assert found == set(COMPARTMENTS)


@pytest.mark.parametrize("key", ["ERGCALDESMON", "ERGPODOPLANIN", "P40COLIV"])
def test_two_chromogens_give_two_classes(key: str) -> None:
    recipe = load_recipe(key)
    assert recipe.chromogens[0] == "dab"
    assert recipe.chromogens[1] != "dab"
    assert len({target.class_key for target in recipe.targets}) == 2


@pytest.mark.parametrize(
    ("spelling", "key"), [("Ki-67", "MKI67"), ("AE1/AE3", "AE1AE3"), ("p40/ColIV", "P40COLIV")]
)
def test_a_marker_is_known_by_other_spellings(spelling: str, key: str) -> None:
    assert load_recipe(spelling).key == key
    assert load_recipe(key).is_of(spelling)


def test_no_two_recipes_claim_one_spelling() -> None:
    recipes = [load_recipe(key) for key in recipe_keys()]
    for recipe in recipes:
        for name in (recipe.key, *recipe.names):
            assert [one.key for one in recipes if one.is_of(name)] == [recipe.key]


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT, "utf8")
    recipe = load_recipe(path)
    assert (recipe.key, recipe.label, recipe.trust_label) == ("MINE", "ihc/MINE", "trust/MINE")
    assert (recipe.class_key, recipe.compartment, recipe.label_mpp) == ("nucleus", "nucleus", 0.5)


@pytest.mark.parametrize(
    ("found", "written", "says"),
    [
        ("title:", "titel:", "'titel'.*did you mean 'title'"),
        ("highest_od", "higest_od", "target 1.*'higest_od'.*did you mean 'highest_od'"),
        ("class:", "class_key:", "did you mean 'class'"),
        ("chromogen: dab", "chromogen: dap", "did you mean 'dab'"),
        ("compartment: nucleus", "compartment: nucleolus", "did you mean 'nucleus'"),
        ("lowest_od: 0.2", "lowest_od: 0.9", "highest_od.*0.9 to 3"),
        ("lowest_od: 0.2", "lowest_od: dark", "'dark'.*0.05 to 3"),
        ("lowest_od: 0.2, ", "", "no lowest_od"),
        ("key: MINE", "key: ki-67", "malformed marker key"),
        ("key: MINE", "key: [MINE", "no YAML"),
        ("targets:", "label_mpp: 40\ntargets:", "label_mpp.*0.1 to 4"),
        ("targets:", "vetoes: [pencil]\ntargets:", "did you mean 'pen'"),
        ("targets:", "vetoes: pen\ntargets:", "vetoes is no list"),
        (", lowest_od", ", snap_to_nuclei: maybe, lowest_od", "yes or no"),
        ("compartment: nucleus", "snap_to_nuclei: true, compartment: stroma", "only a nuclear"),
    ],
)
def test_what_cannot_be_meant_is_refused(found: str, written: str, says: str) -> None:
    assert found in TEXT
    with pytest.raises(RecipeError, match=says):
        parse_recipe(TEXT.replace(found, written))


@pytest.mark.parametrize("text", ["", "- a\n- b", "key: A\ntitle: b\ntargets: []"])
def test_no_recipe_at_all(text: str) -> None:
    with pytest.raises(RecipeError):
        parse_recipe(text)


def test_two_targets_of_one_chromogen_are_refused() -> None:
    target = TEXT.splitlines()[-1]
    with pytest.raises(RecipeError, match="share a chromogen"):
        parse_recipe(f"{TEXT}{target}\n")


def test_an_unknown_marker_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="did you mean 'AE1AE3'"):
        load_recipe("AE1AE2")
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(tmp_path / "none.yaml")
