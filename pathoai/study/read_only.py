"""A study that may only be read: an archive, a snapshot, a colleague's."""

from __future__ import annotations

import os
from pathlib import Path

from pathoai.errors import ReadOnlyError

WRITABLE = "make the study's folder and what lies in it writable for you, or work on a copy of it"
"""What helps whoever must write into one."""
OUT = "say --out, with a place outside of the study"
"""What helps where the result may lie elsewhere."""


def is_writable(place: Path) -> bool:
    """False where this account may not write to a file or folder, for all one can see.

    Args:
        place: Where nothing lies as yet, the folder counts in which it would be made.
    """
    while not place.exists():
        place = place.parent
    return os.access(place, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def refuse_read_only(folder: Path, what: str, remedy: str) -> None:
    """Refuse, before any work, what could not be kept.

    Args:
        folder: Of the study; what is made will lie there.
        what: Is made, as messages call it.
        remedy: What to do instead.

    Raises:
        ReadOnlyError: The folder may only be read.
    """
    if not is_writable(folder):
        raise ReadOnlyError(
            f"the study may only be read here, and {what} would be written into it",
            where=folder.name,
            remedy=remedy,
        )
