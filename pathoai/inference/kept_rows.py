"""Rows that are computed in parts, each kept as soon as it is there: a killed run goes on."""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pathoai.atomic_file import write_bytes_atomically

PART_ROWS = 256
"""Few enough that a part takes seconds, many enough that a slide's parts are some hundred files."""


@dataclass(frozen=True, slots=True)
class KeptRows:
    """A table under construction.

    Args:
        folder: Of its parts; no other table's.
        key: What the rows depend on, as a hash: parts of another key are thrown away.
        rows: Rows in all.
        columns: Of each row.
    """

    folder: Path
    key: str
    rows: int
    columns: int

    @property
    def parts(self) -> list[slice]:
        """The rows of each part; the same whatever was done before."""
        starts = range(0, self.rows, PART_ROWS)
        return [slice(start, min(start + PART_ROWS, self.rows)) for start in starts]

    def begin(self) -> None:
        """Throw away what was computed under another key."""
        if self.folder.is_dir() and not (self.folder / self.key).is_dir():
            shutil.rmtree(self.folder)

    def read(self, part: slice) -> NDArray[np.float32] | None:
        """A part, ``(n, columns)`` float32; None where it is not there yet, or damaged."""
        path = self._path(part)
        if not path.is_file():
            return None
        try:
            found = np.load(path, allow_pickle=False)
        except (ValueError, EOFError, OSError):
            # Computed again: that costs seconds.
            return None
        shape = (part.stop - part.start, self.columns)
        return found if found.shape == shape and found.dtype == np.float32 else None

    def write(self, part: slice, rows: NDArray[np.float32]) -> None:
        """Keep a part; it is whole or not there."""
        file = io.BytesIO()
        np.save(file, rows, allow_pickle=False)
        self._path(part).parent.mkdir(parents=True, exist_ok=True)
        write_bytes_atomically(self._path(part), file.getvalue())

    def forget(self) -> None:
        """Remove all parts, once the table is written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, part: slice) -> Path:
        return self.folder / self.key / f"{part.start}.npy"
