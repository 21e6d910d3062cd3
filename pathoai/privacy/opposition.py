"""The day on which the list of people who oppose was last applied to a study."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

from pathoai.atomic_file import write_text_atomically
from pathoai.errors import StudyError

_FILE = "opposition.json"


def note_opposition_applied(study: Path) -> None:
    """Note that the list was applied today."""
    text = json.dumps({"applied": date.today().isoformat()})
    write_text_atomically(study / _FILE, text + "\n")


def opposition_applied(study: Path) -> date | None:
    """The day on which the list was last applied; None where it never was.

    Raises:
        StudyError: The note is malformed.
    """
    path = study / _FILE
    if not path.is_file():
        return None
    try:
        return date.fromisoformat(json.loads(path.read_text("utf8"))["applied"])
    except (ValueError, KeyError, TypeError) as error:
        raise StudyError(
            "malformed note on the list of oppositions",
            where=_FILE,
            found=str(error),
            remedy="apply the list again: `pathoai oppose STUDY --list FILE`",
        ) from error
