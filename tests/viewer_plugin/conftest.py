from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from napari_pathoai.opening.open_review import check_installed
from pathoai.errors import MissingDependencyError
from pathoai.study.study import Study
from tests.viewer_plugin.small_study import make_study


@pytest.fixture(scope="session", autouse=True)
def _isolated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Settings of napari persist between runs; a test must not meet, or leave, any."""
    folder = tmp_path_factory.mktemp("napari")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAPARI_CONFIG", str(folder / "settings.yaml"))
        patch.setenv("QT_API", "pyside6")
        patch.setenv("PATHOAI_LANGUAGE", "en")
        patch.delenv("NAPARI_ASYNC", raising=False)
        yield


@pytest.fixture(scope="session")
def display() -> None:
    """Skips where no window can be opened; in CI that is a failure.

    Of session scope, to come before pytest-qt's application, which would abort the process.
    """
    reason = ""
    if not os.environ.get("DISPLAY"):
        reason = "no DISPLAY: run under xvfb-run (QT_QPA_PLATFORM=offscreen has no OpenGL)"
    try:
        check_installed()
    except MissingDependencyError as error:
        reason = str(error)
    if reason and os.environ.get("CI"):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    from napari.qt import QtViewer  # noqa: F401 - the window, and then its dock

    import napari_pathoai.panels.review_widget  # noqa: F401

    # napari collects garbage at each layer that is taken away; what was imported is none.
    gc.collect()
    gc.freeze()


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """A study of the cervix with two slides, the first of them tiled and predicted."""
    return make_study(tmp_path / "study")
