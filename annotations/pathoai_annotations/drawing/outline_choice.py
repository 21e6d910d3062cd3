"""Which method outlines what is clicked on: a model in a file where one is named."""

from __future__ import annotations

import os
from pathlib import Path

from pathoai_annotations.drawing.click_outline import OutlineMethod, outline_method
from pathoai_annotations.drawing.onnx_outline import OnnxOutline

MODEL_VARIABLE = "PATHOAI_OUTLINE_MODEL"
"""Environment variable that names an ONNX file."""


def chosen_method(usual: str = "") -> OutlineMethod:
    """The model that is named, or else the usual one, or else the built-in method.

    Args:
        usual: Path of the ONNX file that counts where none is named; empty where there is none.

    Raises:
        PathoaiError: The file is no such model.
    """
    path = os.environ.get(MODEL_VARIABLE) or usual
    return OnnxOutline(Path(path)) if path else outline_method()


def choose_model(path: Path) -> None:
    """Name a model for as long as this process runs.

    Raises:
        PathoaiError: The file is no such model: better said before a window opens.
    """
    OnnxOutline(path)
    os.environ[MODEL_VARIABLE] = str(path)
