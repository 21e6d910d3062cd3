"""A hand on mouse and keyboard of a napari window, which counts what it does and how long it waits.

An action is one thing that a person does: a key, a click, a drag, a turn of the wheel. The time of
an action ends when the canvas was drawn after it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

if TYPE_CHECKING:
    import napari

Place = tuple[float, float]
"""x and y in micrometres of the world."""

_SETTLE_S = 3.0
_FLICK = 600
"""Five notches of a wheel, in eighths of a degree: napari zooms 2.8 times."""
_MOST_FLICKS = 20
_NEAR_ENOUGH = 0.5
"""Of the zoom wanted; less, and such a flick would go past it for ever."""


class Hand:
    """Acts on a viewer.

    Args:
        viewer: A shown window.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        """Nothing done yet."""
        self.viewer = viewer
        self.actions = 0
        self.waits_s: list[float] = []
        self._draws = 0
        self.canvas = viewer.window._qt_viewer.canvas.native
        viewer.window._qt_viewer.canvas._scene_canvas.events.draw.connect(
            self._on_draw, position="last"
        )

    @property
    def seconds(self) -> float:
        """Spent waiting for the window, in all."""
        return sum(self.waits_s)

    def key(
        self, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
    ) -> None:
        """Press one key."""
        self._act(lambda: QTest.keyClick(self.canvas, key, modifier))

    def click(self, place: Place) -> None:
        """Click on a place of the slide."""
        point = self._point(place)

        def act() -> None:
            QTest.mouseMove(self.canvas, point)
            QTest.mouseClick(self.canvas, Qt.MouseButton.LeftButton, pos=point)

        self._act(act)

    def drag(self, places: Sequence[Place]) -> None:
        """Move with the left button down."""
        points = [self._point(place) for place in places]

        def act() -> None:
            QTest.mouseMove(self.canvas, points[0])
            QTest.mousePress(self.canvas, Qt.MouseButton.LeftButton, pos=points[0])
            for point in points[1:]:
                QTest.mouseMove(self.canvas, point)
                QApplication.processEvents()
            QTest.mouseRelease(self.canvas, Qt.MouseButton.LeftButton, pos=points[-1])

        self._act(act)

    def wheel(self, place: Place, zoom: float) -> None:
        """Turn the wheel over a place until the view has about this zoom (screen pixels per µm)."""

        def act() -> None:
            for _ in range(_MOST_FLICKS):
                now = self.viewer.scene.camera.zoom
                if abs(zoom / now - 1) < _NEAR_ENOUGH:
                    return
                self._turn(self._reached(place), _FLICK if zoom > now else -_FLICK)
                QApplication.processEvents()
            raise TimeoutError("the wheel did not come to the zoom")

        self._act(act)

    def choose(self, choice: Callable[[], object]) -> None:
        """One click outside the canvas, e.g. on a layer's name, by what it brings about."""
        self._act(choice)

    def wait_for(self, done: Callable[[], bool], limit_s: float = 30.0) -> None:
        """Let the window work until something holds."""
        end = time.perf_counter() + limit_s
        while not done():
            if time.perf_counter() > end:
                raise TimeoutError("the window did not come to it")
            QApplication.processEvents()

    def settle(self) -> None:
        """Let the window draw all that is pending; not counted."""
        end = time.perf_counter() + _SETTLE_S
        while time.perf_counter() < end:
            QApplication.processEvents()
            time.sleep(0.005)

    def _act(self, act: Callable[[], object]) -> None:
        self.actions += 1
        before, start = self._draws, time.perf_counter()
        act()
        # An action that changes nothing on the canvas is over when its events are.
        QApplication.processEvents()
        self.canvas.update()
        self.wait_for(lambda: self._draws > before)
        self.waits_s.append(time.perf_counter() - start)

    def _turn(self, point: QPoint, angle: int) -> None:
        event = QWheelEvent(
            QPointF(point),
            QPointF(self.canvas.mapToGlobal(point)),
            QPoint(0, 0),
            QPoint(0, angle),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(self.canvas, event)

    def _point(self, place: Place) -> QPoint:
        camera = self.viewer.scene.camera
        _, y, x = camera.center
        return QPoint(
            round((place[0] - x) * camera.zoom + self.canvas.width() / 2),
            round((place[1] - y) * camera.zoom + self.canvas.height() / 2),
        )

    def _reached(self, place: Place) -> QPoint:
        """The pixel of a place, or the middle where it is out of sight."""
        point = self._point(place)
        rectangle = self.canvas.rect()
        return point if rectangle.contains(point) else rectangle.center()

    def _on_draw(self, _event: object) -> None:
        self._draws += 1
