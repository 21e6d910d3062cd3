"""Single keys of the review: they reach the widget whatever layer is selected.

napari gives the selected layer's keys precedence over the viewer's (napari#7302), so they are taken
from the canvas before napari sees them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeyEvent


class ReviewKeys(QObject):
    """An event filter that calls an action for a key pressed without modifiers.

    Args:
        actions: By the text of their key, in lower case.
        is_active: False while keys belong to napari, e.g. during drawing.
    """

    def __init__(
        self, actions: Mapping[str, Callable[[], None]], is_active: Callable[[], bool]
    ) -> None:
        """Keep the actions; ``installEventFilter`` makes them live."""
        super().__init__()
        self._actions = actions
        self._is_active = is_active

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Qt's hook: True keeps the event from napari."""
        if not isinstance(event, QKeyEvent):
            return False
        plain = event.modifiers() in (
            Qt.KeyboardModifier.NoModifier,
            Qt.KeyboardModifier.KeypadModifier,
        )
        action = self._actions.get(event.text().lower())
        if action is None or not plain or not self._is_active():
            return False
        if event.type() == QEvent.Type.KeyPress and not event.isAutoRepeat():
            action()
        return True
