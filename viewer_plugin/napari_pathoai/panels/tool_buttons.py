"""Buttons of the drawing tools: all that keys do, the mouse does as well."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QButtonGroup,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from napari_pathoai.panels.push_button import action_button, push_button
from napari_pathoai.texts.texts import text
from napari_pathoai.tools.drawing_tools import DrawingTools
from napari_pathoai.tools.stroke_tools import LARGEST_BRUSH_PX, SMALLEST_BRUSH_PX

_COLUMNS, _EDIT_COLUMNS = 2, 3
_NARROW = "padding: 3px 1px;"
_NATIVE = QKeySequence.SequenceFormat.NativeText
_EDITS = ("undo", "redo", "delete", "fill_holes", "merge", "take_draft")
_SENSITIVITY_STEPS = 10
"""Steps of the slider in a sensitivity of 1."""
_LARGEST_SENSITIVITY = 5


class ToolButtons(QWidget):
    """The tools, exactly one pressed, and what one does to the selection.

    Args:
        tools: That are taken by them.
    """

    def __init__(self, tools: DrawingTools) -> None:
        """Build the buttons."""
        super().__init__()
        self._tools = tools
        self._actions = {action.name: action for action in tools.review_actions}
        self._group = QButtonGroup(self)
        self._buttons: dict[str, QPushButton] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(self._tool_grid())
        layout.addLayout(self._brush_row())
        layout.addLayout(self._wand_row())
        layout.addLayout(self._edit_row())
        tools.taken.connect(self._on_taken)
        self._on_taken(tools.in_hand)

    def _tool_grid(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setSpacing(2)
        for position, name in enumerate(self._tools.tools):
            button = action_button(self._actions[name])
            button.setStyleSheet(_NARROW)
            button.setCheckable(True)
            button.setToolTip(text(f"{name}_tip"))
            self._group.addButton(button)
            self._buttons[name] = button
            grid.addWidget(button, position // _COLUMNS, position % _COLUMNS)
        return grid

    def _brush_row(self) -> QHBoxLayout:
        brush = self._tools.brush
        self._brush = _slider(SMALLEST_BRUSH_PX, LARGEST_BRUSH_PX, brush.size_px)
        self._brush.valueChanged.connect(brush.set_size)
        brush.resized.connect(self._on_resized)
        return _row(text("brush_size"), self._brush)

    def _wand_row(self) -> QHBoxLayout:
        wand = self._tools.wand
        largest = _LARGEST_SENSITIVITY * _SENSITIVITY_STEPS
        slider = _slider(1, largest, round(wand.sensitivity * _SENSITIVITY_STEPS))
        slider.valueChanged.connect(self._on_sensitivity)
        return _row(text("wand_sensitivity"), slider)

    def _edit_row(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setSpacing(2)
        for position, name in enumerate(_EDITS):
            action = self._actions[name]
            button = push_button(text(name), action.run)
            button.setToolTip(QKeySequence(action.keys[0]).toString(_NATIVE))
            button.setStyleSheet(_NARROW)
            grid.addWidget(button, position // _EDIT_COLUMNS, position % _EDIT_COLUMNS)
        return grid

    def _on_taken(self, name: str) -> None:
        self._buttons[name].setChecked(True)

    def _on_resized(self, size_px: int) -> None:
        self._brush.setValue(size_px)

    def _on_sensitivity(self, steps: int) -> None:
        self._tools.wand.sensitivity = steps / _SENSITIVITY_STEPS


def _slider(least: int, most: int, value: int) -> QSlider:
    slider = QSlider(Qt.Orientation.Horizontal)
    slider.setRange(least, most)
    slider.setValue(value)
    # Keys stay with the canvas.
    slider.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return slider


def _row(label: str, widget: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.addWidget(QLabel(label))
    row.addWidget(widget)
    return row
