"""Ontologies: those shipped load, malformed ones are refused one by one, nesting rolls up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pathoai.errors import OntologyError
from pathoai.ontology import (
    LabelClass,
    Ontology,
    load_ontology,
    parse_ontology,
    shipped_ontologies,
)


def _class(index: int, key: str, **other: object) -> dict[str, Any]:
    return {"index": index, "key": key, "name": key, "name_fr": key, "colour": "#00ff00"} | other


def _text(*classes: dict[str, Any], **other: object) -> str:
    whole = {"key": "organ", "version": "1", "title": "Organ"} | other
    return yaml.safe_dump(whole | {"classes": [_class(0, "background"), *classes]})


@pytest.mark.parametrize("key", shipped_ontologies())
def test_shipped_ontologies_are_whole(key: str) -> None:
    ontology = load_ontology(key)
    assert ontology.key == key
    assert ontology.by_index[0].key == "background"
    assert len(ontology.by_index) == len(ontology.classes)
    for label in ontology.classes:
        assert ontology[label.key] is label
        assert label.key in ontology
        assert label.name
        assert label.name_fr
        assert all(0 <= value <= 255 for value in label.rgb)
        assert all(c.scheme and c.code and c.meaning and c.source for c in label.codings)
        assert bool(label.codings) != bool(label.local), "a published code, or why there is none"


FIRST_VERSIONS = {
    "breast": "background 0, invasive_nst 1, invasive_lobular 2, dcis 3, lcis 4, "
    "normal_epithelium 5, stroma 6, necrosis 7, vessel 8, nucleus 20, nucleus_neoplastic 21, "
    "nucleus_normal_epithelium 22, nucleus_lymphocyte 23, nucleus_stromal 24, mitosis 25, "
    "nucleus_neoplastic_positive 26, nucleus_neoplastic_negative 27",
    "cervix": "background 0, benign 1, lsil 2, hsil 3, cin2 4, cin3 5, ais 6, invasive_scc 7, "
    "adenocarcinoma 8, stroma 9, invasive 10, nucleus 20, nucleus_neoplastic 21, "
    "nucleus_normal_epithelium 22, nucleus_lymphocyte 23, nucleus_stromal 24, mitosis 25",
}
"""Classes of breast 0.2 and cervix 0.1, which stores, journals and models of that time hold."""


@pytest.mark.parametrize("key", FIRST_VERSIONS)
def test_no_class_that_was_ever_shipped_changed(key: str) -> None:
    ontology = load_ontology(key)
    for word in FIRST_VERSIONS[key].split(", "):
        name, index = word.split()
        assert ontology[name].index == int(index)


@pytest.mark.parametrize(
    ("organ", "child", "parent"),
    [
        ("cervix", "cin2", "hsil"),
        ("cervix", "cin3", "hsil"),
        ("cervix", "invasive_scc", "invasive"),
        ("cervix", "glandular_epithelium", "epithelium"),
        ("breast", "invasive_lobular", "invasive"),
        ("breast", "lcis", "in_situ"),
        ("breast", "dcis", "malignant_epithelium"),
        ("breast", "lymphatic_vessel", "vessel"),
        ("breast", "mitosis", "nucleus"),
        ("breast", "plasma_cell", "cell"),
    ],
)
def test_kinds_roll_up(organ: str, child: str, parent: str) -> None:
    ontology = load_ontology(organ)
    assert ontology.roll_up(("stroma", parent))[ontology[child].index] == 2
    assert ontology.roll_up((parent, child))[ontology[child].index] == 2


def test_grades_of_the_cervix_rise() -> None:
    cervix = load_ontology("cervix")
    order = (("benign",), ("lsil",), ("hsil", "cin2", "cin3", "ais"), ("invasive", "invasive_scc"))
    for grade, keys in enumerate(order):
        assert {cervix[key].grade for key in keys} == {grade}
    assert cervix["squamous_epithelium"].grade is None


def test_the_organs_of_the_project_ship() -> None:
    assert shipped_ontologies() == ("breast", "cervix")
    assert load_ontology("cervix").is_ordinal


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "malformed"),
        ("5", "malformed"),
        ("[1, 2]", "malformed"),
        ("key: [", "malformed"),
        ("key: organ", "malformed"),
        ("classes: 7", "malformed"),
        (_text(unknown="field"), "malformed"),
        (_text(_class(1, "a", hue="red")), "malformed"),
        (_text({"index": 1, "key": "a"}), "malformed"),
        (_text(_class(1, "a", codings=[{"scheme": "SCT"}])), "malformed"),
        (_text(_class(1, "a", codings=5)), "malformed"),
        (
            _text(
                _class(1, "a", local="new", codings=[{"scheme": "S", "code": "1", "meaning": "A"}])
            ),
            "no local term",
        ),
        (_text(_class(255, "a")), "out of range"),
        (_text(_class(-1, "a")), "out of range"),
        (_text(_class(1, "a") | {"index": 1.5}), "out of range"),
        (_text(_class(1, "a") | {"index": True}), "out of range"),
        (_text(_class(1, "a") | {"index": "1"}), "out of range"),
        (_text(_class(1, "A")), "malformed class key"),
        (_text(_class(1, "")), "malformed class key"),
        (_text(_class(1, "1a")), "malformed class key"),
        (_text(_class(1, "a") | {"key": 7}), "malformed"),
        (_text(_class(1, "a", colour="red")), "malformed colour"),
        (_text(_class(1, "a", colour="#00FF00")), "malformed colour"),
        (_text(_class(1, "a"), _class(1, "b")), "share a key or an index"),
        (_text(_class(1, "a"), _class(2, "a")), "share a key or an index"),
        (_text(_class(1, "a", parent="b")), "unknown class"),
        (_text(_class(1, "a", parent=5)), "malformed|unknown"),
        (_text(_class(1, "a", parent="a")), "circle"),
        (_text(_class(1, "a", parent="b"), _class(2, "b", parent="a")), "circle"),
        (_text().replace("background", "glass"), "class 0 must be background"),
        (_text().replace("index: 0", "index: 3"), "class 0 must be background"),
    ],
)
def test_malformed_ontologies_are_refused(text: str, message: str) -> None:
    with pytest.raises(OntologyError, match=message):
        parse_ontology(text)


def test_unknown_ontologies_are_refused_by_listing_the_known(tmp_path: Path) -> None:
    for name in ("lung", "", str(tmp_path), str(tmp_path / "absent.yaml")):
        with pytest.raises(OntologyError, match="allowed: breast, cervix"):
            load_ontology(name)
    (tmp_path / "latin.yaml").write_bytes(b"title: \xe9\n")
    with pytest.raises(OntologyError, match="UTF-8"):
        load_ontology(tmp_path / "latin.yaml")


def test_a_misspelt_class_is_corrected() -> None:
    with pytest.raises(OntologyError, match=r"'nuclues'.*did you mean 'nucleus'"):
        load_ontology("breast")["nuclues"]


@st.composite
def _forests(draw: st.DrawFn) -> Ontology:
    """Classes whose parents come earlier, so that there is no circle."""
    count = draw(st.integers(1, 9))
    classes = [LabelClass(0, "background", "B", "F", "#ffffff")]
    for index in range(1, count + 1):
        parents = [c.key for c in classes[1:]]
        parent = draw(st.none() | st.sampled_from(parents)) if parents else None
        classes.append(LabelClass(index, f"c{index}", "C", "C", "#000000", parent=parent))
    return Ontology("organ", "1", "Organ", tuple(classes))


@given(_forests(), st.data())
def test_roll_up_finds_the_nearest_target_above(ontology: Ontology, data: st.DataObject) -> None:
    keys = [c.key for c in ontology.classes]
    targets = tuple(data.draw(st.lists(st.sampled_from(keys[1:]), unique=True, min_size=1)))
    found = ontology.roll_up(targets)
    for label in ontology.classes:
        node: LabelClass | None = label
        while node is not None and node.key not in targets:
            node = ontology[node.parent] if node.parent else None
        expected = targets.index(node.key) + 1 if node else 0
        assert found[label.index] == expected


def test_roll_up_to_an_unknown_class_is_refused() -> None:
    with pytest.raises(OntologyError, match="unknown class"):
        load_ontology("breast").roll_up(("nucleus", "tumor"))
