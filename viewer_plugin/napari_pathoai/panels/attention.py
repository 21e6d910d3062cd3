"""When the reader is there: what he does at the window drives the clock of the session."""

from __future__ import annotations

import time

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QWidget
from vispy.app.backends._qt import CanvasBackendDesktop

from napari_pathoai.review import Review

_SIGNS = (
    QEvent.Type.KeyPress,
    QEvent.Type.MouseButtonPress,
    QEvent.Type.MouseMove,
    QEvent.Type.Wheel,
)
_FOCUS = {QEvent.Type.WindowActivate: True, QEvent.Type.WindowDeactivate: False}


class Attention(QObject):
    """An event filter that takes nothing away.

    Args:
        review: Whose session is timed.
    """

    def __init__(self, review: Review) -> None:
        """See nothing until a window is watched."""
        super().__init__()
        self._review = review

    def watch(self, window: QWidget) -> None:
        """Watch a window and the slide in it; watching twice does no harm."""
        window.installEventFilter(self)
        for canvas in window.findChildren(CanvasBackendDesktop):
            canvas.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Qt's hook: False lets everybody else have the event."""
        session, kind = self._review.session, event.type()
        if session is None:
            return False
        if kind in _SIGNS:
            session.clock.touch(time.monotonic())
        elif kind in _FOCUS:
            session.clock.focus(time.monotonic(), _FOCUS[kind])
        return False
