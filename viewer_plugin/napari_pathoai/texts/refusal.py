"""What is said where something cannot be done."""

from __future__ import annotations

from napari_pathoai.texts.texts import text
from pathoai.errors import BusyError, PathoaiError


def refusal(error: PathoaiError) -> str:
    """One line: what a reader meets at his work in his language, all else as the error has it."""
    return text("busy") if isinstance(error, BusyError) else str(error)
