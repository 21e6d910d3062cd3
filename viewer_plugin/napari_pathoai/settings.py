"""What a user can set: in napari's preferences (this plugin's page), or by an environment variable."""

from __future__ import annotations
