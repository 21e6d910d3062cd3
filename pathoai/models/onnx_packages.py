"""The packages of the extra ``onnx``, imported at first use."""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import Any

from pathoai.errors import MissingDependencyError

_PACKAGES = ("onnx", "onnxruntime", "onnxscript")


def has_onnx_packages() -> bool:
    """True where the whole extra ``onnx`` is installed, and onnxruntime can be loaded."""
    if any(importlib.util.find_spec(name) is None for name in _PACKAGES):
        return False
    try:
        onnx_package("onnxruntime")
    except MissingDependencyError:
        return False
    return True


def onnx_package(name: str) -> Any:  # noqa: ANN401 - a module
    """A module of onnx, onnxruntime or onnxscript.

    Args:
        name: As one imports it, e.g. ``onnxruntime.quantization``.

    Raises:
        MissingDependencyError: It is not installed, or was built for another machine.
    """
    # onnxruntime writes an identifier of this machine into the home folder and can send events;
    # it looks here once, when it is loaded.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        is_missing = isinstance(error, ModuleNotFoundError)
        raise MissingDependencyError(
            "a package is not installed" if is_missing else "a package cannot be loaded",
            where="ONNX",
            found=error.name if is_missing else error,
            remedy="pip install 'pathoai[onnx]'",
        ) from error
    if name == "onnxruntime":
        module.disable_telemetry_events()
    return module
