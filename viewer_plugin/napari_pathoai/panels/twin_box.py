"""The other stain of a slide: beside it or over it, and how far to believe what lies on what."""

from __future__ import annotations

from functools import partial

import numpy as np
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLabel, QSlider, QWidget

from napari_pathoai.keys.actions import ReviewAction
from napari_pathoai.picture.twin import may_be_registered, stain_name, twins_of
from napari_pathoai.review import Review
from napari_pathoai.session import ReviewSession
from napari_pathoai.texts.texts import text
from napari_pathoai.views.twin_overlay import TwinOverlay
from napari_pathoai.views.twin_view import TwinView
from pathoai.registration.passage import Passage, passage_between
from pathoai.registration.tile_quality import TileState
from pathoai.study.cohort import CohortRow

_OPACITY_STEPS = 100
_OPACITY = 60
"""In per cent: the other stain is read, and the nuclei below it are still seen."""
_RESTS_MS = 150
_HINTS = {
    TileState.BELIEVABLE: "twin_believable",
    TileState.REFUSED: "twin_refused",
    TileState.NO_TISSUE: "twin_no_tissue",
}


class TwinBox(QWidget):
    """Which other stain is shown, and how.

    Args:
        review: What is looked at.
    """

    def __init__(self, review: Review) -> None:
        """Build the controls; a session fills them."""
        super().__init__()
        self._review = review
        self._twins: tuple[CohortRow, ...] = ()
        self._passage: Passage | None = None
        self.view, self.overlay = TwinView(review.viewer), TwinOverlay(review.viewer)
        self.beside, self.over = QCheckBox(text("twin")), QCheckBox(text("twin_over"))
        self.choice, self.hint = QComboBox(), QLabel()
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        over = ReviewAction("twin_over", ("I",), "group_view", self.toggle_over)
        self.review_actions = (over,)
        self._resting = QTimer(self)
        self._resting.setSingleShot(True)
        self._resting.setInterval(_RESTS_MS)
        self._resting.timeout.connect(self._show_hint)
        self._build()
        review.opened.connect(self._on_opened)
        review.closing.connect(self._on_closing)
        review.viewer.scene.camera.events.center.connect(self._on_moved)

    def toggle_over(self) -> None:
        """Lay the other stain over the slide, or take it away."""
        if self.over.isEnabled():
            self.over.setChecked(not self.over.isChecked())
        else:
            self._review.tell(self.over.toolTip())

    def _build(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        self.opacity.setRange(0, _OPACITY_STEPS)
        self.opacity.setValue(_OPACITY)
        # The keyboard stays with the slide.
        self.opacity.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.hint.setWordWrap(True)
        self.beside.toggled.connect(self._show_beside)
        self.over.toggled.connect(self._show_over)
        self.opacity.valueChanged.connect(self._on_opacity)
        self.choice.activated.connect(self._on_choice)
        grid.addWidget(self.choice, 0, 0, 1, 2)
        grid.addWidget(self.beside, 1, 0, 1, 2)
        grid.addWidget(self.over, 2, 0, 1, 2)
        grid.addWidget(QLabel(text("opacity")), 3, 0)
        grid.addWidget(self.opacity, 3, 1)
        grid.addWidget(self.hint, 4, 0, 1, 2)

    def _on_opened(self, session: ReviewSession) -> None:
        self._twins = twins_of(session.study, session.slide_id)
        self.choice.clear()
        self.choice.addItems([f"{stain_name(t)} {t.slide_id}" for t in self._twins])
        self.choice.setVisible(len(self._twins) > 1)
        self.beside.setEnabled(bool(self._twins))
        self.beside.setToolTip("" if self._twins else text("twin_none"))
        self._choose()

    def _on_closing(self) -> None:
        self._resting.stop()
        self.beside.setChecked(False)
        self.over.setChecked(False)
        self._passage = None

    def _choose(self) -> None:
        """Find the way to the chosen twin, where the pair is registered."""
        self._passage = self._way()
        is_registered = self._passage is not None
        self.over.setEnabled(is_registered)
        self.over.setToolTip("" if is_registered else text("twin_unregistered"))
        if not is_registered:
            self.over.setChecked(False)
        self.opacity.setEnabled(is_registered)
        self._show_hint()

    def _way(self) -> Passage | None:
        session, row = self._review.session, self._row
        if session is None or row is None:
            return None
        if not may_be_registered(session.study, session.slide_id, row):
            return None
        way = partial(passage_between, session.study, session.slide_id, row.slide_id)
        return self._review.guarded(way)

    @property
    def _row(self) -> CohortRow | None:
        return self._twins[max(0, self.choice.currentIndex())] if self._twins else None

    def _on_choice(self, _position: int) -> None:
        self._choose()
        self._show_beside(self.beside.isChecked())
        self._show_over(self.over.isChecked())

    def _show_beside(self, wanted: bool) -> None:
        session, row = self._review.session, self._row
        if not wanted or session is None or row is None:
            self.view.close()
            return
        self._review.guarded(partial(self.view.open, session.study, row, self._passage))

    def _show_over(self, wanted: bool) -> None:
        session, row, passage = self._review.session, self._row, self._passage
        if not wanted or session is None or row is None or passage is None:
            self.overlay.close()
            return
        share = self.opacity.value() / _OPACITY_STEPS
        show = partial(self.overlay.open, session.study, session.store, row, passage, share)
        self._review.guarded(show)

    def _on_opacity(self, percent: int) -> None:
        self.overlay.set_opacity(percent / _OPACITY_STEPS)

    def _on_moved(self, _event: object) -> None:
        if self._passage is not None:
            self._resting.start()

    def _show_hint(self) -> None:
        """Say how far the alignment can be believed in the middle of the view."""
        session, passage = self._review.session, self._passage
        if session is None or not self._twins:
            self.hint.setText("")
        elif passage is None:
            self.hint.setText(text("twin_unregistered"))
        else:
            _, y, x = self._review.viewer.scene.camera.center
            mpp = session.store.header.slide_mpp
            state = passage.state_at(np.array([x / mpp.x, y / mpp.y]))
            self.hint.setText(text(_HINTS[TileState(int(state))]))
