"""The loss of ordered grades, against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pathoai.errors import InvalidValueError
from pathoai.models.reader_noise import reading_matrix
from pathoai_training.tasks.grade_loss import GradeLoss


@given(
    st.lists(st.lists(st.floats(-8, 8), min_size=4, max_size=4), min_size=1, max_size=5),
    st.floats(0, 3),
)
def test_loss_by_its_definition(rows: list[list[float]], weight: float) -> None:
    logits = np.array(rows)
    grades = np.arange(len(rows)) % 4
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    cross_entropy = -np.mean([np.log(p[i, g]) for i, g in enumerate(grades)])
    questions = []
    for i, grade in enumerate(grades):
        for k in range(3):
            worse = p[i, k + 1 :].sum()
            questions.append(-np.log(worse if grade > k else 1 - worse))
    found = GradeLoss(weight)(torch.tensor(logits, dtype=torch.float32), torch.tensor(grades))
    assert float(found) == pytest.approx(
        cross_entropy + weight * np.mean(questions), rel=2e-3, abs=1e-4
    )


def test_an_error_by_two_grades_costs_more_than_by_one() -> None:
    logits = 6 * torch.eye(4)
    ordinal, plain = GradeLoss(1.0), GradeLoss(0.0)
    by_one, by_two = (torch.tensor([g]) for g in (1, 2))
    assert ordinal(logits[:1], by_two) > 1.2 * ordinal(logits[:1], by_one)
    assert plain(logits[:1], by_two) == plain(logits[:1], by_one)


def test_the_true_probabilities_cost_least() -> None:
    """Proper scoring: calibration is not paid for by the order of the grades."""
    truth = torch.tensor([0.1, 0.5, 0.3, 0.1])
    logits = truth.log()[None].clone().requires_grad_()
    loss = sum(p * GradeLoss()(logits, torch.tensor([k])) for k, p in enumerate(truth))
    assert isinstance(loss, torch.Tensor)
    loss.backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-6


def test_told_of_reader_noise_the_true_grades_are_learnt() -> None:
    """The loss of readings is least where the softmax is what is true of the slide."""
    truth = torch.tensor([0.1, 0.5, 0.3, 0.1], dtype=torch.float64)
    read = truth @ reading_matrix(4, 0.15)
    loss_of = GradeLoss(reader_noise=0.15)
    logits = truth.float().log()[None].clone().requires_grad_()
    loss = sum(p.float() * loss_of(logits, torch.tensor([k])) for k, p in enumerate(read))
    assert isinstance(loss, torch.Tensor)
    loss.backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-6


def test_extreme_logits_stay_finite_and_weights_are_checked() -> None:
    for noise in (0.0, 0.15):
        logits = torch.tensor([[1e4, -1e4, 0.0, 0.0]], requires_grad=True)
        loss = GradeLoss(reader_noise=noise)(logits, torch.tensor([1]))
        loss.backward()
        assert torch.isfinite(loss)
        assert logits.grad is not None
        assert torch.isfinite(logits.grad).all()
    for weight in (-1.0, float("nan")):
        with pytest.raises(InvalidValueError):
            GradeLoss(weight)
    with pytest.raises(InvalidValueError, match="reader_noise"):
        GradeLoss(reader_noise=0.6)
