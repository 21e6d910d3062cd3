"""A button that runs an action, and says by which key it is run as well."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QPushButton

from napari_pathoai.keys.actions import ReviewAction
from napari_pathoai.texts.texts import text


def push_button(label: str, run: Callable[[], object]) -> QPushButton:
    """A button; it leaves the keyboard to the canvas."""
    button = QPushButton(label)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    # Qt passes whether the button is checked, which no action takes.
    button.clicked.connect(lambda _checked=False: run())
    return button


def action_button(action: ReviewAction) -> QPushButton:
    """The button of an action, with its first key."""
    label = text(action.name, **action.values)
    if action.keys:
        key = QKeySequence(action.keys[0]).toString(QKeySequence.SequenceFormat.NativeText)
        label = f"{label}  ({key})"
    return push_button(label, action.run)
