from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pathoai.errors import InvalidValueError
from pathoai.models.calibration import (
    Calibration,
    Reliability,
    fit_temperature,
    measure_reliability,
)


def calibrated_logits(count: int, *, classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits, and outcomes drawn from their own probabilities: temperature 1 is right."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(count, classes, generator=generator)
    target = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    return logits, target


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5, 6.0])
def test_a_known_miscalibration_is_recovered(temperature: float) -> None:
    logits, target = calibrated_logits(20_000)
    assert fit_temperature(logits * temperature, target) == pytest.approx(temperature, rel=0.05)


def test_calibration_brings_confidence_to_accuracy() -> None:
    logits, target = calibrated_logits(20_000)
    overconfident = logits * 4
    before = measure_reliability(overconfident.softmax(1), target).expected_error
    fitted = Calibration(fit_temperature(overconfident, target))
    after = measure_reliability(fitted.probabilities(overconfident), target).expected_error
    assert before > 0.15
    assert after < 0.02


def test_temperature_leaves_the_winner() -> None:
    logits = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(1))
    probabilities = Calibration(3.0).probabilities(logits)
    assert torch.equal(probabilities.argmax(1), logits.argmax(1))
    assert torch.allclose(probabilities.sum(1), torch.ones(4, 5, 5))


def test_a_perfect_network_gets_a_bounded_temperature() -> None:
    target = torch.arange(100) % 2
    logits = torch.nn.functional.one_hot(target, 2).float() * 10
    assert 0.05 <= fit_temperature(logits, target) <= 1


@given(
    st.lists(st.tuples(st.floats(0.5, 1), st.booleans()), min_size=1, max_size=50),
    st.integers(1, 20),
)
def test_reliability_by_its_definition(pixels: list[tuple[float, bool]], bins: int) -> None:
    confidence = torch.tensor([c for c, _ in pixels])
    right = torch.tensor([r for _, r in pixels])
    probabilities = torch.stack([confidence, 1 - confidence], 1)
    winner = probabilities.argmax(1)
    found = measure_reliability(probabilities, torch.where(right, winner, 1 - winner), bins=bins)
    error = 0.0
    place = (probabilities.max(1).values * bins).long().clamp(0, bins - 1)
    for one in place.unique():
        inside = place == one
        gap = probabilities.max(1).values[inside].double().mean() - right[inside].double().mean()
        error += float(gap.abs()) * int(inside.sum()) / len(pixels)
    assert sum(found.count) == len(pixels)
    assert found.expected_error == pytest.approx(error, abs=1e-6)


def test_nothing_measured_is_not_zero_error() -> None:
    assert math.isnan(Reliability().expected_error)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_temperatures_that_turn_the_order_are_refused(temperature: float) -> None:
    with pytest.raises(InvalidValueError, match="temperature"):
        Calibration(temperature)


def test_as_read_from_a_bundle() -> None:
    raw = {
        "temperature": 2.0,
        "reliability": {"confidence": [0.5], "accuracy": [0.4], "count": [3]},
    }
    assert Calibration.from_dict(raw) == Calibration(2.0, Reliability((0.5,), (0.4,), (3,)))
