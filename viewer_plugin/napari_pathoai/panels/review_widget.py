"""The dock of the review: a tab per panel, and below them what is always in sight."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtGui import QCloseEvent, QShowEvent
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QPushButton,
    QScrollArea,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)
from vispy.app.backends._qt import CanvasBackendDesktop

from napari_pathoai.keys.actions import ReviewAction
from napari_pathoai.keys.cheat_sheet import CheatSheet
from napari_pathoai.keys.review_keys import ReviewKeys
from napari_pathoai.panels.adjudication_panel import AdjudicationPanel
from napari_pathoai.panels.annotate_panel import AnnotatePanel
from napari_pathoai.panels.attention import Attention
from napari_pathoai.panels.grid_panel import GridPanel
from napari_pathoai.panels.model_panel import ModelPanel
from napari_pathoai.panels.push_button import push_button
from napari_pathoai.panels.reading_panel import ReadingPanel
from napari_pathoai.panels.status_line import StatusLine
from napari_pathoai.panels.tab_buttons import TabButtons
from napari_pathoai.panels.verdict_panel import VerdictPanel
from napari_pathoai.panels.view_panel import ViewPanel
from napari_pathoai.panels.worklist_panel import WorklistPanel
from napari_pathoai.review import Review
from napari_pathoai.session import ReviewSession
from napari_pathoai.settings import setting
from napari_pathoai.texts.texts import text
from napari_pathoai.what_to_read import choose_slide, tiled_slides
from pathoai.study.study import Study

if TYPE_CHECKING:
    import napari

READER_VARIABLE = "PATHOAI_READER"
"""Environment variable that holds the reader's code; the setting counts where there is none."""

_ALSO_IN_THE_DOCK = ("undo", "redo")
"""Keys that are heard wherever in the dock the keyboard is, but where text is written."""
_CAMERA_QUIET_MS = 250
_WIDTH_PX = 350
"""As much as the panels need; on a screen of 1,366 the slide keeps more than half."""


