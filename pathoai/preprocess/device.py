"""Which device computes, and in which numbers."""

from __future__ import annotations

from typing import Literal

import torch

from pathoai.errors import InvalidValueError

Precision = Literal["float32", "bfloat16"]
"""Of what a network computes with; what it says is float32."""
PRECISIONS = ("auto", "float32", "bfloat16")
"""Names that :func:`choose_precision` knows."""


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


def choose_precision(name: str, device: torch.device) -> Precision:
    """The precision of that name; ``auto`` takes bfloat16 on a GPU that has it, as training does.

    Raises:
        InvalidValueError: There is no such precision.
    """
    if name not in PRECISIONS:
        raise InvalidValueError(
            "unknown precision", where="--precision", found=name, allowed=", ".join(PRECISIONS)
        )
    if name == "auto":
        on_gpu = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return "bfloat16" if on_gpu else "float32"
    return "bfloat16" if name == "bfloat16" else "float32"


def device_name(device: torch.device) -> str:
    """The model of a GPU, or the instructions of a CPU that torch uses, e.g. ``AVX2``."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return torch.backends.cpu.get_cpu_capability() if device.type == "cpu" else device.type
