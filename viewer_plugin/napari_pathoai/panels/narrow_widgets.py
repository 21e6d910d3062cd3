"""Widgets that fit a narrow dock, however long their words are: what is cut off is in the tip."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QFontMetrics, QIcon, QResizeEvent
from qtpy.QtWidgets import QComboBox, QListWidget, QPushButton

_LEAST_WIDTH_PX = 80
_FRAME_PX = 28


class NarrowButton(QPushButton):
    """A button with … in the middle of its words where there is no room for them.

    Names of classes often differ only in how they end, as grades do.

    Args:
        icon: Before the words.
        words: In full.
    """

    def __init__(self, icon: QIcon, words: str) -> None:
        """Build it; the tip says the words in full."""
        super().__init__(icon, words)
        self._words = words
        self.setToolTip(words)

    def sizeHint(self) -> QSize:
        """Qt's hook."""
        return QSize(_LEAST_WIDTH_PX, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        """Qt's hook."""
        return self.sizeHint()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Qt's hook: as many words as there is room for."""
        super().resizeEvent(event)
        room = self.width() - self.iconSize().width() - _FRAME_PX
        # A chosen button is bold, and its words are wider.
        font = self.font()
        font.setBold(True)
        metrics = QFontMetrics(font)
        self.setText(metrics.elidedText(self._words, Qt.TextElideMode.ElideMiddle, room))


class NarrowComboBox(QComboBox):
    """A choice that is no wider than there is room; its list is as wide as its words."""

    def __init__(self) -> None:
        """Build it, empty."""
        super().__init__()
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)


class NarrowList(QListWidget):
    """A list whose rows end in … where there is no room; each has its words as a tip."""

    def __init__(self) -> None:
        """Build it, empty."""
        super().__init__()
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)

    def add(self, words: str) -> None:
        """Add a row."""
        self.addItem(words)
        self.item(self.count() - 1).setToolTip(words)