class ReviewWidget(QWidget):
    """Choose a slide, judge proposals, draw and correct; everything is saved as it happens."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        """An empty dock; ``open_session`` or the user's choice of a study fills it."""
        super().__init__()
        self.review = Review(napari_viewer)
        self.annotate = AnnotatePanel(self.review)
        self.worklist, self.reading = WorklistPanel(self.review), ReadingPanel(self.review)
        self.view, self.verdict = ViewPanel(self.review), VerdictPanel(self.review)
        self.grid, self.model = GridPanel(self.review), ModelPanel(self.review)
        self.adjudicate = AdjudicationPanel(self.review)
        reading = (self.worklist, self.reading, self.annotate, self.verdict, self.grid)
        self.panels = (*reading, self.adjudicate, self.model, self.view)
        self.status = StatusLine(self.review)
        self._camera_timer = QTimer(self)
        self._camera_timer.setSingleShot(True)
        self._camera_timer.setInterval(_CAMERA_QUIET_MS)
        self._camera_timer.timeout.connect(self._on_camera_quiet)
        self._may_be_lost = False
        """Whether whoever closes the window has been told that something is not saved."""
        self._build()
        self._keys = ReviewKeys(self.review_actions, self._keys_are_ours, self._is_drawing)
        # What a field of text or a list does not take for itself comes up to the dock.
        self._undo_keys = ReviewKeys(self._undo_actions(), self._keys_are_ours)
        self.installEventFilter(self._undo_keys)
        self._attention = Attention(self.review)
        self.review.opened.connect(self._on_opened)
        self.review.edited.connect(self._on_edited)
        self.review.closing.connect(self._on_closing)
        self.review.panel_wanted.connect(self.show_panel)
        napari_viewer.scene.camera.events.connect(self._on_camera)

    @property
    def review_actions(self) -> tuple[ReviewAction, ...]:
        """All that can be done by key."""
        own = ReviewAction("keys", ("?", "F1"), "group_window", self.show_keys)
        return (*(action for panel in self.panels for action in panel.review_actions), own)

    def _undo_actions(self) -> list[ReviewAction]:
        """Undo and redo, after which the grid shows again what is open again."""
        found = [one for one in self.review_actions if one.name in _ALSO_IN_THE_DOCK]
        return [replace(one, run=partial(self._run_in_dock, one)) for one in found]

    def _run_in_dock(self, action: ReviewAction) -> None:
        action.run()
        if self.grid.isVisible():
            self.grid.load()

    def open_session(self, session: ReviewSession) -> None:
        """Show the slide of a session in place of the present one."""
        self.review.open(session)

    def show_panel(self, panel: QWidget) -> None:
        """Bring the tab of one of ``panels`` to the front."""
        self.tabs.setCurrentIndex(self.panels.index(panel))

    def show_keys(self) -> None:
        """Open the sheet of keys."""
        actions = (*self.review_actions, *self.grid.own_actions)
        sheet = CheatSheet(actions, self.window())
        sheet.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        sheet.open()

    def showEvent(self, event: QShowEvent) -> None:
        """Qt's hook: once docked, the canvas is found in the window and its keys are heard."""
        super().showEvent(event)
        for canvas in self.window().findChildren(CanvasBackendDesktop):
            # Installing twice moves a filter to the front; it is not called twice.
            canvas.installEventFilter(self._keys)
        self._attention.watch(self.window())
        self.window().installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Qt's hook: a window that closes tells its docks nothing, and what is written is kept."""
        if event.type() != QEvent.Type.Close or watched is not self.window():
            return False
        if not (self._may_be_lost or self.review.saves_all()):
            self._may_be_lost = True
            self.review.say(text("busy_closing"))
            event.ignore()
            return True
        self.reading.keep_comment()
        return False

    def closeEvent(self, event: QCloseEvent) -> None:
        """Qt's hook: leave the viewer as it was found."""
        self.review.close()
        super().closeEvent(event)

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        self.setMinimumWidth(_WIDTH_PX)
        self._open = QPushButton(text("open_study"))
        self._open.clicked.connect(self._on_open)
        self._reader, self._slides = QLabel(), QComboBox()
        self._slides.activated.connect(self._on_slide)
        self.tabs = QTabWidget()
        for panel in self.panels:
            self.tabs.addTab(_scrolled(panel), text(panel.title_key))
        self.tab_buttons = TabButtons(self.tabs)
        head = QHBoxLayout()
        head.addWidget(self._reader)
        head.addWidget(self._slides, stretch=1)
        head.addWidget(push_button("?", self.show_keys))
        layout.addWidget(self._open)
        layout.addLayout(head)
        layout.addWidget(self.tab_buttons)
        layout.addWidget(self.tabs, stretch=1)
        layout.addWidget(self.status)

    def _keys_are_ours(self) -> bool:
        return self.review.annotations is not None and not self._is_drawing()

    def _is_drawing(self) -> bool:
        annotations = self.review.annotations
        return annotations is not None and annotations.is_drawing

    def _on_opened(self, session: ReviewSession) -> None:
        self._open.hide()
        self._reader.setText(text("reader", reader=session.reader))
        self._slides.clear()
        self._slides.addItems(tiled_slides(session.study))
        self._slides.setCurrentText(session.slide_id)

    def _on_edited(self) -> None:
        self._may_be_lost = False

    def _on_closing(self) -> None:
        self._camera_timer.stop()

    def _on_open(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, text("open_study"))
        if not folder:
            return
        known = os.environ.get(READER_VARIABLE) or str(setting("reader"))
        reader, confirmed = QInputDialog.getText(
            self, text("open_study"), text("reader_prompt"), text=known
        )
        if confirmed:
            self.review.guarded(partial(self._open_study, Path(folder), reader))

    def _open_study(self, folder: Path, reader: str) -> None:
        study = Study(folder)
        self.review.open(ReviewSession(study, choose_slide(study, None), reader))

    def _on_slide(self, _position: int) -> None:
        session, chosen = self.review.session, self._slides.currentText()
        if session is None or chosen == session.slide_id:
            return
        other = self.review.guarded(partial(session.on_slide, chosen))
        if other is None or not self.review.open(other):
            self._slides.setCurrentText(session.slide_id)

    def _on_camera(self, _event: object) -> None:
        if self.review.session is not None:
            self._camera_timer.start()

    def _on_camera_quiet(self) -> None:
        """Once the view rests: outlines keep their width, and what is now in view is loaded."""
        layer = self.review.annotations
        if layer is None or layer.is_drawing:
            return
        layer.set_zoom(self.review.viewer.scene.camera.zoom)
        in_view = self.review.region_in_view()
        if layer.shown_count < layer.total and not layer.selected and layer.region != in_view:
            self.review.guarded(partial(layer.show, in_view))


def _scrolled(panel: QWidget) -> QScrollArea:
    """A tab that a small screen can scroll, but only up and down."""
    area = QScrollArea()
    area.setWidget(panel)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return area
