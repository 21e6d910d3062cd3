"""What is read of a slide: against its definition, and what is learnt through it."""

from __future__ import annotations

import pytest
import torch

from pathoai.errors import InvalidValueError
from pathoai.models.calibration import fit_temperature
from pathoai.models.reader_noise import log_readings, reading_matrix


def test_readers_are_off_by_one_grade_only() -> None:
    found = reading_matrix(4, 0.2)
    wanted = [[0.8, 0.2, 0, 0], [0.1, 0.8, 0.1, 0], [0, 0.1, 0.8, 0.1], [0, 0, 0.2, 0.8]]
    torch.testing.assert_close(found, torch.tensor(wanted, dtype=torch.float64))
    assert torch.equal(reading_matrix(3, 0), torch.eye(3, dtype=torch.float64))


@pytest.mark.parametrize("share", [-0.1, 0.5, float("nan")])
def test_readers_who_are_more_often_wrong_than_right_are_refused(share: float) -> None:
    with pytest.raises(InvalidValueError, match="reader_noise"):
        reading_matrix(4, share)


@pytest.mark.parametrize("share", [0.0, 0.15])
def test_chances_of_reading_by_their_definition(share: float) -> None:
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    matrix = reading_matrix(4, share)
    found = log_readings(logits.log_softmax(1), matrix)
    torch.testing.assert_close(found.exp(), logits.softmax(1) @ matrix)


def test_the_temperature_is_that_of_the_truth_behind_the_readings() -> None:
    """Readings of slides whose true chances are known: at temperature 1 they are the truth."""
    draw = torch.Generator().manual_seed(1)
    logits = 3 * torch.randn(4000, 4, generator=draw, dtype=torch.float64)
    matrix = reading_matrix(4, 0.15)
    read = torch.multinomial(logits.softmax(1) @ matrix, 1, generator=draw).squeeze(1)
    assert fit_temperature(logits, read, readings=matrix) == pytest.approx(1, abs=0.08)
    assert fit_temperature(logits, read) > 1.3
