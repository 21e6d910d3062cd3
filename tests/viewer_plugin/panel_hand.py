"""A reader's hand on the dock: tabs, buttons, lists and keys, as Qt delivers them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractItemView, QScrollArea, QWidget

from napari_pathoai.opening.open_review import add_review
from napari_pathoai.session import ReviewSession
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.journal.event import Event
from pathoai_annotations.journal.journal import Journal
from tests.viewer_plugin.crowding import crowded
from tests.viewer_plugin.screen import Screen
from tests.viewer_plugin.small_study import SLIDE

if TYPE_CHECKING:
    import napari

_LEFT = Qt.MouseButton.LeftButton


class PanelHand:
    """A viewer with the dock, and the journal as another program sees it."""

    def __init__(self, viewer: napari.Viewer, study: Study, reader: str) -> None:
        from napari_pathoai.panels.review_widget import ReviewWidget

        self.study = study
        viewer.window.resize(1366, 768)
        add_review(viewer, ReviewSession(study, SLIDE, reader))
        self.screen = Screen(viewer)
        self.widget: ReviewWidget = viewer.window._qt_window.findChild(ReviewWidget)
        self.screen.settle()

    def open(self, reader: str) -> None:
        """Another reader takes the chair."""
        self.widget.open_session(ReviewSession(self.study, SLIDE, reader))
        self.screen.settle()

    @property
    def message(self) -> str:
        """What the status line says."""
        return self.widget.status.message.text()

    def show(self, panel: QWidget) -> None:
        """Click the button of the panel's tab."""
        tabs = self.widget.tabs
        pages = [tabs.widget(at) for at in range(tabs.count())]
        (page,) = [p for p in pages if isinstance(p, QScrollArea) and p.widget() is panel]
        self.click(self.widget.tab_buttons.button(tabs.indexOf(page)))
        assert tabs.currentWidget() is page
        assert page.horizontalScrollBar().maximum() == 0, "it is wider than the dock"

    def misfits(self) -> list[str]:
        """What in sight lies over another, is cut off, or is wider than the dock."""
        page = self.widget.tabs.currentWidget()
        assert isinstance(page, QScrollArea)
        beyond = page.horizontalScrollBar().maximum()
        return crowded(self.widget) + [f"{beyond} px wider than the dock"] * (beyond > 0)

    def click(self, widget: QWidget, at: QPoint | None = None) -> None:
        """Press and release the left button in the middle of a widget, or at a place of it."""
        QTest.mouseClick(widget, _LEFT, pos=at or widget.rect().center())
        self.screen.settle()

    def click_row(
        self,
        view: QAbstractItemView,
        row: int,
        modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
    ) -> None:
        """Click a row of a list."""
        place = view.visualRect(view.model().index(row, 0)).center()
        QTest.mouseClick(view.viewport(), _LEFT, modifier, place)
        self.screen.settle()

    def press(
        self,
        widget: QWidget,
        key: Qt.Key,
        modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
    ) -> None:
        """Type a key over a widget."""
        QTest.keyClick(widget, key, modifier)
        self.screen.settle()

    def journal(self) -> list[Annotation]:
        """What the annotations are now."""
        with Journal.open(self.study) as journal:
            return journal.annotations(SLIDE)

    def events(self) -> list[Event]:
        """All that was done on the slide."""
        with Journal.open(self.study) as journal:
            return list(journal.events(SLIDE))
