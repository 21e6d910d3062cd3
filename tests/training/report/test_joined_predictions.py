"""Predictions joined: the same as if they had been made at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pathoai.errors import InvalidValueError
from pathoai_training.report.joined_predictions import joined
from pathoai_training.report.predictions import Predictions
from tests.training.report import made_predictions as made

MAKERS: tuple[Callable[[int, int], Predictions], ...] = (
    made.graded,
    made.segmented,
    made.outlined,
)


@pytest.mark.parametrize("make", MAKERS)
def test_parts_joined_are_the_whole(make: Callable[[int, int], Predictions]) -> None:
    whole = make(12, 3)
    places = np.split(np.arange(12), [5, 8])
    again = joined([whole.chosen(part) for part in places])
    assert again.slides == whole.slides
    assert again.classes == whole.classes
    assert again.to_dict() == whole.to_dict()


def test_what_does_not_belong_together_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"instances.*classification"):
        joined([made.graded(4, 1), made.outlined(4, 1)])
