"""Settings of the plugin: declared in the manifest, changed in napari's Preferences, read here.

The manifest (``napari.yaml``, ``configurations``) is the one place that names them and says what
each means, allows and is by default. napari keeps what the user changed in a file of its own.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import resources
from typing import Any

from pathoai.errors import InvalidValueError

PLUGIN = "pathoai"

Value = str | int | float | bool


def setting(name: str) -> Value:
    """The present value of a setting.

    napari is asked only where it is loaded: commands and rules stay light, and get the defaults.

    Args:
        name: As the manifest has it, e.g. ``control_share``; groups are left out.

    Raises:
        InvalidValueError: There is no such setting.
    """
    declared = declared_settings()
    if name not in declared:
        raise InvalidValueError(
            "unknown setting", where=name, allowed=", ".join(sorted(declared)) or "none"
        )
    group, default = declared[name]
    kept = _kept_by_napari()
    value: Value = default if kept is None else getattr(getattr(kept, group), name)
    return value


@cache
def declared_settings() -> dict[str, tuple[str, Value]]:
    """Group and default of every setting, by its name."""
    import yaml

    manifest = resources.files("napari_pathoai").joinpath("napari.yaml").read_text("utf8")
    groups: dict[str, Any] = yaml.safe_load(manifest)["contributions"]["configurations"]
    return {
        name: (group, declared["default"])
        for group, content in groups.items()
        for name, declared in content["properties"].items()
    }


def _kept_by_napari() -> Any:  # noqa: ANN401 - napari makes the class of settings at run time
    """What napari keeps for this plugin; None where it is not loaded, or the plugin is off."""
    if "napari" not in sys.modules:
        return None
    from napari.settings import get_plugin_settings

    return get_plugin_settings().get(PLUGIN)
