"""Predicting here, and improving the model."""

from __future__ import annotations

ENGLISH: dict[str, str] = {}

FRENCH: dict[str, str] = {}
