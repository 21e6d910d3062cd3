from __future__ import annotations

import numpy as np
import pytest
import torch

from pathoai.metrics.calibration_error import (
    expected_calibration_error,
    reliability_counts,
)
from pathoai.metrics.patient_bootstrap import PatientBootstrap
from pathoai.models.calibration import measure_reliability


def test_summed_over_slides_it_is_the_error_of_all_pixels() -> None:
    draw = np.random.default_rng(0)
    rows, truth = draw.dirichlet([2, 1, 1], 4000), draw.integers(0, 3, 4000)
    owner = draw.integers(0, 7, 4000)
    counts = reliability_counts(rows, truth, owner, items=7)
    known = measure_reliability(torch.from_numpy(rows), torch.from_numpy(truth))
    assert expected_calibration_error(counts.sum(0)) == pytest.approx(known.expected_error)
    for slide in range(7):
        one = reliability_counts(rows[owner == slide], truth[owner == slide])
        assert counts[slide] == pytest.approx(one[0])


def test_nothing_seen_is_unknown() -> None:
    counts = reliability_counts(np.empty((0, 3)), np.empty(0))
    assert not counts.any()
    assert np.isnan(expected_calibration_error(counts[0]))


def test_centred_limits_hold_the_estimate_where_plain_ones_do_not() -> None:
    """Few cases, perfectly calibrated: every resample adds noise, hence error."""
    draw = np.random.default_rng(3)
    confidence = draw.uniform(0.5, 1, 120)
    rows = np.stack([confidence, 1 - confidence], axis=1)
    truth = (draw.random(120) > confidence).astype(int)
    counts = reliability_counts(rows, truth, np.arange(120), items=120)
    found = PatientBootstrap([str(i) for i in range(120)])
    plain = found.of_sums(counts, expected_calibration_error)
    centred = found.of_sums(counts, expected_calibration_error, centred=True)
    assert centred.low < centred.estimate < centred.high
    assert centred.high - centred.low == pytest.approx(plain.high - plain.low)
    assert centred.high < plain.high
