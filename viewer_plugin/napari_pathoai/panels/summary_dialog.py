"""What was read in a session: in lines, for the window and for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

from napari_pathoai.texts.texts import text
from pathoai_annotations.journal.region_reading import Outcome, RegionKind
from pathoai_annotations.review.session_summary import ModelAgreement, ReadWork, SessionSummary

_SECONDS_PER_MINUTE = 60
_LEAST_WIDTH_PX = 420


class SummaryDialog(QDialog):
    """Shows what was read; Esc or Enter closes it.

    Args:
        summaries: One of each slide.
        parent: The window that it belongs to.
    """

    def __init__(self, summaries: Iterable[SessionSummary], parent: QWidget | None = None) -> None:
        """Build it; ``open`` shows it."""
        super().__init__(parent)
        self.setWindowTitle(text("summary_title"))
        self.setMinimumWidth(_LEAST_WIDTH_PX)
        self.words = QLabel("\n\n".join("\n".join(summary_lines(one)) for one in summaries))
        self.words.setWordWrap(True)
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.button(QDialogButtonBox.StandardButton.Close).setText(text("close"))
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(self.words)
        layout.addWidget(buttons)


def summary_lines(summary: SessionSummary) -> list[str]:
    """A summary in plain lines, in the user's language."""
    session, whole = summary.session, summary.slide
    minutes = text("summary_minutes", minutes=summary.seconds / _SECONDS_PER_MINUTE)
    lines = [
        text("summary_slide", slide_id=summary.slide_id, reader=summary.reader),
        text("summary_session", regions=session.read, seconds=minutes, actions=summary.actions),
        *_work(session),
    ]
    if whole != session:
        lines += [text("summary_whole", regions=whole.read), *_work(whole)]
    queue = summary.queue
    lines.append(text("summary_left", left=queue.left, total=queue.total, unsure=queue.unsure))
    return [*lines, *_agreement(summary.hidden, summary.shown)]


def _work(work: ReadWork) -> Iterator[str]:
    if work.read:
        outcomes = {one.value: work.of_outcome(one) for one in Outcome}
        yield f"  {text('summary_outcomes', **outcomes)}"
        kinds = {one.value: work.of_kind(one) for one in RegionKind}
        yield f"  {text('summary_kinds', **kinds)}"
    counts = {name: getattr(work, name) for name in ("accepted", "rejected", "corrected", "drawn")}
    yield f"  {text('summary_annotations', **counts)}"


def _agreement(hidden: ModelAgreement, shown: ModelAgreement) -> Iterator[str]:
    for key, found in (("summary_hidden", hidden), ("summary_shown", shown)):
        if found.mean is not None:
            yield text(key, mean=found.mean, regions=found.regions)
    if hidden.mean is not None and shown.mean is not None:
        yield text("summary_sway", points=100 * (shown.mean - hidden.mean))
