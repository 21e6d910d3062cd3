from __future__ import annotations

import math

import pytest
import torch

from pathoai.errors import InvalidValueError
from pathoai_training.tasks.ordinal_loss import OrdinalLoss


def by_definition(logits: list[float], target: int, grades: list[int]) -> float:
    total = sum(map(math.exp, logits))
    chance = [math.exp(x) / total for x in logits]
    thresholds = sorted(set(grades))[:-1]
    scores = []
    for t in thresholds:
        above = sum(p for p, g in zip(chance, grades, strict=True) if g > t)
        scores.append(-math.log(above if grades[target] > t else 1 - above))
    return sum(scores) / len(scores)


@pytest.mark.parametrize("grades", [[0, 1, 2, 3], [0, 1, 2, 2], [2, 0, 1, 0]])
def test_it_is_what_it_says(grades: list[int]) -> None:
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    target = torch.tensor([0, 1, 2, 3, 3, 0])
    loss = OrdinalLoss(grades)(logits, target)
    pairs = zip(logits.tolist(), target.tolist(), strict=True)
    expected = [by_definition(row, true, grades) for row, true in pairs]
    assert loss.item() == pytest.approx(sum(expected) / 6, rel=1e-5)


def test_a_grave_error_costs_more_than_a_slight_one() -> None:
    loss = OrdinalLoss([0, 1, 2, 3])
    of = [loss(4 * torch.eye(4)[said][None], torch.tensor([0])).item() for said in range(4)]
    assert of == sorted(of)


def test_certainty_gives_a_finite_loss_and_gradient() -> None:
    logits = torch.tensor([[1000.0, 0, 0, 0], [-1000, 0, 0, 1000]], requires_grad=True)
    OrdinalLoss([0, 1, 2, 3])(logits, torch.tensor([3, 0])).backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_no_order_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="two grades or more"):
        OrdinalLoss([1, 1])
    assert OrdinalLoss([0, 1]).state_dict() == {}
