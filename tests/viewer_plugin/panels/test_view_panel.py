"""The panel of views, used by hand over a study with a twin."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from napari_pathoai.session import ReviewSession
from pathoai.geometry import Region
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study
from pathoai_annotations.journal.region_reading import Outcome, RegionKind
from tests.viewer_plugin.small_study import OTHER_SLIDE, SLIDE, SLIDE_MPP

if TYPE_CHECKING:
    import napari

    from napari_pathoai.panels.view_panel import ViewPanel
    from napari_pathoai.review import Review
    from tests.viewer_plugin.screen import Screen

BLOCK = "CCCC56789ABCDEF0"


@pytest.fixture
def pair(study: Study) -> Study:
    """The slide, and another stain of its block."""
    rows = [CohortRow(SLIDE, block_id=BLOCK), CohortRow(OTHER_SLIDE, block_id=BLOCK, stain="CD3")]
    Cohort(rows).write(study.path / "cohort.csv")
    shutil.copytree(study.store_path(SLIDE), study.store_path(OTHER_SLIDE))
    return study


def check_zoom(panel: ViewPanel, review: Review, screen: Screen) -> None:
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QLabel, QPushButton

    buttons = {b.text(): b for b in panel.findChildren(QPushButton) if b.text()[0] == "≈"}
    assert list(buttons) == ["≈1.25×", "≈2.5×", "≈5×", "≈10×", "≈20×", "≈40×"]
    assert "0.5 µm per screen pixel" in buttons["≈20×"].toolTip()
    QTest.mouseClick(buttons["≈20×"], Qt.MouseButton.LeftButton)
    assert review.viewer.scene.camera.zoom == pytest.approx(2.0)
    screen.settle()
    shown = {label.text() for label in panel.findChildren(QLabel)}
    assert "now ≈20× · 0.5 µm per screen pixel" in shown
    keys = {a.values.get("magnification", a.name): a.keys for a in panel.review_actions}
    assert (keys["20"], keys["hide_model"]) == (("Ctrl+5",), ("Ctrl+H",))


def check_map(panel: ViewPanel) -> None:
    """The map has the slide's shape and can be put away."""
    small = panel.minimap
    assert small.isVisible()
    assert small.width() / small.height() == pytest.approx(
        2500 * SLIDE_MPP.x / (1700 * SLIDE_MPP.y), rel=0.02
    )
    panel._with_map.click()
    assert not small.isVisible()
    panel._with_map.click()
    assert small.isVisible()


def check_decided(panel: ViewPanel, review: Review) -> None:
    """What the reader said of a region is a dot on the map, in the colour of what he said."""
    assert review.session is not None
    x, y, side = 400.0, 300.0, 200.0
    review.session.journal.read_region(
        SLIDE,
        Region(x, y, side, side),
        Outcome.REJECTED,
        kind=RegionKind.CHOSEN,
        with_model=True,
        author="R1",
    )
    review.edited.emit()
    (place,) = panel.minimap._places
    assert (place.x_um, place.y_um) == pytest.approx((500 * SLIDE_MPP.x, 400 * SLIDE_MPP.y))
    assert place.colour == "#d55e00"


def check_twin(panel: ViewPanel, review: Review, screen: Screen) -> None:
    panel.twin.beside.click()
    screen.settle()
    second = panel.twin.view.view
    assert second is not None
    (layer,) = second.model.layers
    assert Path(layer.metadata["pathoai"]["store"]).stem == OTHER_SLIDE
    assert second.model.scene.camera.center == pytest.approx(review.viewer.scene.camera.center)
    panel.twin.beside.click()
    screen.settle()
    assert panel.twin.view.view is None


@pytest.mark.usefixtures("display")
def test_the_panel_zooms_maps_and_opens_the_twin(
    make_napari_viewer: Callable[..., napari.Viewer], pair: Study
) -> None:
    from napari_pathoai.panels.view_panel import ViewPanel
    from napari_pathoai.review import Review
    from tests.viewer_plugin.screen import Screen

    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1200, 800)
    review = Review(viewer)
    panel = ViewPanel(review)
    viewer.window.add_dock_widget(panel, name="view", area="right")
    review.open(ReviewSession(pair, SLIDE, "R1"))
    screen = Screen(viewer)
    screen.settle()
    check_zoom(panel, review, screen)
    check_map(panel)
    check_decided(panel, review)
    check_twin(panel, review, screen)
    review.close()
    assert not panel.minimap.isVisible()
