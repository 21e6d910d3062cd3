"""The tab with the reader's slides: a picture of each, how far he is, and why this one first."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtGui import QIcon, QImage, QPixmap, QShowEvent
from qtpy.QtWidgets import QLabel, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from napari_pathoai.keys.actions import ReviewAction
from napari_pathoai.panels.canvas_focus import focus_canvas
from napari_pathoai.panels.push_button import push_button
from napari_pathoai.panels.worklist_words import slide_words
from napari_pathoai.picture.thumbnail import thumbnail
from napari_pathoai.review import Review
from napari_pathoai.session import ReviewSession
from napari_pathoai.texts.refusal import refusal
from napari_pathoai.texts.texts import text
from pathoai.errors import PathoaiError
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai_annotations.review.worklist import WorklistSlide, list_slides

_PICTURE_PX = 72
_WORK_S = 0.02
"""At a time, so that a list of hundreds fills while the window is used."""
_SLIDE = Qt.ItemDataRole.UserRole


class WorklistPanel(QWidget):
    """The worklist.

    Args:
        review: Shows the slide that is chosen.
    """

    title_key = "tab_worklist"

    def __init__(self, review: Review) -> None:
        """An empty list; it is filled once it is looked at, or asked for by a key."""
        super().__init__()
        self._review = review
        self.slides: list[WorklistSlide] = []
        self._coming: Iterator[WorklistSlide] = iter(())
        self._asked_for: tuple[Study, str] | None = None
        self._unpainted: list[str] = []
        self._left = ""
        self.review_actions = (
            ReviewAction("worklist_next", ("PgDown",), "group_slides", partial(self.step, 1)),
            ReviewAction("worklist_previous", ("PgUp",), "group_slides", partial(self.step, -1)),
        )
        self.list = QListWidget()
        self.list.setIconSize(QSize(_PICTURE_PX, _PICTURE_PX))
        self.list.setWordWrap(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.itemActivated.connect(self._on_activated)
        self._work = QTimer(self)
        self._work.setInterval(0)
        self._work.timeout.connect(self._go_on)
        self._build()
        review.opened.connect(self._on_opened)
        review.closing.connect(self._on_closing)

    def refresh(self) -> None:
        """List the slides again: how far they are may have changed."""
        session = self._review.session
        if session is None:
            return
        self._work.stop()
        self.slides, self._unpainted = [], []
        self.list.clear()
        listing = partial(list_slides, session.study, session.reader, session.plan)
        self._asked_for = (session.study, session.reader)
        self._coming = self._review.guarded(listing) or iter(())
        self._work.start()

    def step(self, by: int) -> None:
        """Open the next slide of the list, or the one before."""
        session = self._review.session
        if session is None:
            return
        self._finish_list()
        order = [slide.slide_id for slide in self.slides]
        # A slide that is not in the list stands before its first.
        at = order.index(session.slide_id) + by if session.slide_id in order else 0
        if not order:
            self._review.tell(text("worklist_none"))
        elif not 0 <= at < len(order):
            self._review.tell(text("worklist_last" if by > 0 else "worklist_first"))
        else:
            self.open(order[at])

    def open(self, slide_id: str) -> None:
        """Show a slide in place of the present one."""
        session = self._review.session
        if session is None or slide_id == session.slide_id:
            return
        other = self._review.guarded(partial(session.on_slide, slide_id))
        if other is not None:
            self._review.open(other)
            focus_canvas(self)

    def showEvent(self, event: QShowEvent) -> None:
        """Qt's hook: what is looked at is filled."""
        super().showEvent(event)
        session = self._review.session
        if self._is_stale():
            self.refresh()
        elif session is not None:
            self._tell_anew(session, session.slide_id)

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        layout.addWidget(self.list, stretch=1)
        hint = QLabel(text("worklist_hint"))
        hint.setWordWrap(True)
        layout.addWidget(hint)
        layout.addWidget(push_button(text("worklist_open"), self._open_chosen))
        layout.addWidget(push_button(text("worklist_refresh"), self.refresh))

    def _is_stale(self) -> bool:
        session = self._review.session
        return session is not None and self._asked_for != (session.study, session.reader)

    def _on_opened(self, session: ReviewSession) -> None:
        if not self._is_stale():
            self._tell_anew(session, self._left)
            self._choose(session.slide_id)
            self._work.start()
        elif self.isVisible():
            self.refresh()

    def _on_closing(self) -> None:
        self._work.stop()
        self._left = self._review.session.slide_id if self._review.session is not None else ""

    def _tell_anew(self, session: ReviewSession, slide_id: str) -> None:
        """How far a slide is now; its place stays, so that the next one is the next."""
        item = self._item(slide_id)
        listing = partial(list_slides, session.study, session.reader, session.plan)
        found = self._review.guarded(lambda: list(listing(slides=[slide_id])))
        if item is not None and found:
            item.setText(slide_words(found[0]))

    def _finish_list(self) -> None:
        if self._is_stale():
            self.refresh()
        while self._take_slide():
            pass

    def _go_on(self) -> None:
        """A little of what is left: first the slides, then their pictures."""
        until = time.monotonic() + _WORK_S
        while time.monotonic() < until:
            if not self._take_slide() and not self._paint_one():
                self._work.stop()
                return

    def _take_slide(self) -> bool:
        """Put the next slide where it belongs; False where there is none."""
        try:
            slide = next(self._coming, None)
        except PathoaiError as error:
            self._review.say(refusal(error))
            self._coming, slide = iter(()), None
        if slide is None:
            return False
        at = sum(one.rank <= slide.rank for one in self.slides)
        self.slides.insert(at, slide)
        item = QListWidgetItem(slide_words(slide))
        item.setData(_SLIDE, slide.slide_id)
        item.setIcon(QIcon(_blank()))
        self.list.insertItem(at, item)
        self._unpainted.append(slide.slide_id)
        session = self._review.session
        if session is not None and session.slide_id == slide.slide_id:
            self.list.setCurrentItem(item)
        return True

    def _paint_one(self) -> bool:
        """Make the picture of one slide; False where all are made."""
        session = self._review.session
        if session is None or not self._unpainted:
            return False
        slide_id = self._unpainted.pop(0)
        item = self._item(slide_id)
        path = session.study.store_path(slide_id)
        picture = self._review.guarded(lambda: thumbnail(SlideStore(path), 2 * _PICTURE_PX))
        if picture is not None and item is not None:
            item.setIcon(_icon(pixmap_of(picture)))
        return True

    def _item(self, slide_id: str) -> QListWidgetItem | None:
        items = (self.list.item(row) for row in range(self.list.count()))
        return next((one for one in items if one.data(_SLIDE) == slide_id), None)

    def _choose(self, slide_id: str) -> None:
        item = self._item(slide_id)
        if item is not None:
            self.list.setCurrentItem(item)

    def _open_chosen(self) -> None:
        if (item := self.list.currentItem()) is not None:
            self._on_activated(item)

    def _on_activated(self, item: QListWidgetItem) -> None:
        self.open(str(item.data(_SLIDE)))


def pixmap_of(picture: NDArray[np.uint8]) -> QPixmap:
    """A picture ``(height, width, 3)`` as Qt shows it."""
    pixels = np.ascontiguousarray(picture)
    height, width, _ = pixels.shape
    image = QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888)
    return QPixmap.fromImage(image)


def _icon(pixmap: QPixmap) -> QIcon:
    """The same where it is chosen: Qt would tint it, and a stain in blue is another stain."""
    icon = QIcon(pixmap)
    icon.addPixmap(pixmap, QIcon.Mode.Selected)
    return icon


def _blank() -> QPixmap:
    pixmap = QPixmap(_PICTURE_PX, _PICTURE_PX)
    pixmap.fill(Qt.GlobalColor.transparent)
    return pixmap
