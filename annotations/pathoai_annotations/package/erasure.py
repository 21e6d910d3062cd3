"""Who has left the study, in a package: hashes of codes, so that nobody stays by oversight."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from pathoai.errors import PackageError
from pathoai.privacy.tombstones import TABLE, Tombstones, tombstone_hash
from pathoai.strict_json import read_json
from pathoai.study.study import Study
from pathoai_annotations.package import layout
from pathoai_annotations.package.csv_file import read_table
from pathoai_annotations.package.finding import Finding
from pathoai_annotations.package.table import SLIDES

_CODED = ("slide_id", "case_id")
_REMEDY = "do not use the package; ask its sender for a version without this person"


def erasure_text(study: Study) -> str:
    """The study's tombstones as JSON: hash, kind, reason and year; no finer date leaves.

    Raises:
        StudyError: The table of tombstones is malformed.
    """
    stones = [
        {"sha256": s.sha256, "kind": s.kind.value, "reason": s.reason.value, "year": s.day[:4]}
        for s in Tombstones.read(study.path / TABLE)
    ]
    stones.sort(key=lambda stone: (stone["year"], stone["sha256"]))
    return json.dumps({"erased": stones}, indent=1, sort_keys=True) + "\n"


def check_erasure(root: Path) -> Iterator[Finding]:
    """Look for slides and patients that have a tombstone.

    Args:
        root: The bag's folder.
    """
    path = root / layout.PAYLOAD / layout.ERASURE
    try:
        gone = {str(stone["sha256"]): str(stone["kind"]) for stone in _stones(path)}
    except (OSError, ValueError, KeyError, TypeError):
        yield Finding("no readable list of who was erased", f"{layout.PAYLOAD}/{layout.ERASURE}")
        return
    try:
        rows = read_table(root, SLIDES)
    except PackageError:
        return  # told by the check of the tables
    for line, row in enumerate(rows, start=2):
        for column in _CODED:
            if row[column] and (kind := gone.get(tombstone_hash(row[column]))):
                where = f"{layout.PAYLOAD}/{layout.SLIDES} line {line}"
                yield Finding(f"a {kind} that was erased or opposed is in it", where, _REMEDY)


def _stones(path: Path) -> list[dict[str, str]]:
    stones: list[dict[str, str]] = read_json(path)["erased"]
    return stones
