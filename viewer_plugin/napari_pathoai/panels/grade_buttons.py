"""The grades that a slide can be given, one button each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QButtonGroup, QPushButton, QVBoxLayout, QWidget

from napari_pathoai.panels.class_buttons import class_name
from napari_pathoai.panels.narrow_widgets import NarrowButton
from pathoai.ontology import LabelClass

_SWATCH_PX = 14


class GradeButtons(QWidget):
    """The grades, at most one of them chosen.

    Args:
        grades: From least to most severe.
        chosen: Called with the key of the grade that the user chooses.
    """

    def __init__(self, grades: Sequence[LabelClass], chosen: Callable[[str], None]) -> None:
        """Build the buttons; none is chosen."""
        super().__init__()
        self._group = QButtonGroup(self)
        self._buttons: dict[str, QPushButton] = {}
        keys = [grade.key for grade in grades]
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for position, grade in enumerate(grades):
            button = _button(grade)
            self._group.addButton(button, position)
            self._buttons[grade.key] = button
            layout.addWidget(button)
        self._group.idClicked.connect(lambda position: chosen(keys[position]))

    def show_chosen(self, key: str) -> None:
        """Show which grade is chosen; nothing where it is none of these."""
        if key in self._buttons:
            self._buttons[key].setChecked(True)

    def button(self, key: str) -> QPushButton:
        """The button of a grade."""
        return self._buttons[key]


def swatch(colour: str, side_px: int = _SWATCH_PX) -> QIcon:
    """A square of a colour."""
    picture = QPixmap(side_px, side_px)
    picture.fill(QColor(colour))
    return QIcon(picture)


def _button(grade: LabelClass) -> QPushButton:
    button = NarrowButton(swatch(grade.colour), class_name(grade))
    button.setIconSize(QSize(_SWATCH_PX, _SWATCH_PX))
    button.setCheckable(True)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    button.setToolTip(f"{class_name(grade)} ({grade.key})")
    button.setStyleSheet(
        "QPushButton {text-align: left; padding: 2px 6px;}"
        f"QPushButton:checked {{border: 2px solid {grade.colour}; font-weight: bold;}}"
    )
    return button
