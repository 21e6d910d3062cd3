"""Which method outlines what is clicked on: a model in a file where one is named."""

from __future__ import annotations

import os
from pathlib import Path

from pathoai_annotations.drawing.click_outline import OutlineMethod, outline_method
from pathoai_annotations.drawing.onnx_outline import OnnxOutline

MODEL_VARIABLE = "PATHOAI_OUTLINE_MODEL"
"""Environment variable that names an ONNX file."""


def chosen_method() -> OutlineMethod:
    """The model that is named, or else the built-in method.

    Raises:
        PathoaiError: The file is no such model.
    """
    path = os.environ.get(MODEL_VARIABLE)
    return OnnxOutline(Path(path)) if path else outline_method()


def choose_model(path: Path) -> None:
    """Name a model for as long as this process runs.

    Raises:
        PathoaiError: The file is no such model: better said before a window opens.
    """
    OnnxOutline(path)
    os.environ[MODEL_VARIABLE] = str(path)
