"""The tab in which many proposals of one class are judged at once, by their thumbnails."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial

from qtpy.QtCore import QModelIndex, QSize
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QListView,
    QVBoxLayout,
    QWidget,
)

from napari_pathoai.keys.actions import ReviewAction
from napari_pathoai.keys.review_keys import ReviewKeys
from napari_pathoai.panels.class_buttons import MOST_KEYS, class_name
from napari_pathoai.panels.grade_buttons import swatch
from napari_pathoai.panels.narrow_widgets import NarrowComboBox
from napari_pathoai.panels.push_button import action_button, push_button
from napari_pathoai.panels.thumbnail_loader import ThumbnailLoader
from napari_pathoai.panels.thumbnail_model import ThumbnailModel
from napari_pathoai.review import Review
from napari_pathoai.session import ReviewSession
from napari_pathoai.texts.texts import text
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.review.grid import ProposalGrid, ProposalList, slides_in_sight
from pathoai_annotations.review.thumbnails import Thumbnails, ThumbnailSpec

_SIDE_PX = 80
_CELL = QSize(_SIDE_PX + 8, _SIDE_PX + 24)
_VIEW_HEIGHT_PX = 320

Judge = Callable[[ProposalGrid, list[Annotation], uuid.UUID], int]


class GridPanel(QWidget):
    """Thumbnails of the proposals of a class.

    Args:
        review: What it acts on.
    """

    title_key = "tab_grid"
    review_actions: tuple[ReviewAction, ...] = ()

    def __init__(self, review: Review) -> None:
        """Build the tab; a session fills it."""
        super().__init__()
        self._review = review
        self._grid: ProposalGrid | None = None
        self._list: ProposalList | None = None
        self._loader: ThumbnailLoader | None = None
        self.model: ThumbnailModel | None = None
        self._page, self._is_stale, self._is_ours = 0, True, False
        self.own_actions = self._actions()
        self._keys = ReviewKeys(self.own_actions, lambda: True)
        self._build()
        review.opened.connect(self._on_opened)
        review.closing.connect(self._on_closing)
        review.edited.connect(self._on_edited)

    @property
    def selected(self) -> list[Annotation]:
        """The proposals whose thumbnails are selected, in the order of the page."""
        if self.model is None:
            return []
        rows = sorted(index.row() for index in self.view.selectedIndexes())
        return [self.model.at(row) for row in rows]

    def accept(self) -> None:
        """Stand behind all that are selected."""
        self._judge(lambda grid, chosen, action: grid.accept(chosen, action=action))

    def reject(self) -> None:
        """Say that all that are selected are wrong."""
        self._judge(lambda grid, chosen, action: grid.reject(chosen, action=action))

    def relabel(self, label: str) -> None:
        """Give all that are selected another class."""
        self._judge(lambda grid, chosen, action: grid.relabel(chosen, label, action=action))

    def load(self) -> None:
        """Read which classes have open proposals, and show the first page of one."""
        session = self._review.session
        if session is None:
            return
        everywhere = self._scope.currentIndex() == 1
        slides = (
            slides_in_sight(session.study, session.reader) if everywhere else (session.slide_id,)
        )
        self._grid = ProposalGrid(
            session.journal, session.reader, slides, hides_model=session.hides_model
        )
        before = self._classes.currentData()
        counts = self._review.guarded(self._grid.classes) or {}
        self._classes.blockSignals(True)
        self._classes.clear()
        for label in session.classes:
            if count := counts.get(label.key):
                words = text("grid_class", name=class_name(label), count=count)
                self._classes.addItem(swatch(label.colour), words, label.key)
        self._classes.setCurrentIndex(max(0, self._classes.findData(before)))
        self._classes.blockSignals(False)
        self._is_stale = False
        self._sort()

    def _judge(self, work: Judge) -> None:
        session, grid, chosen = self._review.session, self._grid, self.selected
        if session is None or grid is None or self.model is None:
            return
        if not chosen:
            self._review.tell(text("grid_none"))
            return
        if self._review.guarded(lambda: work(grid, chosen, uuid.uuid4())) is None:
            return
        session.note_edits(len(chosen))
        gone = {one.id for one in chosen}
        left = [one for one in self.model.proposals if one.id not in gone]
        if any(one.slide_id == session.slide_id for one in chosen):
            self._is_ours = True
            self._review.reload()
            self._is_ours = False
        if left:
            self.model.show(left)
            self._show_counts()
        else:
            self.load()
        self._review.tell(text("grid_done", count=len(chosen)))

    def _actions(self) -> tuple[ReviewAction, ...]:
        group = "group_grid"
        fixed = (
            ReviewAction("grid_accept", ("Y", "Return", "Enter"), group, self.accept),
            ReviewAction("grid_reject", ("X",), group, self.reject),
            ReviewAction("grid_select_all", ("Ctrl+A",), group, lambda: self.view.selectAll()),
        )
        numbers = (
            ReviewAction(
                *("grid_relabel", (str(n),), group, partial(self._relabel_number, n)),
                {"number": n},
            )
            for n in range(1, MOST_KEYS + 1)
        )
        return (*fixed, *numbers)

    def _relabel_number(self, number: int) -> None:
        session = self._review.session
        if session is not None and number <= len(session.classes):
            self.relabel(session.classes[number - 1].key)

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        self._classes, self._order, self._scope = (NarrowComboBox() for _ in range(3))
        self._order.addItems([text("grid_surest"), text("grid_least_sure")])
        self._scope.addItems([text("grid_this_slide"), text("grid_all_slides")])
        self._classes.activated.connect(self._sort)
        self._order.activated.connect(self._sort)
        self._scope.activated.connect(self.load)
        layout.addWidget(self._classes)
        row = QHBoxLayout()
        row.addWidget(self._order)
        row.addWidget(self._scope)
        layout.addLayout(row)
        layout.addWidget(self._build_view())
        layout.addLayout(self._build_pages())
        grid = QGridLayout()
        accept, reject, everything = self.own_actions[:3]
        grid.addWidget(action_button(accept), 0, 0)
        grid.addWidget(action_button(reject), 0, 1)
        grid.addWidget(action_button(everything), 1, 0)
        self._relabel = NarrowComboBox()
        self._relabel.activated.connect(self._on_relabel)
        grid.addWidget(self._relabel, 1, 1)
        layout.addLayout(grid)
        layout.addStretch(1)

    def _build_view(self) -> QListView:
        self.view = QListView()
        self.view.setViewMode(QListView.ViewMode.IconMode)
        self.view.setIconSize(QSize(_SIDE_PX, _SIDE_PX))
        self.view.setGridSize(_CELL)
        self.view.setUniformItemSizes(True)
        self.view.setResizeMode(QListView.ResizeMode.Adjust)
        self.view.setMovement(QListView.Movement.Static)
        # Click, Shift, Ctrl and a rectangle drawn with the mouse: all that lists know.
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.view.setSelectionRectVisible(True)
        self.view.setMinimumHeight(_VIEW_HEIGHT_PX)
        self.view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.view.doubleClicked.connect(self._on_double_click)
        self.view.installEventFilter(self._keys)
        return self.view

    def _build_pages(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self._where, self._chosen = QLabel(), QLabel()
        self._where.setWordWrap(True)
        row.addWidget(push_button("‹", partial(self._turn, -1)))
        row.addWidget(self._where, stretch=1)
        row.addWidget(self._chosen)
        row.addWidget(push_button("›", partial(self._turn, 1)))
        return row

    def _sort(self, _row: int = 0) -> None:
        """The proposals of the class from its first page on."""
        grid, label = self._grid, self._classes.currentData()
        if grid is None:
            return
        surest = self._order.currentIndex() == 0
        found = None
        if label is not None:
            found = self._review.guarded(partial(grid.proposals, label, surest_first=surest))
        self._list, self._page = found, 0
        self._show_page()

    def _turn(self, by: int) -> None:
        if self._list is not None and 0 <= self._page + by < self._list.pages:
            self._page += by
            self._show_page()

    def _show_page(self) -> None:
        if self.model is None or self._grid is None:
            return
        found, grid = self._list, self._grid
        seqs = [] if found is None else found.seq[found.page(self._page)].tolist()
        self.model.show(self._review.guarded(partial(grid.read, seqs)) or [])
        self.view.scrollToTop()
        self._show_counts()

    def _show_counts(self) -> None:
        found = self._list
        if found is None or not len(found):
            self._where.setText(text("grid_empty"))
        else:
            values = {"page": self._page + 1, "pages": found.pages, "count": len(found)}
            self._where.setText(text("grid_page", **values))
        self._on_selection()

    def _on_selection(self, *_changes: object) -> None:
        self._chosen.setText(text("grid_selected", count=len(self.view.selectedIndexes())))

    def _on_relabel(self, row: int) -> None:
        label = self._relabel.itemData(row)
        self._relabel.setCurrentIndex(0)
        if label is not None:
            self.relabel(label)

    def _on_double_click(self, index: QModelIndex) -> None:
        session = self._review.session
        if session is None or self.model is None:
            return
        one = self.model.at(index.row())
        if one.slide_id != session.slide_id:
            other = self._review.guarded(
                partial(ReviewSession, session.study, one.slide_id, session.reader)
            )
            if other is None or not self._review.open(other):
                return
        self._review.show_bounds(one.geometry.bounds)

    def _tip(self, one: Annotation) -> str:
        session = self._review.session
        known = session is not None and one.label in session.ontology
        name = class_name(session.ontology[one.label]) if session and known else one.label
        sure = "" if one.confidence is None else f"{one.confidence:.1%}"
        return text("grid_tip", name=name, confidence=sure, slide=one.slide_id)

    def showEvent(self, event: QShowEvent) -> None:
        """Qt's hook: what is in sight is read."""
        super().showEvent(event)
        if self._is_stale:
            self.load()

    def _on_edited(self) -> None:
        """What was judged elsewhere is left out at the next look."""
        if not self._is_ours:
            self._is_stale = True

    def _on_opened(self, session: ReviewSession) -> None:
        self._loader = ThumbnailLoader(Thumbnails(session.study, ThumbnailSpec(_SIDE_PX)).picture)
        self._loader.failed.connect(self._review.tell)
        self.model = ThumbnailModel(self._loader, self._tip, _SIDE_PX)
        self.view.setModel(self.model)
        self.view.selectionModel().selectionChanged.connect(self._on_selection)
        self._relabel.clear()
        self._relabel.addItem(text("grid_relabel_as"), None)
        for label in session.classes:
            self._relabel.addItem(swatch(label.colour), class_name(label), label.key)
        self._is_stale = True
        if self.isVisible():
            self.load()

    def _on_closing(self) -> None:
        if self._loader is not None:
            self._loader.stop()
        self.view.setModel(None)
        self._loader = self.model = self._grid = self._list = None
