"""Which device computes."""

from __future__ import annotations

import torch

from pathoai.errors import InvalidValueError


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name; ``auto`` takes a GPU where there is one.

    Raises:
        InvalidValueError: The name is malformed, or there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InvalidValueError(
            "no such device here",
            where="--device",
            found=repr(name),
            allowed="auto, cpu, cuda, cuda:0, …",
            remedy="`pathoai doctor` says what this machine has",
        ) from error
    return device
