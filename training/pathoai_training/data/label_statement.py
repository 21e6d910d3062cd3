"""What labels are worth, in one line that travels with all that is learnt from them."""

from __future__ import annotations

from collections.abc import Mapping

_CHECKED = {"validated", "corrected"}


def label_statement(name: str, about: Mapping[str, object]) -> str:
    """What the labels are worth, in one line.

    Args:
        name: Of the label.
        about: What the label says of its origin.
    """
    origin, status = str(about.get("origin", "unknown")), str(about.get("status", "not stated"))
    # Only a pathologist's outline and the journal, where pathologists judge, make a status count.
    judged = origin == "pathologist" or about.get("method") == "annotations"
    verdict = (
        "validated by a pathologist"
        if judged and set(status.split("+")) <= _CHECKED
        else "not validated by a pathologist"
    )
    parts = [f"labels: {name}", f"origin {origin}", f"status {status}"]
    if isinstance(description := about.get("description"), str):
        parts.append(description)
    if verdict not in parts[-1]:
        parts.append(verdict)
    return ", ".join(parts)
