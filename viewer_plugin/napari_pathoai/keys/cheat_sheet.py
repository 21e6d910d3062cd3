"""The sheet of keys: every action with its keys, by group."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import groupby

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from napari_pathoai.keys.actions import ReviewAction
from napari_pathoai.texts.texts import text

_MOST_ROWS = 28


class CheatSheet(QDialog):
    """Shows what every key does; any key of the dialog's own closes it.

    Args:
        actions: What can be done.
        parent: The window that it belongs to.
    """

    def __init__(self, actions: Iterable[ReviewAction], parent: QWidget | None = None) -> None:
        """Build the sheet; ``show`` opens it."""
        super().__init__(parent)
        self.setWindowTitle(text("keys_title"))
        groups: dict[str, list[ReviewAction]] = defaultdict(list)
        for name, alike in groupby(actions, key=lambda action: (action.group, action.name)):
            if keyed := [action for action in alike if action.keys]:
                groups[name[0]].append(_joined(keyed))
        layout, columns = QVBoxLayout(self), QHBoxLayout()
        for column in _columns(groups):
            grid = QGridLayout()
            for row, entry in enumerate(column):
                _fill(grid, row, entry)
            grid.setRowStretch(len(column), 1)
            columns.addLayout(grid)
        layout.addLayout(columns)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.button(QDialogButtonBox.StandardButton.Close).setText(text("close"))
        buttons.rejected.connect(self.reject)
        layout.addWidget(buttons)


def _joined(alike: list[ReviewAction]) -> ReviewAction:
    """Actions that differ in a number, such as nine classes, as one from the first to the last."""
    first, last = alike[0], alike[-1]
    if first is last:
        return first
    keys = (f"{_spelled(first)} – {_spelled(last)}",)
    values: dict[str, object] = {
        name: f"{value} – {last.values[name]}" for name, value in first.values.items()
    }
    return ReviewAction(first.name, keys, first.group, first.run, values)


def _spelled(action: ReviewAction) -> str:
    native = QKeySequence.SequenceFormat.NativeText
    return " / ".join(QKeySequence(key).toString(native) or key for key in action.keys)


def _columns(groups: dict[str, list[ReviewAction]]) -> list[list[str | ReviewAction]]:
    """Titles and actions in columns of like length; a group is never torn."""
    columns: list[list[str | ReviewAction]] = [[]]
    for group, actions in groups.items():
        if columns[-1] and len(columns[-1]) + len(actions) + 1 > _MOST_ROWS:
            columns.append([])
        columns[-1] += [group, *actions]
    return columns


def _fill(grid: QGridLayout, row: int, entry: str | ReviewAction) -> None:
    if isinstance(entry, str):
        title = QLabel(f"<b>{text(entry)}</b>")
        grid.addWidget(title, row, 0, 1, 2)
        return
    label = QLabel(_spelled(entry))
    label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    grid.addWidget(label, row, 0)
    grid.addWidget(QLabel(text(entry.name, **entry.values)), row, 1)
