"""A small map of the slide over a corner of the canvas: where the view is, and the way elsewhere.

Frames: the map's pixels are Qt's, from its top left; places are micrometres of the world.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QObject, QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QWidget

from napari_pathoai.review import REGION_SHARE

if TYPE_CHECKING:
    import napari

MAP_SIDE_PX = 180
_MARGIN_PX = 10
_LEAST_SIDE_PX = 60
"""However little room there is, of the longer side."""
_SMALLEST_VIEW_PX = 6.0
"""A view of a few cells would be no more than a point."""
_DOT_PX = 2.5
_VIEW_COLOUR = QColor(220, 20, 60)
_EDGE_COLOUR = QColor(90, 90, 90)


@dataclass(frozen=True, slots=True)
class MapPlace:
    """A place marked on the map.

    Args:
        x_um: From the slide's left edge.
        y_um: From its top edge.
        colour: ``#rrggbb``.
    """

    x_um: float
    y_um: float
    colour: str


class Minimap(QWidget):
    """The map of one slide in the top right corner of a canvas, away from the scale bar.

    Args:
        viewer: Whose camera it shows and moves.
        canvas: The widget that it lies over.
    """

    def __init__(self, viewer: napari.Viewer, canvas: QWidget) -> None:
        """A map of nothing, hidden."""
        super().__init__(canvas)
        self._viewer = viewer
        self._picture = QImage()
        self._extent_um = (1.0, 1.0)
        self._places: Sequence[MapPlace] = ()
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.hide()
        canvas.installEventFilter(self)
        viewer.scene.camera.events.center.connect(self._on_camera)
        viewer.scene.camera.events.zoom.connect(self._on_camera)

    def show_slide(self, picture: NDArray[np.uint8], extent_um: tuple[float, float]) -> None:
        """Show a slide.

        Args:
            picture: ``(h, w, 3)`` uint8, all of the slide.
            extent_um: Its height and width.
        """
        height, width = picture.shape[:2]
        pixels = np.ascontiguousarray(picture)
        # A copy: Qt would look at memory that numpy may free.
        self._picture = QImage(
            pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888
        ).copy()
        self._extent_um = extent_um
        self._places = ()
        self._lay_out()
        self.show()
        self.raise_()

    def show_places(self, places: Sequence[MapPlace]) -> None:
        """Mark these places, and no others."""
        self._places = places
        self.update()

    def close_map(self) -> None:
        """Leave canvas and camera alone."""
        camera = self._viewer.scene.camera
        camera.events.center.disconnect(self._on_camera)
        camera.events.zoom.disconnect(self._on_camera)
        self.setParent(None)
        self.deleteLater()

    def view_px(self) -> QRectF:
        """The rectangle of the present view on the map, at least some pixels wide and high."""
        camera, scale = self._viewer.scene.camera, self._px_per_um
        height_px, width_px = self._viewer.canvas.size
        _, y_um, x_um = camera.center
        width = max(width_px / camera.zoom * scale, _SMALLEST_VIEW_PX)
        height = max(height_px / camera.zoom * scale, _SMALLEST_VIEW_PX)
        return QRectF(x_um * scale - width / 2, y_um * scale - height / 2, width, height)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Qt's hook: keep to the corner when the canvas is resized."""
        if event.type() == QEvent.Type.Resize:
            self._lay_out()
        return False

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Qt's hook: go where was clicked."""
        self._go_to(event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Qt's hook: follow the pointer while a button is down."""
        self._go_to(event.position())

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Qt's hook: slide, places, view."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(self.rect(), self._picture)
        painter.setPen(Qt.PenStyle.NoPen)
        for place in self._places:
            painter.setBrush(QColor(place.colour))
            at = QPointF(place.x_um * self._px_per_um, place.y_um * self._px_per_um)
            painter.drawEllipse(at, _DOT_PX, _DOT_PX)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(_VIEW_COLOUR, 2))
        whole = QRectF(self.rect().adjusted(1, 1, -1, -1))
        painter.drawRect(self.view_px().intersected(whole))
        painter.setPen(QPen(_EDGE_COLOUR, 1))
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    @property
    def _px_per_um(self) -> float:
        return self.width() / self._extent_um[1]

    def _go_to(self, point: QPointF) -> None:
        x = min(max(point.x(), 0.0), float(self.width()))
        y = min(max(point.y(), 0.0), float(self.height()))
        self._viewer.scene.camera.center = (0.0, y / self._px_per_um, x / self._px_per_um)

    def _lay_out(self) -> None:
        canvas = self.parentWidget()
        if canvas is None:
            return
        height_um, width_um = self._extent_um
        beside, above = _room_px(canvas.width(), canvas.height())
        # Where it fits into the strip beside the framed region or above it, it covers none of it.
        longest = max(width_um, height_um)
        scale = max(beside / width_um, above / height_um, _LEAST_SIDE_PX / longest)
        scale = min(scale, MAP_SIDE_PX / longest)
        self.resize(max(1, round(width_um * scale)), max(1, round(height_um * scale)))
        self.move(canvas.width() - self.width() - _MARGIN_PX, _MARGIN_PX)

    def _on_camera(self, _event: object) -> None:
        self.update()


def _room_px(width: int, height: int) -> tuple[float, float]:
    """Width and height of what a square region that is read leaves free of a canvas's corner."""
    side = REGION_SHARE * min(width, height)
    return (width - side) / 2 - 2 * _MARGIN_PX, (height - side) / 2 - 2 * _MARGIN_PX
