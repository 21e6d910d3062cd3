"""The regions of a queue in a table: place, why it is there, what was decided."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from napari_pathoai.panels.region_words import outcome_word
from napari_pathoai.texts.texts import text
from pathoai_annotations.review.region_review import RegionReview

_PLACE, _KIND, _OUTCOME = range(3)
_LEAST_HEIGHT_PX = 120
_ROOM_PX = 6


class RegionList(QTableWidget):
    """A row per region; a click goes there. The keyboard stays with the slide.

    Args:
        chosen: Called with the place in the queue, from 0, that the user clicks.
    """

    def __init__(self, chosen: Callable[[int], None]) -> None:
        """An empty table."""
        super().__init__(0, 3)
        self.horizontalHeader().hide()
        self.verticalHeader().hide()
        for column, mode in (
            (_PLACE, QHeaderView.ResizeMode.ResizeToContents),
            (_KIND, QHeaderView.ResizeMode.Stretch),
            (_OUTCOME, QHeaderView.ResizeMode.ResizeToContents),
        ):
            self.horizontalHeader().setSectionResizeMode(column, mode)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + _ROOM_PX)
        self.setShowGrid(False)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setMinimumHeight(_LEAST_HEIGHT_PX)
        self.cellClicked.connect(lambda row, _column: chosen(row))

    def sizeHint(self) -> QSize:
        """Qt's hook: it takes what room is left, and pushes nothing out of sight."""
        return QSize(super().sizeHint().width(), _LEAST_HEIGHT_PX)

    def fill(self, regions: RegionReview) -> None:
        """Show the regions of a queue."""
        self.setRowCount(len(regions.queue))
        for row, one in enumerate(regions.queue.regions):
            self.setItem(row, _PLACE, QTableWidgetItem(str(row + 1)))
            self.setItem(row, _KIND, QTableWidgetItem(text(f"kind_{one.kind.value}")))
            self.setItem(row, _OUTCOME, QTableWidgetItem())

    def refresh(self, regions: RegionReview, *, shown: bool) -> None:
        """Show what was decided, and where the reader is.

        Args:
            regions: Whose queue the table is filled with.
            shown: Whether he is at a region already.
        """
        for row in range(self.rowCount()):
            item, word = self.item(row, _OUTCOME), outcome_word(regions, row)
            if item is not None and item.text() != word:
                item.setText(word)
        if shown and regions.position < self.rowCount():
            self.selectRow(regions.position)
            self.scrollTo(self.model().index(regions.position, _PLACE))
        else:
            self.clearSelection()
