"""The file of what is said of a slide's prediction as a whole: JSON beside its table of objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pathoai.atomic_file import write_text_atomically
from pathoai.errors import StoreError

SCHEMA = 1


def write_report(path: Path, report: dict[str, Any]) -> None:
    """Write a report; an old one stays until the new one is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, indent=1, sort_keys=True, allow_nan=False)
    write_text_atomically(path, text + "\n")


def read_report(path: Path) -> dict[str, Any]:
    """Read a report back.

    Raises:
        StoreError: There is none, or the file is damaged.
    """
    remedy = "run `pathoai predict` again"
    if not path.exists():
        raise StoreError("no report on that prediction", where=path.stem, remedy=remedy)
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf8"))
        if found["schema"] != SCHEMA:
            raise ValueError(f"schema {found['schema']}")
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            "damaged report on a prediction", where=path.stem, found=str(error), remedy=remedy
        ) from error
    return found
