"""One button per class: its colour, its name and the key that chooses it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import QSize
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QButtonGroup, QPushButton, QVBoxLayout, QWidget

from napari_pathoai.panels.narrow_widgets import NarrowButton
from napari_pathoai.texts.texts import language
from pathoai.ontology import LabelClass

MOST_KEYS = 9
_SWATCH_PX = 16


class ClassButtons(QWidget):
    """The classes of an ontology, exactly one chosen.

    Args:
        classes: In the order of their keys 1 to 9; further ones have no key.
        chosen: Called with the key of the class that the user chooses.
    """

    def __init__(self, classes: Sequence[LabelClass], chosen: Callable[[str], None]) -> None:
        """Build the buttons; the first class is chosen."""
        super().__init__()
        self._chosen = chosen
        self._group = QButtonGroup(self)
        self._keys = [c.key for c in classes]
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for position, label in enumerate(classes):
            button = _button(label, position)
            self._group.addButton(button, position)
            layout.addWidget(button)
        self._group.button(0).setChecked(True)
        self._group.idClicked.connect(self._on_clicked)

    def choose(self, number: int) -> None:
        """Choose the class of a number key, from 1; a number without a class does nothing."""
        button = self._group.button(number - 1)
        if button is not None:
            button.click()

    def _on_clicked(self, position: int) -> None:
        self._chosen(self._keys[position])


def class_name(label: LabelClass) -> str:
    """A class's name in the user's language."""
    return label.name_fr if language() == "fr" else label.name


def _button(label: LabelClass, position: int) -> QPushButton:
    swatch = QPixmap(_SWATCH_PX, _SWATCH_PX)
    swatch.fill(QColor(label.colour))
    name = class_name(label)
    key = f"{position + 1}  " if position < MOST_KEYS else "     "
    button = NarrowButton(QIcon(swatch), f"{key}{name}")
    button.setIconSize(QSize(_SWATCH_PX, _SWATCH_PX))
    button.setCheckable(True)
    button.setToolTip(f"{name} ({label.key})")
    button.setStyleSheet(
        "QPushButton {text-align: left; padding: 3px 6px;}"
        f"QPushButton:checked {{border: 2px solid {label.colour}; font-weight: bold;}}"
    )
    return button
