"""The other stain beside the slide and over it, by mouse and key, on a small screen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from pathoai.study.study import Study
from tests.viewer_plugin.small_study import OTHER_SLIDE, SLIDE, SLIDE_MPP, SQUARES, STORE_MPP
from tests.viewer_plugin.twin_study import BROWN_RGB, GLASS_RGB, REFUSED, make_twin_study

if TYPE_CHECKING:
    import napari

    from tests.viewer_plugin.panel_hand import PanelHand

pytestmark = pytest.mark.usefixtures("display")
EDGE_UM = 3.0


@pytest.fixture
def twin_study(tmp_path: Path) -> Study:
    return make_twin_study(tmp_path / "study")


def middle_um(number: int) -> tuple[float, float]:
    left, top, right, bottom = (side * STORE_MPP for side in SQUARES[number])
    return (left + right) / 2, (top + bottom) / 2


def look_at(hand: PanelHand, number: int) -> None:
    """The middle of a square, one screen pixel for half a µm."""
    x, y = middle_um(number)
    hand.screen.look_at((x / SLIDE_MPP.x, y / SLIDE_MPP.y), screen_px_per_px=0.5)
    hand.screen.rest()


def check_square(picture: NDArray[np.uint8], number: int, zoom: float) -> None:
    """All but the rim of a square in the middle of a picture is brown; what is around is not."""
    left, top, right, bottom = (side * STORE_MPP for side in SQUARES[number])
    half = np.array([right - left, bottom - top]) / 2
    rows, columns = np.indices(picture.shape[:2])
    centre = (picture.shape[1] / 2, picture.shape[0] / 2)
    away = np.stack([columns + 0.5 - centre[0], rows + 0.5 - centre[1]], axis=-1) / zoom
    # How far inside the square a pixel lies, µm; negative outside.
    inside = (half - np.abs(away)).min(axis=-1)
    near = picture[(inside > EDGE_UM)].astype(int)
    around = picture[(inside < -EDGE_UM) & (inside > -10)].astype(int)
    assert (np.abs(near - BROWN_RGB).max(axis=1) <= 6).mean() > 0.99
    assert (np.abs(around - GLASS_RGB).max(axis=1) <= 6).mean() > 0.97


def check_over(hand: PanelHand) -> None:
    """A key lays it over the slide, the slider fades it, and the key takes it away."""
    from qtpy.QtCore import Qt

    box, viewer = hand.widget.view.twin, hand.screen.viewer
    before = [layer.name for layer in viewer.layers]
    active = viewer.layers.selection.active
    hand.press(hand.screen.canvas, Qt.Key.Key_I)
    assert box.over.isChecked()
    layer = box.overlay.layer
    assert layer is not None
    assert viewer.layers.index(layer) == 1, "between the slide and all else"
    assert viewer.layers.selection.active is active
    assert layer.name == f"AE1AE3 {OTHER_SLIDE}"
    assert layer.opacity == pytest.approx(0.6)
    hand.press(box.opacity, Qt.Key.Key_End)
    assert layer.opacity == 1
    for number in (1, 2):
        look_at(hand, number)
        check_square(hand.screen.picture(), number, viewer.scene.camera.zoom)
    hand.press(box.opacity, Qt.Key.Key_Home)
    assert layer.opacity == 0
    hand.press(hand.screen.canvas, Qt.Key.Key_I)
    assert [one.name for one in viewer.layers] == before


def check_beside(hand: PanelHand) -> None:
    """Wherever the first view goes, the second shows the same tissue, turned upright."""
    from qtpy.QtCore import QPoint

    box = hand.widget.view.twin
    tick = QPoint(8, box.beside.height() // 2)
    hand.click(box.beside, tick)
    assert box.view.view is not None
    for number in (0, 1, 2):
        look_at(hand, number)
        check_square(box.view.view.picture(), number, hand.screen.viewer.scene.camera.zoom)
    hand.click(box.beside, tick)
    assert box.view.view is None


def check_hint(hand: PanelHand) -> None:
    """The panel says how far to believe what lies in the middle of the view."""
    box = hand.widget.view.twin
    look_at(hand, 1)
    assert box.hint.text() == "registered; believable here"
    row, column = REFUSED
    place = ((column + 0.5) * 50 / SLIDE_MPP.x, (row + 0.5) * 50 / SLIDE_MPP.y)
    hand.screen.look_at(place, screen_px_per_px=0.5)
    hand.screen.rest()
    assert "refused here" in box.hint.text()


def check_unregistered(hand: PanelHand) -> None:
    """A pair without a transform cannot be laid over, and the panel says why."""
    from qtpy.QtCore import Qt

    hand.study.registration_path(SLIDE, OTHER_SLIDE).unlink()
    hand.open("R1")
    box = hand.widget.view.twin
    assert hand.misfits() == []
    assert not box.over.isEnabled()
    assert "run pathoai register" in box.hint.text()
    hand.press(hand.screen.canvas, Qt.Key.Key_I)
    assert box.overlay.layer is None
    assert "not registered" in hand.message


def test_the_twin_beside_and_over_the_slide(
    make_napari_viewer: Callable[..., napari.Viewer], twin_study: Study
) -> None:
    from qtpy.QtCore import Qt

    from tests.viewer_plugin.panel_hand import PanelHand

    hand = PanelHand(make_napari_viewer(show=True), twin_study, "R1")
    hand.show(hand.widget.view)
    assert hand.misfits() == []
    hand.press(hand.screen.canvas, Qt.Key.Key_H, Qt.KeyboardModifier.ControlModifier)
    check_over(hand)
    check_beside(hand)
    check_hint(hand)
    hand.press(hand.screen.canvas, Qt.Key.Key_I)
    # The other slide of the pair sees the first one over it; nothing of the last session is left.
    viewer = hand.screen.viewer
    assert hand.widget.review.session is not None
    hand.widget.review.open(hand.widget.review.session.on_slide(OTHER_SLIDE))
    hand.screen.settle()
    box = hand.widget.view.twin
    assert (box.over.isChecked(), box.overlay.layer) == (False, None)
    hand.press(hand.screen.canvas, Qt.Key.Key_I)
    assert viewer.layers[1].name == f"HE {SLIDE}"
    check_unregistered(hand)
    hand.widget.review.close()
    assert len(viewer.layers) == 0
