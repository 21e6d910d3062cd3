"""Annotations: their model, the append-only journal, exchange formats and the FAIR package."""
