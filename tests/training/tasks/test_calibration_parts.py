"""Who fits the temperature does not calibrate what is decided by it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pathoai.models.grade_decision import GradeDecision
from pathoai.models.referral import check_referral
from pathoai_training.tasks.calibration_parts import CalibrationParts
from pathoai_training.tasks.grading_examination import GradingExamination, calibrated
from pathoai_training.tasks.slide_grading import SlideGrading

GRADES = ("benign", "lsil", "hsil", "invasive")


def examined(slides: int, seed: int, *, per_patient: int = 2) -> GradingExamination:
    """Slides of a network that sees the grade through noise, and is twice too sure of it."""
    draw = torch.Generator().manual_seed(seed)
    truth = torch.randint(0, 4, (slides,), generator=draw)
    seen = truth + 0.7 * torch.randn(slides, generator=draw)
    logits = -2 * (seen[:, None] - torch.arange(4)) ** 2
    return GradingExamination(
        tuple(f"S{seed}-{i}" for i in range(slides)),
        tuple(f"P{seed}-{i // per_patient}" for i in range(slides)),
        truth,
        logits,
        logits / 3,
        torch.randn(slides, 3, generator=draw),
    )


def test_a_quarter_of_the_patients_fits_the_temperature() -> None:
    whole = examined(400, 0)
    parts = CalibrationParts.of(whole, first_high=2, needed=49)
    assert parts.apart
    fitting, deciding = parts.temperature, parts.decision
    assert len(set(fitting.patients)) == 50
    assert not set(fitting.patients) & set(deciding.patients)
    assert sorted(fitting.slide_ids + deciding.slide_ids) == sorted(whole.slide_ids)
    places = [whole.slide_ids.index(i) for i in deciding.slide_ids]
    for name in ("truth", "logits", "baseline", "vectors"):
        assert torch.equal(getattr(deciding, name), getattr(whole, name)[places])


def test_the_order_of_the_slides_has_no_part_in_it() -> None:
    whole, order = examined(400, 0), torch.arange(399, -1, -1)
    turned = GradingExamination(
        whole.slide_ids[::-1],
        whole.patients[::-1],
        *(getattr(whole, n)[order] for n in ("truth", "logits", "baseline", "vectors")),
    )
    one, other = (CalibrationParts.of(w, first_high=2, needed=49) for w in (whole, turned))
    assert set(one.temperature.patients) == set(other.temperature.patients)


def test_where_the_rest_could_not_promise_all_slides_serve_for_both() -> None:
    whole = examined(60, 1)
    high = len({p for p, t in zip(whole.patients, whole.truth, strict=True) if t >= 2})
    for needed in (high, high + 1):
        parts = CalibrationParts.of(whole, first_high=2, needed=needed)
        assert not parts.apart
        assert parts.temperature is parts.decision is whole


@pytest.mark.parametrize(("slides", "apart"), [(400, True), (80, False)])
def test_the_conclusion_says_what_was_kept_apart(slides: int, apart: bool) -> None:
    model = SlideGrading(classes=GRADES, accepted_miss_rate=0.02)
    found = model.conclude(examined(slides, 2), examined(100, 3))
    said = found.metrics["calibrated_on"]
    assert said["patients_apart"] is apart
    total = said["temperature_slides"] + said["decision_slides"]
    assert total == (slides if apart else 2 * slides)
    assert found.calibration.temperature > 1.2


def test_the_accepted_rate_holds_on_average_through_the_conclusion() -> None:
    model, rates = SlideGrading(classes=GRADES, accepted_miss_rate=0.1), []
    for seed in range(60):
        found = model.conclude(examined(240, 100 + seed), examined(40, 1000 + seed))
        decision = GradeDecision.from_dict(found.decision, where="test")
        held_out = examined(400, 2000 + seed)
        rows = calibrated(found.calibration, held_out.logits)
        checked = check_referral(decision.referral, rows, held_out.truth.numpy(), held_out.patients)
        rates.append(checked.missed.value)
    error = np.std(rates) / np.sqrt(len(rates))
    assert 0.04 < np.mean(rates) <= 0.1 + 3 * error
