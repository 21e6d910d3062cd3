"""What was said of a slide, and the hashes of the files that say it: beside them, written last."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pathoai.atomic_file import remove_partial_writes_of, write_text_atomically
from pathoai.provenance import sha256_of_file, sha256_of_json
from pathoai.store.file_hashes import damaged_files


@dataclass(frozen=True, slots=True)
class ResultSeal:
    """The seal on the tables, reports and pictures that one command made of one slide.

    Args:
        path: Where it lies or will lie, beside the files.
        files: The files.
        rests_on: What they depend on, ready for JSON: model, store, label or regions.
    """

    path: Path
    files: tuple[Path, ...]
    rests_on: Mapping[str, Any]

    @property
    def _head(self) -> dict[str, Any]:
        return {"rests_on_sha256": sha256_of_json(self.rests_on)}

    @property
    def _names(self) -> dict[str, Path]:
        """The files by how one gets to them from the seal: a study may be moved."""
        folder = self.path.parent
        return {Path(os.path.relpath(file, folder)).as_posix(): file for file in self.files}

    def said(self) -> str | None:
        """What was said in one line; None where not all was made, or of something else."""
        found = self._read()
        return None if found is None else str(found["said"])

    def damaged(self) -> dict[str, str]:
        """Sealed files that are not what was written → what is wrong; empty without a seal."""
        found = self._read()
        return {} if found is None else damaged_files(self.path.parent, found["files"])

    def remove_partial_writes(self) -> None:
        """Remove what a run that was killed in the middle of a write left beside its target."""
        for file in (self.path, *self.files):
            remove_partial_writes_of(file)

    def write(self, said: str) -> None:
        """Say that all is there; an old seal stays until the new one is whole.

        Args:
            said: For people, in one line.
        """
        content = self._head | {
            "said": said,
            "files": {name: sha256_of_file(file) for name, file in self._names.items()},
        }
        write_text_atomically(self.path, json.dumps(content, indent=1, sort_keys=True) + "\n")

    def _read(self) -> dict[str, Any] | None:
        try:
            found: Any = json.loads(self.path.read_text("utf8"))
            names = set(found["files"])
            same = found | self._head == found and names == set(self._names)
            return found if same and isinstance(found["said"], str) else None
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            # None, or a damaged one: what it would spare is done again.
            return None
