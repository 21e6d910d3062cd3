from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from napari_pathoai.settings import declared_settings, setting
from pathoai.errors import InvalidValueError

NAMES = {
    "reader",
    "language",
    "random_share",
    "control_share",
    "auto_advance",
    "my_grade_first",
    "idle_seconds",
    "opacity",
    "wand_sensitivity",
    "outline_model",
}


def test_every_setting_is_declared_with_words_for_people() -> None:
    from importlib import resources

    import yaml

    manifest = resources.files("napari_pathoai").joinpath("napari.yaml").read_text("utf8")
    groups = yaml.safe_load(manifest)["contributions"]["configurations"]
    declared = [p for group in groups.values() for p in group["properties"].values()]
    assert set(declared_settings()) == NAMES
    assert len(declared) == len(NAMES), "a name is in one group only"
    assert all(p["title"] and p["description"] for p in declared)


def test_without_napari_settings_are_the_defaults() -> None:
    script = (
        "import sys\n"
        f"sys.path[:0] = {[str(p) for p in sys.path if p]!r}\n"
        "from napari_pathoai.settings import setting\n"
        "assert setting('control_share') == 0.1, setting('control_share')\n"
        "assert not {'napari', 'qtpy', 'numpy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@pytest.fixture
def kept() -> Iterator[object]:
    """What napari keeps for the plugin, as its Preferences change it."""
    from napari.settings import get_plugin_settings

    found = get_plugin_settings("pathoai")
    before = found.review.model_dump(), found.tools.model_dump()
    yield found
    found.review.update(before[0])
    found.tools.update(before[1])


def test_what_the_user_changed_is_what_is_read(kept: object) -> None:
    kept.review.reader = "R7"  # type: ignore[attr-defined]
    kept.tools.wand_sensitivity = 0.5  # type: ignore[attr-defined]
    assert setting("reader") == "R7"
    assert setting("wand_sensitivity") == 0.5
    assert setting("auto_advance") is True


def test_napari_refuses_what_the_manifest_does_not_allow(kept: object) -> None:
    with pytest.raises(ValueError, match="control_share"):
        kept.review.control_share = 1.5  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="enum"):
        kept.review.language = "de"  # type: ignore[attr-defined]


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"unknown setting.*wand_sensitivity"):
        setting("brightness")
