"""The verdict on a slide, and its adjudication."""

from __future__ import annotations

ENGLISH: dict[str, str] = {}

FRENCH: dict[str, str] = {}
