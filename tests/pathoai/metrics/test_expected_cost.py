from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathoai.errors import InvalidValueError, OntologyError
from pathoai.metrics.expected_cost import CostMatrix, load_costs, shipped_costs
from pathoai.ontology import load_ontology

TISSUENET = load_costs("tissuenet")
SOUND: dict[str, Any] = {
    "key": "k",
    "ontology": "prostate",
    "classes": ["low", "high"],
    "costs": [[0, 1], [5, 0]],
}


def test_the_matrix_of_the_challenge() -> None:
    assert TISSUENET.costs == (
        (0.0, 0.1, 0.7, 1.0),
        (0.1, 0.0, 0.3, 0.7),
        (0.7, 0.3, 0.0, 0.3),
        (1.0, 0.7, 0.3, 0.0),
    )
    assert TISSUENET.first_high == 2


@pytest.mark.parametrize("key", shipped_costs())
def test_shipped_costs_weigh_the_grades_of_a_shipped_ontology(key: str) -> None:
    costs = load_costs(key)
    grades = {c.grade for c in load_ontology(costs.ontology).classes if c.grade is not None}
    assert grades == set(range(len(costs.classes)))


@given(st.lists(st.lists(st.integers(1, 100), min_size=4, max_size=4), min_size=1, max_size=20))
def test_the_decision_by_its_definition(weights: list[list[int]]) -> None:
    rows = np.array(weights) / np.sum(weights, axis=1, keepdims=True)
    for row, decided in zip(rows, TISSUENET.decide(rows), strict=True):
        cost = [sum(row[t] * TISSUENET.costs[t][d] for t in range(4)) for d in range(4)]
        assert cost[decided] == pytest.approx(min(cost))


def test_a_tie_goes_to_the_more_severe() -> None:
    assert TISSUENET.decide(np.array([[0.5, 0.5, 0.0, 0.0]])).tolist() == [1]


def test_costs_move_a_decision_away_from_the_likeliest() -> None:
    doubtful = np.array([[0.55, 0.0, 0.45, 0.0]])
    assert doubtful.argmax() == 0
    assert TISSUENET.decide(doubtful).tolist() == [1]


def test_to_a_bundle_and_back() -> None:
    assert CostMatrix.from_dict(TISSUENET.to_dict()) == TISSUENET


def test_another_organ_brings_its_own(tmp_path: Path) -> None:
    path = tmp_path / "prostate.yaml"
    path.write_text("key: k\nontology: prostate\nclasses: [low, high]\ncosts: [[0, 1], [5, 0]]\n")
    assert load_costs(path) == CostMatrix.from_dict(SOUND)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"costs": [[0, 1]]}, "rows of"),
        ({"costs": [[0, 1], [5]]}, "rows of"),
        ({"costs": [[0, -1], [5, 0]]}, "0 or more"),
        ({"costs": [[0, float("nan")], [5, 0]]}, "finite"),
        ({"costs": [[1, 1], [5, 0]]}, "diagonal"),
        ({"classes": ["low", "low"]}, "different"),
        ({"high_grade": "low"}, "high_grade among high"),
        ({"high_grade": "worst"}, "high_grade among high"),
        ({"colour": "red"}, "colour"),
        ({"costs": [["a", 1], [5, 0]]}, "malformed"),
    ],
)
def test_malformed_costs_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(OntologyError, match=message):
        CostMatrix.from_dict(SOUND | change)


@pytest.mark.parametrize("text", ["- 1\n", "key: [", "key: k\n"])
def test_malformed_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "costs.yaml"
    path.write_text(text)
    with pytest.raises(OntologyError, match="malformed"):
        load_costs(path)


def test_an_unknown_matrix_names_the_known() -> None:
    with pytest.raises(OntologyError, match="tissuenet"):
        load_costs("prostate")


def test_no_high_grade_is_an_error_when_it_is_asked_for() -> None:
    with pytest.raises(InvalidValueError, match="must not be missed"):
        _ = CostMatrix.from_dict(SOUND).first_high


@pytest.mark.parametrize(
    "rows",
    [
        np.array([[2.0, -1.0, 0.0, 0.0]]),
        np.array([[3.0, 1.0, 0.0, 0.0]]),
        np.array([[np.nan, 0.5, 0.5, 0.0]]),
        np.array([[0.5, 0.5]]),
        np.array([0.5, 0.5, 0.0, 0.0]),
    ],
)
def test_logits_are_not_probabilities(rows: np.ndarray[Any, np.dtype[np.float64]]) -> None:
    with pytest.raises(InvalidValueError, match="probabilities"):
        TISSUENET.decide(rows)


def test_no_slides_no_decisions() -> None:
    assert TISSUENET.decide(np.empty((0, 4))).shape == (0,)
