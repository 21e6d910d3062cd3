"""The two parts of a label that are audited each for itself."""

from __future__ import annotations

from enum import StrEnum


class AuditStratum(StrEnum):
    """What the label says at the point that a tile was drawn about."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
