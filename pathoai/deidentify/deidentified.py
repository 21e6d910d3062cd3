"""A copy that may leave, and the report that goes with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pathoai.errors import DeidentificationError
from pathoai.provenance import sha256_of_file

REPORT = "report.json"


@dataclass(frozen=True, slots=True)
class Deidentified:
    """A slide's copy, in a folder of its own that is named by its code.

    Args:
        folder: Holds the files and the report, nothing else.
        report: Kinds and counts of what was left behind, and hashes; no identifier.
        resumed: It was complete before this call.
    """

    folder: Path
    report: Mapping[str, Any] = field(repr=False)
    resumed: bool = False

    @property
    def path(self) -> Path:
        """What a reader opens: a file, or the folder of a DICOM series."""
        return self.folder / str(self.report["opens"])

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files of the slide, without the report."""
        return tuple(self.folder / name for name in self.sha256)

    @property
    def sha256(self) -> dict[str, str]:
        """Of each file, by its name within the folder."""
        return {name: facts["sha256"] for name, facts in self.report["files"].items()}

    @property
    def level_sha256(self) -> tuple[str, ...]:
        """Of the decoded tiles of every level, finest first."""
        return tuple(level["tiles_sha256"] for level in self.report["levels"])


def files_in(folder: Path) -> list[Path]:
    """All files below a folder but the report, in the order of their names."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(path for path in found if path != folder / REPORT)


def file_facts(folder: Path) -> dict[str, dict[str, Any]]:
    """Hash and size of each file of a slide, by its name within the folder."""
    return {
        path.relative_to(folder).as_posix(): {
            "sha256": sha256_of_file(path),
            "bytes": path.stat().st_size,
        }
        for path in files_in(folder)
    }


def finished(folder: Path) -> Deidentified | None:
    """A copy that was made before and is as it was; None where none was.

    Raises:
        DeidentificationError: Something lies there that is no such copy, or was altered.
    """
    if not folder.exists():
        return None
    try:
        report = json.loads((folder / REPORT).read_text("utf8"))
        whole = file_facts(folder) == report["files"]
    except (OSError, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise DeidentificationError(
            "what lies at the place of the copy is not as it was written",
            where=folder.name,
            remedy="move it away, and run the same command again",
        )
    return Deidentified(folder, report, resumed=True)
