"""The choice of a device."""

from __future__ import annotations

import pytest
import torch

from pathoai.errors import InvalidValueError
from pathoai.preprocess.device import choose_device


def test_auto_takes_a_gpu_where_there_is_one() -> None:
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert choose_device().type == expected
    assert choose_device("cpu").type == "cpu"


@pytest.mark.parametrize("name", ["gpu", "", "cuda:99", "cpu:x"])
def test_devices_that_are_not_here_are_refused_with_the_remedy(name: str) -> None:
    with pytest.raises(InvalidValueError, match=r"--device.*pathoai doctor"):
        choose_device(name)
