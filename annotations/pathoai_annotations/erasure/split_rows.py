"""Slides in written splits: their rows go, and the study vouches for what is left."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pathoai.atomic_file import write_text_atomically
from pathoai.errors import ErasureError
from pathoai.provenance import sha256_of_json
from pathoai.study.seals import seal, seals, sheet_locked
from pathoai.study.study import Study

_TABLE = "splits"


def splits_with(study: Study, slides: Collection[str]) -> list[Path]:
    """Files of splits that name one of the slides."""
    files = sorted(study.splits_path.glob("*.json"))
    return [path for path in files if any(_of_them(row, slides) for row in _rows(_read(path)))]


def remove_from_split(study: Study, path: Path, slides: Collection[str]) -> None:
    """Take slides out of a split; an altered split stays one that nobody vouches for.

    The seal comes first: a run that is killed in between finds the file as it was, and comes to the
    same seal again.
    """
    raw = _read(path)
    rest = raw | {"slides": [row for row in _rows(raw) if not _of_them(row, slides)]}
    with sheet_locked(study.path):
        known = seals(study.path, _TABLE).get(path.stem)
        if known == sha256_of_json(raw):
            seal(study.path, _TABLE, path.stem, sha256_of_json(rest))
        write_text_atomically(path, json.dumps(rest, indent=1, sort_keys=True) + "\n")


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_text("utf8"))
        if not isinstance(raw, dict):
            raise ValueError("no table")
    except ValueError as error:
        raise ErasureError(
            "a split cannot be read, so nobody can be taken out of it",
            where=path.name,
            found=str(error),
            remedy="restore the file from your backup, or remove it",
        ) from error
    return raw


def _rows(raw: dict[str, Any]) -> list[list[Any]]:
    return list(raw.get("slides", []))


def _of_them(row: list[Any], slides: Collection[str]) -> bool:
    return bool(row) and row[0] in slides
