"""A batch that is too large for a GPU is no traceback."""

from __future__ import annotations

import pytest
import torch

from pathoai.errors import InvalidValueError
from pathoai.preprocess.device_memory import fitting


def test_what_does_not_fit_says_what_to_do() -> None:
    with pytest.raises(InvalidValueError, match="does not fit") as caught, fitting(64):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    assert "found 64" in str(caught.value)
    assert "--workers" in str(caught.value)


def test_other_errors_are_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="size mismatch"), fitting(2):
        raise RuntimeError("size mismatch")
    with fitting(2):
        assert torch.ones(2).sum() == 2
