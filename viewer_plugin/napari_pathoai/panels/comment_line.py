"""The line in which a comment on a region is written."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QLineEdit

from napari_pathoai.texts.texts import text
from pathoai_annotations.journal.edit import LONGEST_COMMENT


class CommentLine(QLineEdit):
    """A line that gives the keyboard back to the slide at Enter and Esc.

    Args:
        kept: Called at Enter, to keep what was written; False where it may not be kept: the
            keyboard stays here then.
        done: Called to give the keyboard back.
    """

    def __init__(self, kept: Callable[[], bool], done: Callable[[], None]) -> None:
        """An empty line."""
        super().__init__()
        self._kept, self._done = kept, done
        self.setPlaceholderText(text("reading_comment_hint"))
        self.setMaxLength(LONGEST_COMMENT)
        self.returnPressed.connect(self._on_return)

    @property
    def words(self) -> str | None:
        """What was written; None where nothing was."""
        return self.text().strip() or None

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Qt's hook: at Esc the text stays."""
        if event.key() == Qt.Key.Key_Escape:
            self._done()
            return
        super().keyPressEvent(event)

    def _on_return(self) -> None:
        if self._kept():
            self._done()
