"""What a user can set, in napari's preferences or by an environment variable."""

from __future__ import annotations
