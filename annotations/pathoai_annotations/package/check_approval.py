"""Is there an approval, is it whole, and does it cover what the package holds?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from pathoai.errors import PackageError
from pathoai_annotations.package import layout
from pathoai_annotations.package.approval import Approval
from pathoai_annotations.package.finding import Finding

_REMEDY = "do not use the package; ask its sender for one that was approved"


def check_approval(root: Path, last_edit: str) -> Iterator[Finding]:
    """Check the record of the release.

    Args:
        root: The bag's folder.
        last_edit: Time of the last edit in the package, ISO 8601; empty where not known.
    """
    where = f"{layout.PAYLOAD}/{layout.APPROVAL}"
    try:
        raw = json.loads((root / layout.PAYLOAD / layout.APPROVAL).read_text("utf8"))
        if not isinstance(raw, dict):
            raise ValueError("no JSON object")
    except (OSError, ValueError):
        yield Finding("no approval", where, _REMEDY)
        return
    try:
        approval = Approval.from_json(raw)
        if last_edit:
            approval.settled(datetime.fromisoformat(last_edit).date())
    except (PackageError, ValueError) as error:
        what = error.what if isinstance(error, PackageError) else "malformed time of an edit"
        yield Finding(what, where, _REMEDY)
