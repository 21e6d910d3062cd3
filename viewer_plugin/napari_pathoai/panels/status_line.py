"""What is always in sight: what was said last, how the slide's annotations stand, what is saved."""

from __future__ import annotations

from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_pathoai.review import Review
from napari_pathoai.session import SavedState
from napari_pathoai.texts.texts import text


class StatusLine(QWidget):
    """Below every tab.

    Args:
        review: What it tells of.
    """

    def __init__(self, review: Review) -> None:
        """Tell nothing until a session is shown."""
        super().__init__()
        self._review = review
        self.counts, self.partial, self.message, self.saved = (QLabel() for _ in range(4))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for label in (self.counts, self.partial, self.message, self.saved):
            label.setWordWrap(True)
            layout.addWidget(label)
        review.said.connect(self._on_said)
        review.edited.connect(self.refresh)
        review.opened.connect(self._on_opened)

    def refresh(self) -> None:
        """Read the state of the session."""
        session, annotations = self._review.session, self._review.annotations
        if session is None or annotations is None:
            return
        counts = {status.value: count for status, count in session.counts().items()}
        self.counts.setText(text("counts", **counts))
        self.saved.setText(saved_text(session.saved))
        shown, total = annotations.shown_count, annotations.total
        self.partial.setText(text("in_view", shown=shown, total=total) if shown < total else "")
        self.partial.setVisible(shown < total)

    def _on_said(self, message: str) -> None:
        self.message.setText(message)

    def _on_opened(self, _session: object) -> None:
        self.message.clear()
        self.refresh()


def saved_text(saved: SavedState) -> str:
    """What the reader is told of the journal, with the local time of the last edit."""
    if saved.last is None:
        return text("saved_none")
    key = "saved_one" if saved.edits == 1 else "saved_many"
    return text(key, edits=saved.edits, time=saved.last.strftime("%H:%M:%S"))
