from __future__ import annotations

import numpy as np
import pytest

from pathoai.errors import InvalidValueError
from pathoai_annotations.agreement.cells import clock, seconds
from pathoai_annotations.agreement.reading_times import TimedReading, reading_times


def _made(
    reader: str, grade: str, times: list[float], *, helped: bool, first: int = 0
) -> list[TimedReading]:
    return [TimedReading(f"p{first + i}", reader, grade, t, helped) for i, t in enumerate(times)]


def test_like_is_compared_with_like() -> None:
    """Helped readings are of hard slides here: the plain medians would say that help costs time."""
    readings = [
        *_made("R1", "benign", [20, 30, 40], helped=False),
        *_made("R1", "benign", [10, 12], helped=True, first=10),
        *_made("R1", "hsil", [200], helped=False, first=20),
        *_made("R1", "hsil", [100, 110, 120, 130], helped=True, first=30),
        *_made("R2", "hsil", [300, 310], helped=True, first=40),
    ]
    found = reading_times(readings)
    assert found.with_model is not None
    assert found.without_model is not None
    assert found.saved is not None
    assert found.with_model.estimate > found.without_model.estimate
    # Benign: 30 − 11 = 19, weight 2; high grade: 200 − 115 = 85, weight 1; R2 has one kind only.
    assert found.saved.estimate == pytest.approx((2 * 19 + 85) / 3)
    assert found.counts == (8, 4, 2)
    assert found.saved.low <= found.saved.estimate <= found.saved.high


def test_where_nothing_was_read_both_ways_nothing_is_said_to_be_saved() -> None:
    found = reading_times(_made("R1", "benign", [5, 6], helped=True))
    assert found.saved is None
    assert found.without_model is None
    assert found.counts == (2, 0, 0)
    assert seconds(found.without_model) == "not measured"


def test_one_patient_gives_no_interval() -> None:
    same = [TimedReading("p", "R1", "benign", t, False) for t in (30.0, 90.0)]
    found = reading_times(same).without_model
    assert found is not None
    assert np.isnan(found.low)
    assert seconds(found) == "1 min 00 s (no interval: one patient)"


def test_times_in_words() -> None:
    assert [clock(v) for v in (47.4, 185, -12, -0.2)] == ["47 s", "3 min 05 s", "−12 s", "0 s"]


def test_no_time_is_refused() -> None:
    for bad in (-1.0, float("nan"), float("inf")):
        with pytest.raises(InvalidValueError, match="reading time"):
            TimedReading("p", "R1", "", bad, True)
