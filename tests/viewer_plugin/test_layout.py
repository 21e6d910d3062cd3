"""No widget of ours lies over another or is cut off: small and large screens, both languages."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from napari_pathoai.opening.open_review import add_review
from napari_pathoai.session import ReviewSession
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study
from tests.viewer_plugin.small_study import OTHER_SLIDE, SLIDE

if TYPE_CHECKING:
    import napari

pytestmark = pytest.mark.usefixtures("display")


@pytest.mark.parametrize("spoken", ["en", "fr"])
def test_every_tab_fits(
    make_napari_viewer: Callable[..., napari.Viewer],
    study: Study,
    monkeypatch: pytest.MonkeyPatch,
    spoken: str,
) -> None:
    from qtpy.QtWidgets import QScrollArea

    from napari_pathoai.keys.cheat_sheet import CheatSheet
    from napari_pathoai.panels.review_widget import ReviewWidget
    from tests.viewer_plugin.crowding import crowded
    from tests.viewer_plugin.screen import Screen

    monkeypatch.setenv("PATHOAI_LANGUAGE", spoken)
    # With a twin that is not registered, of which the longest is said.
    twin = CohortRow(OTHER_SLIDE, stain="IHC", marker="AE1AE3", pair="p1")
    Cohort([CohortRow(SLIDE, pair="p1"), twin]).write(study.path / "cohort.csv")
    shutil.copytree(study.store_path(SLIDE), study.store_path(OTHER_SLIDE))
    viewer = make_napari_viewer(show=True)
    add_review(viewer, ReviewSession(study, SLIDE, "R1"))
    widget: ReviewWidget = viewer.window._qt_window.findChild(ReviewWidget)
    screen = Screen(viewer)
    for width, height in ((1366, 768), (1920, 1200)):
        viewer.window.resize(width, height)
        for tab in range(widget.tabs.count()):
            widget.tabs.setCurrentIndex(tab)
            screen.settle()
            where = f"{width} × {height}, {widget.tabs.tabText(tab)}"
            buttons = [widget.tab_buttons.button(at) for at in range(widget.tabs.count())]
            assert all(not one.visibleRegion().isEmpty() for one in buttons), "none is hidden"
            assert crowded(widget) == [], where
            page = widget.tabs.currentWidget()
            assert isinstance(page, QScrollArea)
            assert page.horizontalScrollBar().maximum() == 0, f"{where}: wider than the dock"
            # The slide is what the window is for.
            assert screen.canvas.width() > width / 3, where
            assert viewer.window._qt_window.width() <= width, where
    widget.show_keys()
    sheet = viewer.window._qt_window.findChild(CheatSheet)
    screen.settle()
    assert crowded(sheet) == []
    assert (sheet.width() <= 1366, sheet.height() <= 768) == (True, True)
    sheet.close()
