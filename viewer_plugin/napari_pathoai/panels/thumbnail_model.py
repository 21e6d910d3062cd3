"""A page of proposals as Qt's list shows it: pictures are asked for when they come into sight."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence

from qtpy.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QSize, Qt
from qtpy.QtGui import QColor, QImage, QPixmap

from napari_pathoai.panels.thumbnail_loader import ThumbnailLoader
from pathoai_annotations.annotation import Annotation

_MOST_KEPT = 1000
"""Pictures in memory, 25 KB each: two pages."""

Index = QModelIndex | QPersistentModelIndex


class ThumbnailModel(QAbstractListModel):
    """The proposals of a page.

    Args:
        loader: Makes their pictures.
        tip: What is said of one while the mouse rests on it.
        side_px: Of the pictures.
    """

    def __init__(
        self, loader: ThumbnailLoader, tip: Callable[[Annotation], str], side_px: int
    ) -> None:
        """An empty page."""
        super().__init__()
        self._loader, self._tip = loader, tip
        self._rows: list[Annotation] = []
        self._row_of: dict[uuid.UUID, int] = {}
        self._pictures: OrderedDict[uuid.UUID, QPixmap] = OrderedDict()
        self._empty = QPixmap(QSize(side_px, side_px))
        self._empty.fill(QColor("#808080"))
        loader.made.connect(self._on_made)

    @property
    def pictures(self) -> int:
        """How many pictures are in memory."""
        return len(self._pictures)

    def show(self, proposals: Sequence[Annotation]) -> None:
        """Show another page, or what is left of this one."""
        self.beginResetModel()
        self._rows = list(proposals)
        self._row_of = {one.id: row for row, one in enumerate(self._rows)}
        self._loader.forget()
        self.endResetModel()

    def at(self, row: int) -> Annotation:
        """The proposal of a row."""
        return self._rows[row]

    @property
    def proposals(self) -> list[Annotation]:
        """All of the page."""
        return list(self._rows)

    def rowCount(self, parent: Index | None = None) -> int:
        """Qt's hook."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Qt's hook: picture, sureness and tip of a row."""
        if not index.isValid():
            return None
        one = self._rows[index.row()]
        if role == Qt.ItemDataRole.DecorationRole:
            return self._picture(one)
        if role == Qt.ItemDataRole.DisplayRole:
            return "" if one.confidence is None else f"{one.confidence:.0%}"
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(one)
        return None

    def _picture(self, one: Annotation) -> QPixmap:
        found = self._pictures.get(one.id)
        if found is None:
            self._loader.want(one)
            return self._empty
        self._pictures.move_to_end(one.id)
        return found

    def _on_made(self, annotation_id: uuid.UUID, image: QImage) -> None:
        self._pictures[annotation_id] = QPixmap.fromImage(image)
        while len(self._pictures) > _MOST_KEPT:
            self._pictures.popitem(last=False)
        row = self._row_of.get(annotation_id)
        if row is not None:
            index = self.index(row, 0)
            self.dataChanged.emit(index, index, [Qt.ItemDataRole.DecorationRole])
