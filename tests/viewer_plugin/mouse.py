"""Movements of the mouse, told to a widget alone.

QTest moves the pointer of the whole display, which all windows of all tests share: the topmost one
would get the movement, and another test's movement would come to ours.
"""

from __future__ import annotations

from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget

_NONE = Qt.MouseButton.NoButton
_APART_MS = 10
"""napari hears of movements that are 5 ms apart."""


def move_mouse(
    widget: QWidget,
    point: QPoint,
    *,
    down: Qt.MouseButton = _NONE,
    held: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
) -> None:
    """Move over a widget to a point of it, with a button down and keys held."""
    event = QMouseEvent(
        QEvent.Type.MouseMove,
        QPointF(point),
        QPointF(widget.mapToGlobal(point)),
        _NONE,
        down,
        held,
    )
    QApplication.sendEvent(widget, event)
    QTest.qWait(_APART_MS)
