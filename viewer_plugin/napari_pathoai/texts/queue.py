"""The worklist and the review queue."""

from __future__ import annotations

ENGLISH: dict[str, str] = {}

FRENCH: dict[str, str] = {}
