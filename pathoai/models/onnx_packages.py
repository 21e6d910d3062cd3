"""The packages of the extra ``onnx``, imported at first use."""

from __future__ import annotations

import importlib
import os
from typing import Any

from pathoai.errors import MissingDependencyError


def onnx_package(name: str) -> Any:  # noqa: ANN401 - a module
    """A module of onnx, onnxruntime or onnxscript.

    Args:
        name: As one imports it, e.g. ``onnxruntime.quantization``.

    Raises:
        MissingDependencyError: It is not installed.
    """
    # onnxruntime writes an identifier of this machine into the home folder and can send events;
    # it looks here once, when it is loaded.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "a package is not installed",
            where="ONNX",
            found=error.name,
            remedy="pip install 'pathoai[onnx]'",
        ) from error
