from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import fleiss_kappa

from pathoai.errors import OntologyError
from pathoai.metrics.expected_cost import CostMatrix, load_costs
from pathoai.ontology import load_ontology
from pathoai_annotations.agreement.grade_agreement import (
    compare_with_model,
    group_agreement,
    pair_agreements,
)
from pathoai_annotations.agreement.grade_scale import GradeScale
from pathoai_annotations.agreement.graded_slides import GradedSlides

CERVIX = GradeScale.of(load_ontology("cervix"))
SCORE = "score by costs (tissuenet)"


def _slides(values: NDArray[np.int64], model: NDArray[np.int64] | None = None) -> GradedSlides:
    ids = tuple(f"{i:016X}" for i in range(len(values)))
    patients = tuple(f"p{i // 2}" for i in range(len(values)))
    readers = tuple(f"R{i + 1}" for i in range(values.shape[1]))
    return GradedSlides(ids, patients, readers, values, "" if model is None else "m", model)


@pytest.fixture
def read() -> NDArray[np.int64]:
    draw = np.random.default_rng(3)
    true = draw.integers(0, 4, 60)
    return np.asarray(np.clip(true[:, None] + draw.integers(-1, 2, (60, 3)), 0, 3), np.int64)


def test_kinds_of_one_rank_are_one_grade() -> None:
    assert CERVIX.ordinal
    assert len(CERVIX.names) == 4
    at = CERVIX.position
    assert at["benign"] == 0
    assert at["cin2"] == at["cin3"] == at["hsil"] == at["ais"] == 2
    assert at["adenocarcinoma"] == 3
    assert "nucleus" not in at
    assert CERVIX.costs_key == "tissuenet"
    assert CERVIX.cost(0, 2) == 0.7


def test_without_ranks_every_class_is_a_grade_and_every_difference_costs_the_same() -> None:
    scale = GradeScale.of(load_ontology("breast"))
    assert not scale.ordinal
    assert not scale.costs_key
    assert "background" not in scale.position
    assert scale.cost(0, 1) == 1
    assert scale.cost(2, 2) == 0


def test_costs_of_a_matrix_that_is_not_symmetric_are_shared() -> None:
    ontology = load_ontology("cervix")
    plain = load_costs("tissuenet")
    costs = tuple(
        tuple(2 * c if j > i else c for j, c in enumerate(row)) for i, row in enumerate(plain.costs)
    )
    scale = GradeScale.of(ontology, CostMatrix("own", "cervix", plain.classes, costs))
    assert scale.cost(0, 1) == scale.cost(1, 0) == pytest.approx(0.15)
    with pytest.raises(OntologyError, match="know nothing of a grade"):
        GradeScale.of(ontology, CostMatrix("two", "x", ("a", "b"), ((0, 1), (1, 0))))


def test_pairs_against_scikit_learn(read: NDArray[np.int64]) -> None:
    values = read.copy()
    values[:7, 1] = -1
    slides = _slides(values)
    found = pair_agreements(slides, CERVIX, slides.reader_pairs)
    assert [(one.pair, one.slides) for one in found] == [
        (("R1", "R2"), 53),
        (("R1", "R3"), 60),
        (("R2", "R3"), 53),
    ]
    one, other = read[7:, 0], read[7:, 1]
    measures = found[0].measures
    assert measures["Cohen's κ"].estimate == pytest.approx(cohen_kappa_score(one, other))
    for weights in ("linear", "quadratic"):
        expected = cohen_kappa_score(one, other, weights=weights)
        interval = measures[f"κ, {weights} weights"]
        assert interval.estimate == pytest.approx(expected)
        assert interval.low < interval.estimate < interval.high
    costs = load_costs("tissuenet").array
    assert measures[SCORE].estimate == pytest.approx(1 - costs[one, other].mean())
    assert found[0].confusion.sum() == 53
    assert found[0].confusion[2, 1] == ((one == 2) & (other == 1)).sum()


def test_the_interval_is_over_patients_not_slides(read: NDArray[np.int64]) -> None:
    """A patient's slides, read alike, tell no more than one of them."""
    once = _slides(read)
    twice = GradedSlides(
        tuple(f"{i:016X}" for i in range(120)),
        once.patients * 2,
        once.readers,
        np.concatenate([read, read]),
    )
    few, many = (
        pair_agreements(s, CERVIX, [("R1", "R2")])[0].measures["Cohen's κ"] for s in (once, twice)
    )
    assert few.estimate == pytest.approx(many.estimate)
    assert (few.low, few.high) == pytest.approx((many.low, many.high))


def test_a_pair_without_a_common_slide_is_left_out() -> None:
    slides = _slides(np.array([[0, -1], [-1, 2]]))
    assert pair_agreements(slides, CERVIX, slides.reader_pairs) == []
    group = group_agreement(slides, CERVIX)
    assert group.fleiss is None
    assert group.alphas == {}


def test_all_together_against_statsmodels(read: NDArray[np.int64]) -> None:
    values = read.copy()
    values[:5, 2] = -1
    group = group_agreement(_slides(values), CERVIX)
    counts = (read[5:][:, :, None] == np.arange(4)).sum(axis=1)
    assert group.fleiss is not None
    assert group.fleiss.estimate == pytest.approx(fleiss_kappa(counts))
    assert (group.fleiss_slides, group.alpha_slides) == (55, 60)
    assert set(group.alphas) == {"nominal", "ordinal", "interval"}


def test_a_model_like_a_reader_is_no_worse_and_one_of_chance_is(read: NDArray[np.int64]) -> None:
    readers, alike = read[:, :2], read[:, 2]
    names = list(pair_agreements(_slides(readers), CERVIX, [("R1", "R2")])[0].measures)
    at = names.index("κ, quadratic weights")
    same = compare_with_model(_slides(readers, alike), CERVIX)
    chance = compare_with_model(
        _slides(readers, np.random.default_rng(0).integers(0, 4, 60)), CERVIX
    )
    assert same is not None
    assert chance is not None
    assert same.names == tuple(names)
    assert same.difference.low[at] < 0 < same.difference.high[at]
    assert chance.difference.high[at] < -0.3
    among = cohen_kappa_score(read[:, 0], read[:, 1], weights="quadratic")
    against = [cohen_kappa_score(read[:, i], alike, weights="quadratic") for i in range(2)]
    assert same.among_readers.estimate[at] == pytest.approx(among)
    assert same.with_model.estimate[at] == pytest.approx(np.mean(against))
    assert same.difference.estimate[at] == pytest.approx(np.mean(against) - among)


def test_a_model_that_left_every_slide_to_the_doctor_cannot_be_compared() -> None:
    slides = _slides(np.array([[0, 1], [1, 1]]), np.array([-1, -1]))
    assert compare_with_model(slides, CERVIX) is None
    assert compare_with_model(_slides(np.array([[0, 1]])), CERVIX) is None
