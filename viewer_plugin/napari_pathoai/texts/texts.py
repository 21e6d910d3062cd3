"""What the viewer says, in English and French: napari itself has no translations."""

from __future__ import annotations

import os

from napari_pathoai.settings import setting
from napari_pathoai.texts import (
    drawing,
    grid,
    model,
    opening,
    picture,
    proposals,
    queue,
    verdict,
    window,
)

LANGUAGE_VARIABLE = "PATHOAI_LANGUAGE"
"""Environment variable that overrides the system's language: ``en`` or ``fr``."""

AREAS = (drawing, grid, model, opening, picture, proposals, queue, verdict, window)

ENGLISH: dict[str, str] = {key: words for area in AREAS for key, words in area.ENGLISH.items()}
FRENCH: dict[str, str] = {key: words for area in AREAS for key, words in area.FRENCH.items()}


def language() -> str:
    """``fr`` or ``en``: the environment variable, the setting, or the system's language."""
    chosen = str(setting("language"))
    if chosen != "system" and not os.environ.get(LANGUAGE_VARIABLE):
        return chosen
    for variable in (LANGUAGE_VARIABLE, "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(variable):
            return "fr" if value.lower().startswith("fr") else "en"
    return "en"


def text(key: str, **values: object) -> str:
    """A text in the user's language, its fields filled."""
    return (FRENCH if language() == "fr" else ENGLISH)[key].format(**values)
