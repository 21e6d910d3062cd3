"""Is there an approval, is it whole, and does it cover what the package holds?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from pathoai.errors import PackageError
from pathoai.provenance import sha256_of_file
from pathoai.strict_json import read_json
from pathoai_annotations.package import layout
from pathoai_annotations.package.approval import Approval
from pathoai_annotations.package.finding import Finding
from pathoai_annotations.package.release import Release

_REMEDY = "do not use the package; ask its sender for one that was approved"


def check_approval(root: Path, last_edit: date | None) -> Iterator[Finding]:
    """Check the record of the approval.

    Args:
        root: The bag's folder.
        last_edit: Day of the last edit in the package; None where not known.
    """
    try:
        raw = read_json(root / layout.APPROVAL)
        if not isinstance(raw, dict):
            raise ValueError("no JSON object")
    except (OSError, ValueError):
        yield Finding("no approval", layout.APPROVAL, _REMEDY)
        return
    try:
        approval, release = Approval.from_json(raw), Release.read(root)
        approval.check_release(release)
        if last_edit is not None:
            approval.settled(last_edit)
    except PackageError as error:
        yield Finding(error.what, layout.APPROVAL, _REMEDY)
        return
    if {key: raw.get(key) for key in release.to_json()} != release.to_json():
        yield Finding("the approval is of another release", layout.APPROVAL, _REMEDY)
    if raw.get("manifest_sha256") != _hash_of_manifest(root):
        yield Finding("the approval is of another content", layout.APPROVAL, _REMEDY)


def _hash_of_manifest(root: Path) -> str:
    path = root / layout.MANIFEST
    return sha256_of_file(path) if path.is_file() else ""
