"""The tabs of the dock in rows: in a narrow one a bar of tabs hides some behind arrows."""

from __future__ import annotations

from functools import partial

from qtpy.QtWidgets import QButtonGroup, QGridLayout, QTabWidget, QWidget

from napari_pathoai.panels.push_button import push_button

_COLUMNS = 4
_NARROW = "padding: 3px 1px;"


class TabButtons(QWidget):
    """One button per tab, that of the tab in front pressed.

    Args:
        tabs: Whose own bar is hidden; all tabs are there already.
    """

    def __init__(self, tabs: QTabWidget) -> None:
        """Build the buttons."""
        super().__init__()
        self._group = QButtonGroup(self)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(2)
        for at in range(tabs.count()):
            button = push_button(tabs.tabText(at), partial(tabs.setCurrentIndex, at))
            button.setCheckable(True)
            button.setStyleSheet(_NARROW)
            self._group.addButton(button, at)
            grid.addWidget(button, at // _COLUMNS, at % _COLUMNS)
        tabs.tabBar().hide()
        tabs.currentChanged.connect(self._on_changed)
        self._on_changed(tabs.currentIndex())

    def button(self, at: int) -> QWidget:
        """The button of a tab, from 0."""
        return self._group.button(at)

    def _on_changed(self, at: int) -> None:
        self._group.button(at).setChecked(True)
