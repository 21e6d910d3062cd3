"""The slide that a store is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pathoai.slide.reader import SlideReader


@dataclass(frozen=True)
class SlideSource:
    """A slide, to be opened as often as threads need it.

    Args:
        open_reader: Opens it.
        path: Its file, where its compressed tiles can be looked for.
        sha256: Of its file, kept in the store.
    """

    open_reader: Callable[[], SlideReader]
    path: Path | None = None
    sha256: str = ""
