"""The tab in which a slide is read region by region: where one is, why, and what one decides."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QLabel,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from napari_pathoai.keys.actions import ReviewAction
from napari_pathoai.panels.canvas_focus import focus_canvas
from napari_pathoai.panels.comment_line import CommentLine
from napari_pathoai.panels.push_button import action_button, push_button
from napari_pathoai.panels.region_list import RegionList
from napari_pathoai.panels.region_words import compared, described, mix, place_and_kind
from napari_pathoai.panels.summary_dialog import SummaryDialog
from napari_pathoai.review import Review
from napari_pathoai.session import ReviewSession
from napari_pathoai.settings import setting
from napari_pathoai.texts.texts import text
from napari_pathoai.views.overlays import Overlays
from napari_pathoai.views.region_frame import RegionFrame
from pathoai_annotations.annotation import Status
from pathoai_annotations.review.region_review import RegionDecision, RegionReview

_GROUP = "group_reading"
_CONTROL = "control"
"""Why the model is hidden in some regions."""


class ReadingPanel(QWidget):
    """The review queue.

    Args:
        review: What it acts on.
    """

    title_key = "tab_reading"

    def __init__(self, review: Review) -> None:
        """Build the tab; a session fills it."""
        super().__init__()
        self._review = review
        self._overlays, self._frame = Overlays(review), RegionFrame(review)
        self.resumes = True
        """Whether a slide that was begun opens where its reader left off."""
        self._has_begun = False
        self._regions: RegionReview | None = None
        self._is_asked = self._is_busy = False
        self._proposal: uuid.UUID | None = None
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._begin)
        self._decisions = self._decision_actions()
        others = (
            ReviewAction("next", ("Shift+N",), _GROUP, self.next_proposal),
            ReviewAction("reading_comment", ("M",), _GROUP, self.write_comment),
        )
        self.review_actions = (*self._decisions, *others, *self._overlays.review_actions)
        self.place, self.about, self.told, self.mix = (_label() for _ in range(4))
        self.models, self.progress, self.regions_list = (
            QComboBox(),
            QProgressBar(),
            RegionList(self.jump),
        )
        self.comment = CommentLine(self.keep_comment, partial(focus_canvas, self))
        self.advance = QCheckBox()
        self._buttons = [action_button(action) for action in self._decisions]
        self._build()
        self._connect()

    @property
    def regions(self) -> RegionReview | None:
        """The queue of the slide that is shown; None where there is none, or it cannot be made."""
        session = self._review.session
        if session is not None and not self._is_asked:
            # Once: where it cannot be made, one is told once why.
            self._is_asked = True
            self._regions = self._review.guarded(lambda: session.regions)
        return self._regions

    def accept(self) -> None:
        """Stand behind the proposals that are selected, or else behind all of the region's."""
        ids, annotations = self._selected_proposals(), self._review.annotations
        if ids and annotations is not None:
            annotations.accept(ids)
            self._go_on_from(ids)
        else:
            self._decide(lambda regions, comment: regions.accept(comment))

    def reject(self) -> None:
        """Reject the proposals that are selected, or else all of the region's."""
        ids, annotations = self._selected_proposals(), self._review.annotations
        if ids and annotations is not None:
            annotations.reject(ids)
            self._go_on_from(ids)
        else:
            self._decide(lambda regions, comment: regions.reject(comment))

    def correct(self) -> None:
        """Say that one is done with the region."""
        self._decide(lambda regions, comment: regions.correct(comment))

    def unsure(self) -> None:
        """Leave the region to a second look or a second reader."""
        self._decide(lambda regions, comment: regions.unsure(comment))

    def next(self) -> None:
        """Go to the next region that is not decided; at first, to where one left off."""
        regions = self.regions
        if regions is None:
            return
        if regions.current is None:
            self._review.tell(text("reading_none"))
        elif not self._has_begun:
            self.show_current()
        elif not self.keep_comment():
            return
        elif regions.next() is None:
            self._review.tell(text("reading_all_read"))
            self._review.reload()
        else:
            self.show_current()

    def next_proposal(self) -> None:
        """Judge proposals one by one, wherever they lie: show the next, least confident first."""
        found = self._review.show_next_proposal()
        self._proposal = None if found is None else found.id
        if found is None:
            self._review.tell(text("no_proposal"))

    def previous(self) -> None:
        """Go to the region before."""
        regions = self.regions
        if regions is not None and self.keep_comment() and regions.previous() is not None:
            self.show_current()

    def jump(self, position: int) -> None:
        """Go to a place of the queue, from 0."""
        regions = self.regions
        if regions is not None and (position == regions.position or self.keep_comment()):
            regions.jump(position)
            self.show_current()

    def show_current(self) -> None:
        """Bring the region that is to be read into view, with the model's work or without."""
        regions = self.regions
        if regions is None or (here := regions.current) is None:
            return
        if not self._has_begun:
            self._has_begun = True
            self._review.panel_wanted.emit(self)
        self._overlays.show()
        with self._own_doing():
            self._review.hide_model(regions.hides_model, why=_CONTROL, reload=False)
            self._review.guarded(regions.enter)
            self._review.show_region(here.region)
            if self._review.annotations is not None:
                self._review.annotations.show(self._review.region_in_view())
        self.told.clear()
        self._fill()
        self._review.region_shown.emit(here)

    def write_comment(self) -> None:
        """Put the keyboard into the line of the comment, with the region it is on in view."""
        if not self._has_begun:
            self.show_current()
        self._review.panel_wanted.emit(self)
        self.comment.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def keep_comment(self) -> bool:
        """Keep what is written in the line of the comment, on the region at which it was written.

        Returns:
            False where it may not be kept: one is told why, and it is still in the line.
        """
        session, words = self._review.session, self.comment.words
        if session is None or words is None:
            return True
        if not self._review.guarded(lambda: self._say_of_region(session, words)):
            return False
        self.comment.clear()
        self._review.tell(text("reading_comment_kept"))
        self._review.edited.emit()
        return True

    def show_summary(self) -> None:
        """Tell what was read."""
        session = self._review.session
        summary = self._review.guarded(session.summary) if session is not None else None
        if summary is not None:
            dialog = SummaryDialog([summary], self.window())
            dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            dialog.open()

    def _decide(self, decide: Callable[[RegionReview, str | None], RegionDecision]) -> None:
        regions = self.regions
        if regions is None or regions.current is None:
            self._review.tell(text("reading_none"))
            return
        if not self._has_begun:
            # Nobody decides what he has not seen.
            self.show_current()
            return
        done = self._review.guarded(lambda: decide(regions, self.comment.words))
        if done is None:
            return
        self.comment.clear()
        self._review.cover()
        if done.comparison is not None:
            # He sees what the model says before he goes on.
            self._review.hide_model(False, why=_CONTROL)
            self._fill()
            self.told.setText(compared(done.comparison))
        elif self.advance.isChecked():
            self.next()
        else:
            self._review.reload()

    def _say_of_region(self, session: ReviewSession, words: str) -> bool:
        if self._regions is not None:
            self._regions.comment(words)
        else:
            session.journal.comment(words, slide_id=session.slide_id, author=session.reader)
            session.note_edits(1)
        return True

    @contextmanager
    def _own_doing(self) -> Iterator[None]:
        """While this holds, what is edited needs no answer: the region is shown anyway."""
        self._is_busy = True
        try:
            yield
        finally:
            self._is_busy = False

    def _go_on_from(self, ids: list[uuid.UUID]) -> None:
        """Who judges proposals one by one sees the next one."""
        if self._proposal in ids and self.advance.isChecked():
            self.next_proposal()

    def _selected_proposals(self) -> list[uuid.UUID]:
        session, annotations = self._review.session, self._review.annotations
        if session is None or annotations is None:
            return []
        return [one for one in annotations.selected if session.get(one).status is Status.PROPOSED]

    def _decision_actions(self) -> tuple[ReviewAction, ...]:
        return (
            ReviewAction("reading_accept", ("Y",), _GROUP, self.accept),
            ReviewAction("reading_reject", ("X",), _GROUP, self.reject),
            ReviewAction("reading_correct", ("C",), _GROUP, self.correct),
            ReviewAction("reading_unsure", ("U",), _GROUP, self.unsure),
            ReviewAction("reading_previous", ("P",), _GROUP, self.previous),
            ReviewAction("reading_next", ("N",), _GROUP, self.next),
        )

    def _build(self) -> None:
        self.models.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.models.activated.connect(self._on_model)
        self.advance.setText(text("reading_advance"))
        self.advance.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.advance.setChecked(bool(setting("auto_advance")))
        self.place.setStyleSheet("font-weight: bold;")
        self.progress.setTextVisible(False)
        self.progress.setMaximumHeight(6)
        layout, grid = QVBoxLayout(self), QGridLayout()
        for at, button in enumerate(self._buttons):
            grid.addWidget(button, at // 2, at % 2)
        for part in (self.models, self.mix, self.progress, self.place, self.about):
            layout.addWidget(part)
        layout.addLayout(grid)
        layout.addWidget(self.comment)
        layout.addWidget(self.told)
        layout.addWidget(self.regions_list, stretch=1)
        layout.addWidget(self.advance)
        layout.addWidget(action_button(self._overlays.review_actions[0]))
        layout.addWidget(push_button(text("reading_summary"), self.show_summary))

    def _connect(self) -> None:
        self._review.opened.connect(self._on_opened)
        self._review.closing.connect(self._on_closing)
        self._review.edited.connect(self._on_edited)

    def _on_opened(self, session: ReviewSession) -> None:
        self._forget()
        self.models.clear()
        self.models.addItems(session.predictions)
        self.models.setVisible(len(session.predictions) > 1)
        # The slide comes first: to rank its regions takes a moment.
        self._soon.start()

    def _begin(self) -> None:
        regions = self.regions
        if regions is None:
            return
        self.models.setCurrentText(regions.queue.model)
        if regions.queue.misses_tissue:
            self._review.say(text("reading_no_tissue"))
        self.regions_list.fill(regions)
        self._review.cover()
        self._fill()
        if self.resumes and not self._has_begun and regions.counts.left < regions.counts.total:
            self.show_current()

    def _on_closing(self) -> None:
        self.keep_comment()
        self._forget()
        self.regions_list.setRowCount(0)
        for label in (self.place, self.about, self.told, self.mix):
            label.clear()

    def _forget(self) -> None:
        self._soon.stop()
        # What could not be kept is none of the next slide's.
        self.comment.clear()
        self._has_begun = self._is_asked = False
        self._regions = self._proposal = None

    def _on_edited(self) -> None:
        """After an undo a decision may be open again: go there."""
        regions = self.regions if self._has_begun and not self._is_busy else None
        if regions is None:
            return
        opened = regions.refresh()
        self._review.cover()
        if opened and self.keep_comment():
            regions.jump(opened[-1])
            self.show_current()
        else:
            self._fill()

    def _on_model(self, _position: int) -> None:
        session, model = self._review.session, self.models.currentText()
        if session is None or self.regions is None or self.regions.queue.model == model:
            return
        if not self.keep_comment():
            self.models.setCurrentText(self.regions.queue.model)
            return
        self._review.hide_model(False, why=_CONTROL)
        self._review.guarded(partial(session.read_model, model))
        self._on_opened(session)

    def _fill(self) -> None:
        """State of the queue, and of the region that is shown."""
        regions = self.regions
        session = self._review.session
        has_region = regions is not None and regions.current is not None
        for button in self._buttons:
            button.setEnabled(has_region)
        if regions is None or session is None:
            return
        counts = regions.counts
        self.mix.setText(mix(regions.queue))
        self.progress.setRange(0, max(1, counts.total))
        self.progress.setValue(counts.total - counts.left)
        self.progress.setToolTip(
            text("reading_progress", decided=counts.decided, unsure=counts.unsure, left=counts.left)
        )
        self.regions_list.refresh(regions, shown=self._has_begun)
        self._fill_region(regions, session)

    def _fill_region(self, regions: RegionReview, session: ReviewSession) -> None:
        place, total = regions.position + 1, len(regions.queue)
        if not total:
            self.place.setText(text("reading_none"))
        elif not self._has_begun:
            self.place.setText(text("reading_start", place=place, total=total))
        else:
            self.place.setText(place_and_kind(regions))
        about = described(regions, session.ontology) if self._has_begun and total else ""
        self.about.setText(about)
        hidden = self._has_begun and regions.hides_model
        accept, reject = self._buttons[:2]
        accept.setVisible(not hidden)
        reject.setVisible(not hidden)


def _label() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    return label
