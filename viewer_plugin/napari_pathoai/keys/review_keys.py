"""Keys of the review: they reach it whatever layer is selected.

napari gives the selected layer's keys precedence over the viewer's (napari#7302), so they are taken
from the canvas before napari sees them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeyEvent, QKeySequence

from napari_pathoai.keys.actions import ReviewAction, WhileDrawing, by_key

_HEARD = (QEvent.Type.KeyPress, QEvent.Type.ShortcutOverride, QEvent.Type.KeyRelease)


class ReviewKeys(QObject):
    """An event filter that runs the action of a key.

    Args:
        actions: What can be done.
        is_active: False while keys belong to napari.
        is_drawing: True in the midst of an outline.
    """

    def __init__(
        self,
        actions: Iterable[ReviewAction],
        is_active: Callable[[], bool],
        is_drawing: Callable[[], bool] = lambda: False,
    ) -> None:
        """Keep the actions; ``installEventFilter`` makes them live."""
        super().__init__()
        self._actions = {_normal(key): action for key, action in by_key(actions).items()}
        self._is_active = is_active
        self._is_drawing = is_drawing

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Qt's hook: True keeps the event from napari."""
        if not isinstance(event, QKeyEvent) or event.type() not in _HEARD:
            return False
        action = self._actions.get(_pressed(event))
        runs = action is not None
        if self._is_drawing():
            if _passes(action, event):
                return False
            runs = action is not None and action.while_drawing is WhileDrawing.RUNS
        elif action is None or not self._is_active():
            return False
        # Accepted here, a key is no shortcut of a menu and comes back as a press.
        event.accept()
        is_press = event.type() == QEvent.Type.KeyPress and not event.isAutoRepeat()
        if action is not None and runs and is_press:
            action.run()
        return True


def _passes(action: ReviewAction | None, event: QKeyEvent) -> bool:
    """Whether a key reaches napari in the midst of an outline.

    By a mere letter or digit napari takes another of its modes, which would lose the outline.
    """
    if action is not None:
        return action.while_drawing is WhileDrawing.PASSES
    text = event.text()
    return not text.isprintable() or text.isspace() or not text


def _normal(keys: str) -> str:
    return QKeySequence(keys).toString(QKeySequence.SequenceFormat.PortableText)


def _pressed(event: QKeyEvent) -> str:
    """The key with its modifiers, as `_normal` spells it.

    A character that takes Shift to type, such as ``?``, is the same key on every keyboard, so Shift
    counts only with letters and keys without a character.
    """
    modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
    text = event.text()
    if text and text.isprintable() and not text.isalpha() and not text.isspace():
        modifiers &= ~Qt.KeyboardModifier.ShiftModifier
    return QKeySequence(modifiers.value | event.key()).toString(
        QKeySequence.SequenceFormat.PortableText
    )
