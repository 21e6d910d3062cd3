"""Classes of one map tell apart, whatever colours a reader sees (docs/ontologies.md)."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from pathoai.ontology import LabelClass, Ontology, load_ontology, shipped_ontologies
from tests.pathoai.colour_vision import VISIONS, differences, seen

LEAST = {"regions": 10.0, "nuclei": 12.0, "cells": 12.0}
"""CIEDE2000; 1 is just noticeable between large fields side by side."""
_DOCS = Path(__file__).resolve().parents[2] / "docs" / "ontologies.md"


def layers(ontology: Ontology) -> dict[str, list[LabelClass]]:
    """Classes that lie in one map."""
    found: dict[str, list[LabelClass]] = {name: [] for name in LEAST}
    for label in ontology.classes[1:]:
        above = ontology.ancestors(label.key)
        if "nucleus" in above:
            found["nuclei"].append(label)
        elif "cell" in above:
            found["cells"].append(label)
        else:
            found["regions"].append(label)
    return found


def _unrelated(ontology: Ontology, classes: list[LabelClass]) -> list[tuple[int, int]]:
    """Positions of pairs of which neither is a kind of the other."""
    above = [set(ontology.ancestors(label.key)) for label in classes]
    return [
        (i, j)
        for i, j in combinations(range(len(classes)), 2)
        if classes[i].key not in above[j] and classes[j].key not in above[i]
    ]


def test_what_is_simulated_is_what_was_published() -> None:
    """Grey stays grey for everyone; red and green are alike for who lacks a cone for them."""
    grey = np.array([[0.5, 0.5, 0.5]])
    for vision in VISIONS:
        assert np.allclose(seen(grey, vision), grey, atol=1e-3)
    red_green = np.array([[0.72, 0.40, 0.0], [0.45, 0.50, 0.0]])
    assert differences(red_green, "normal")[0, 1] > 25
    assert differences(red_green, "deuteranopia")[0, 1] < 8
    blue_green = np.array([[0.0, 0.62, 0.60], [0.0, 0.60, 0.75]])
    assert differences(blue_green, "tritanopia")[0, 1] < differences(blue_green, "normal")[0, 1]


@pytest.mark.parametrize("layer", LEAST)
@pytest.mark.parametrize("key", shipped_ontologies())
@pytest.mark.parametrize("vision", VISIONS)
def test_classes_of_a_layer_tell_apart(key: str, layer: str, vision: str) -> None:
    ontology = load_ontology(key)
    classes = layers(ontology)[layer]
    pairs = _unrelated(ontology, classes)
    if not pairs:
        return
    apart = differences(np.array([label.rgb for label in classes]) / 255, vision)
    near = {
        f"{classes[i].key} {classes[j].key}": round(float(apart[i, j]), 1)
        for i, j in pairs
        if apart[i, j] < LEAST[layer]
    }
    assert not near


@pytest.mark.parametrize("key", shipped_ontologies())
def test_no_class_is_as_white_as_the_slide(key: str) -> None:
    classes = load_ontology(key).classes
    colours = np.array([label.rgb for label in classes]) / 255
    for vision in VISIONS:
        assert differences(colours, vision)[0, 1:].min() > 10


@pytest.mark.parametrize("layer", LEAST)
def test_the_books_tell_the_same_differences(layer: str) -> None:
    (row,) = (
        line for line in _DOCS.read_text("utf8").splitlines() if line.startswith(f"| {layer} |")
    )
    assert row.endswith(f"| {LEAST[layer]:g} |")
