"""Giving the keyboard back to the slide, where the keys of the review are heard."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget
from vispy.app.backends._qt import CanvasBackendDesktop


def focus_canvas(widget: QWidget) -> None:
    """Give the keyboard to the canvas of the window that a widget is docked in."""
    for canvas in widget.window().findChildren(CanvasBackendDesktop):
        canvas.setFocus(Qt.FocusReason.OtherFocusReason)
        return
