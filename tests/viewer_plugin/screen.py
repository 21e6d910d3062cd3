"""Eyes and hands for tests on a real screen: where a place of the slide lies on the canvas.

Frames: places are level-0 pixels (x, y); canvas pixels are Qt's, from the top left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget

from pathoai.geometry import Mpp
from tests.viewer_plugin.mouse import move_mouse
from tests.viewer_plugin.small_study import SLIDE_MPP

if TYPE_CHECKING:
    import napari

Place = tuple[float, float]
_NOTHING = Qt.KeyboardModifier.NoModifier


class Screen:
    """The canvas of a viewer, looked at and clicked on like a user does."""

    def __init__(self, viewer: napari.Viewer, slide_mpp: Mpp = SLIDE_MPP) -> None:
        self.viewer = viewer
        self.mpp = slide_mpp
        self.canvas: QWidget = viewer.window._qt_viewer.canvas.native

    def look_at(self, place: Place, *, screen_px_per_px: float) -> None:
        """Centre the camera; zoom in screen pixels per level-0 pixel."""
        camera = self.viewer.scene.camera
        camera.center = (0.0, place[1] * self.mpp.y, place[0] * self.mpp.x)
        camera.zoom = screen_px_per_px / self.mpp.mean
        self.settle()

    def settle(self) -> None:
        """Let Qt and napari draw, and the widget's timers end."""
        for _ in range(5):
            QApplication.processEvents()
        QTest.qWait(50)

    def rest(self) -> None:
        """Let the view rest until the widget has made outlines thin again."""
        QTest.qWait(400)
        self.settle()

    def picture(self) -> NDArray[np.uint8]:
        """What the canvas shows, ``(height, width, 3)`` uint8."""
        shot: NDArray[np.uint8] = self.viewer.screenshot(canvas_only=True, flash=False)
        return shot[..., :3]

    def at(self, place: Place) -> tuple[float, float]:
        """Canvas x and y of a place, fractions included."""
        camera = self.viewer.scene.camera
        _, y, x = camera.center
        return (
            (place[0] * self.mpp.x - x) * camera.zoom + self.canvas.width() / 2,
            (place[1] * self.mpp.y - y) * camera.zoom + self.canvas.height() / 2,
        )

    def colour(self, picture: NDArray[np.uint8], place: Place) -> tuple[int, ...]:
        """Colour of a place in a picture."""
        x, y = self.at(place)
        assert 0 <= x < picture.shape[1], "not on the canvas"
        assert 0 <= y < picture.shape[0], "not on the canvas"
        return tuple(int(v) for v in picture[int(y), int(x)])

    def move(self, place: Place) -> None:
        """Move the mouse, no button down."""
        move_mouse(self.canvas, self._point(place))
        self.settle()

    def click(self, place: Place, held: Qt.KeyboardModifier = _NOTHING) -> None:
        """Press and release the left button, with keys held."""
        move_mouse(self.canvas, self._point(place), held=held)
        QTest.mouseClick(self.canvas, Qt.MouseButton.LeftButton, held, self._point(place))
        self.settle()

    def drag(self, places: Sequence[Place], held: Qt.KeyboardModifier = _NOTHING) -> None:
        """Move with the left button down through some places, with keys held."""
        button = Qt.MouseButton.LeftButton
        move_mouse(self.canvas, self._point(places[0]), held=held)
        QTest.mousePress(self.canvas, button, held, self._point(places[0]))
        for place in places[1:]:
            move_mouse(self.canvas, self._point(place), down=button, held=held)
        QTest.mouseRelease(self.canvas, button, held, self._point(places[-1]))
        self.settle()

    def press(self, key: str) -> None:
        """Type one key over the canvas."""
        QTest.keyClicks(self.canvas, key)
        self.settle()

    def press_special(self, key: Qt.Key, held: Qt.KeyboardModifier = _NOTHING) -> None:
        """Type a key without a letter, e.g. Delete, or one with others held."""
        QTest.keyClick(self.canvas, key, held)
        self.settle()

    def _point(self, place: Place) -> QPoint:
        x, y = self.at(place)
        return QPoint(round(x), round(y))
