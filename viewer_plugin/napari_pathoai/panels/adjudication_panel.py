"""The tab in which readers' differences are settled: both outlines side by side, and a choice."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial

from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_pathoai.keys.actions import ReviewAction
from napari_pathoai.panels.class_buttons import class_name
from napari_pathoai.panels.grade_buttons import GradeButtons
from napari_pathoai.panels.narrow_widgets import NarrowList
from napari_pathoai.panels.push_button import action_button, push_button
from napari_pathoai.review import Review
from napari_pathoai.session import ReviewSession
from napari_pathoai.texts.refusal import refusal
from napari_pathoai.texts.texts import text
from napari_pathoai.views.side_by_side import SideBySide
from napari_pathoai.views.side_layers import SideLayers, sides_of
from pathoai.errors import AnnotationError, PathoaiError
from pathoai_annotations.agreement.disagreements import NOT_OUTLINED
from pathoai_annotations.readers.progress import is_read, readings, still_to_sign
from pathoai_annotations.review.adjudication import Adjudicator, Case, Choice, Side, cases_of
from pathoai_annotations.review.verdict import grades_of

_TAKEN = (
    ("take_a", ("Shift+F2",), Choice.FIRST),
    ("take_b", ("Shift+F3",), Choice.SECOND),
    ("take_both", ("Shift+F4",), Choice.BOTH),
    ("take_neither", ("Shift+F5",), Choice.NEITHER),
)


class AdjudicationPanel(QWidget):
    """Open cases of the slide; only its adjudicator may settle them.

    Args:
        review: What it acts on.
    """

    title_key = "tab_adjudicate"

    def __init__(self, review: Review) -> None:
        """Build the tab; its adjudicator fills it."""
        super().__init__()
        self._review = review
        self._adjudicator: Adjudicator | None = None
        self.cases: list[Case] = []
        self._sides: list[SideLayers] = []
        self.second = SideBySide(review.viewer, text("side_by_side"))
        group = "group_adjudicate"
        self._toggles = tuple(
            ReviewAction(name, (key,), group, partial(self.toggle, number))
            for number, (name, key) in enumerate((("show_a", "F2"), ("show_b", "F3")))
        )
        self._next = ReviewAction("next_case", ("F4",), group, self.next_case)
        self._takes = tuple(
            ReviewAction(name, keys, group, partial(self.take, choice))
            for name, keys, choice in _TAKEN
        )
        self._beside = ReviewAction("side_by_side", ("F6",), group, self.side_by_side)
        self._own = ReviewAction("take_own", ("Shift+F6",), group, self.take_own)
        self.review_actions = (*self._toggles, self._beside, self._next, *self._takes, self._own)
        self._build()
        review.opened.connect(self._on_opened)
        review.closing.connect(self._on_closing)

    @property
    def case(self) -> Case | None:
        """The case that is chosen."""
        row = self.list.currentRow()
        return self.cases[row] if 0 <= row < len(self.cases) else None

    def load(self) -> None:
        """Gather the open cases: every signed reading of the study is looked at."""
        session = self._review.session
        if session is None or self._adjudicator is None:
            return
        found = self._review.guarded(
            partial(cases_of, session.study, session.slide_id, session.reader)
        )
        self.cases = found or []
        self._show(session)

    def next_case(self) -> None:
        """Go to the next case, from the last to the first."""
        if self.cases:
            self.list.setCurrentRow((self.list.currentRow() + 1) % len(self.cases))

    def toggle(self, number: int) -> None:
        """Show or hide a side: 0 for A, 1 for B."""
        if self._sides:
            side = self._sides[number]
            side.visible = not side.visible
            self.side_buttons[number].setChecked(side.visible)

    def side_by_side(self) -> None:
        """Show B's outlines in a linked second canvas, and A's alone in the first; or both here."""
        session = self._review.session
        if session is None or not self._sides:
            return
        if self.second.view is None:
            self.second.open(session.store, self.cases)
        else:
            self.second.close()
        is_apart = self.second.view is not None
        self._sides[1].visible = not is_apart
        self.side_buttons[1].setChecked(not is_apart)
        self.beside_button.setChecked(is_apart)

    def take(self, choice: Choice) -> None:
        """Settle the case by what its readers drew."""
        adjudicator, case = self._adjudicator, self.case
        if adjudicator is None or case is None:
            self._review.tell(text("choose_case"))
            return
        action = uuid.uuid4()
        author = self._person
        self._settle(lambda: adjudicator.take(case, choice, author=author, action=action))

    def take_own(self) -> None:
        """Settle the case by the outline that the adjudicator drew and selected."""
        session, annotations = self._review.session, self._review.annotations
        adjudicator, case = self._adjudicator, self.case
        if session is None or annotations is None or adjudicator is None or case is None:
            self._review.tell(text("choose_case"))
            return
        if len(annotations.selected) != 1:
            self._review.tell(text("select_own"))
            return
        own, action = session.get(annotations.selected[0]), uuid.uuid4()
        author = self._person
        self._settle(lambda: adjudicator.take_own(case, own, author=author, action=action))

    def grade(self, grade: str) -> None:
        """The last word on the grade of the slide."""
        adjudicator = self._adjudicator
        if adjudicator is not None:
            self._settle(lambda: adjudicator.grade(grade))

    @property
    def _person(self) -> str:
        assert self._review.session is not None  # only called while a slide is shown
        return self._review.session.reader

    def _settle(self, work: Callable[[], None]) -> None:
        """Do it, and show what is left."""
        try:
            work()
        except PathoaiError as error:
            self._review.say(refusal(error))
            return
        row = self.list.currentRow()
        self.load()
        self.list.setCurrentRow(min(row, len(self.cases) - 1))
        self._review.reload()
        self._review.tell(text("settled", left=len(self.cases)))

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        self.why_not = QLabel()
        self.why_not.setWordWrap(True)
        self.load_button = push_button(text("load_cases"), self.load)
        self.list = NarrowList()
        self.list.currentRowChanged.connect(self._on_row)
        layout.addWidget(self.why_not)
        layout.addWidget(self.load_button)
        layout.addWidget(self.list)
        row = QHBoxLayout()
        self.side_buttons: list[QPushButton] = [action_button(one) for one in self._toggles]
        for button in self.side_buttons:
            button.setCheckable(True)
            button.setChecked(True)
            row.addWidget(button)
        layout.addLayout(row)
        self.beside_button = action_button(self._beside)
        self.beside_button.setCheckable(True)
        layout.addWidget(self.beside_button)
        layout.addWidget(action_button(self._next))
        for one in (*self._takes, self._own):
            layout.addWidget(action_button(one))
        self._grade_title = QLabel(text("final_grade"))
        layout.addWidget(self._grade_title)
        self._grades_place = QVBoxLayout()
        self.grades = GradeButtons((), self.grade)
        self._grades_place.addWidget(self.grades)
        layout.addLayout(self._grades_place)
        layout.addStretch(1)

    def _on_opened(self, session: ReviewSession) -> None:
        self._on_closing()
        try:
            self._adjudicator = Adjudicator(
                session.study, session.journal, session.slide_id, session.reader
            )
            self.why_not.clear()
        except AnnotationError:
            # Nobody else is stopped by it: it says who may, and the tab stays empty.
            self.why_not.setText(text("no_adjudicator", reader=session.reader))
        except PathoaiError as error:
            self.why_not.setText(self._readers_left(session) or refusal(error))
        self.why_not.setVisible(self._adjudicator is None)
        self.load_button.setEnabled(self._adjudicator is not None)
        self._grades_place.removeWidget(self.grades)
        self.grades.deleteLater()
        self.grades = GradeButtons(grades_of(session.ontology), self.grade)
        self._grades_place.addWidget(self.grades)
        self._on_row(-1)

    def _readers_left(self, session: ReviewSession) -> str:
        """Who has still to sign off before anything is settled; empty where that is not why."""
        found = self._review.guarded(lambda: readings(session.study))
        if found is None or is_read(found, session.slide_id):
            return ""
        left = still_to_sign(found, session.slide_id)
        return text("readers_left", readers=", ".join(left)) if left else text("readers_none")

    def _on_closing(self) -> None:
        self._adjudicator, self.cases = None, []
        self.list.clear()
        self._remove_sides()

    def _show(self, session: ReviewSession) -> None:
        self.list.clear()
        for number, case in enumerate(self.cases, start=1):
            self.list.add(_words(session, number, case))
        self._remove_sides()
        self._sides = [
            SideLayers(number, sides_of(self.cases, number), session.store.header.slide_mpp)
            for number in (0, 1)
        ]
        active = self._review.viewer.layers.selection.active
        for side in self._sides:
            for layer in side.layers:
                self._review.viewer.add_layer(layer)
        self._review.viewer.layers.selection.active = active
        if not self.cases:
            self._review.tell(text("no_case"))
            return
        self.list.setCurrentRow(0)

    def _remove_sides(self) -> None:
        for side in self._sides:
            for layer in side.layers:
                if layer in self._review.viewer.layers:
                    self._review.viewer.layers.remove(layer)
        self._sides = []
        self.second.close()
        self.beside_button.setChecked(False)
        for button in self.side_buttons:
            button.setChecked(True)

    def _on_row(self, row: int) -> None:
        case = self.cases[row] if 0 <= row < len(self.cases) else None
        is_grade = case is not None and case.is_grade
        self._grade_title.setVisible(is_grade)
        self.grades.setVisible(is_grade)
        if case is not None and case.region is not None:
            place = case.region
            self._review.show_bounds((place.x, place.y, place.right, place.bottom))


def _words(session: ReviewSession, number: int, case: Case) -> str:
    said = [_side(session, side) for side in case.sides]
    if case.is_grade:
        return text("case_grade", number=number, said=", ".join(said))
    return text("case_outline", number=number, first=said[0], second=said[1])


def _side(session: ReviewSession, side: Side) -> str:
    if side.label == NOT_OUTLINED:
        label = text("said_nothing")
    else:
        known = side.label in session.ontology
        label = class_name(session.ontology[side.label]) if known else side.label
    return text("side", reader=side.reader, label=label)
