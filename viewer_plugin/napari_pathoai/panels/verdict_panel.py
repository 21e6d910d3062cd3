"""The tab of the verdict on the slide: the reader's grade, what models say, the signature."""

from __future__ import annotations

from datetime import datetime

from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from napari_pathoai.keys.actions import ReviewAction
from napari_pathoai.panels.class_buttons import class_name
from napari_pathoai.panels.grade_buttons import GradeButtons
from napari_pathoai.panels.model_verdict_box import ModelVerdictBox
from napari_pathoai.panels.push_button import action_button
from napari_pathoai.review import Review
from napari_pathoai.session import ReviewSession
from napari_pathoai.settings import setting
from napari_pathoai.texts.texts import text
from napari_pathoai.views.model_in_sight import model_in_sight
from pathoai_annotations.review.model_verdict import ModelVerdict, Reason
from pathoai_annotations.review.verdict import Signature, SlideVerdict


class VerdictPanel(QWidget):
    """The grade of the slide, signed off and reopened.

    Args:
        review: What it acts on.
    """

    title_key = "tab_verdict"

    def __init__(self, review: Review) -> None:
        """Build the tab; a session fills it."""
        super().__init__()
        self._review = review
        self.verdict: SlideVerdict | None = None
        self._reasons: tuple[Reason, ...] = ()
        self._at = -1
        self._shown: tuple[ModelVerdict, ...] | None = None
        self._boxes: list[ModelVerdictBox] = []
        group = "group_verdict"
        self._sign = ReviewAction("sign_off", ("Ctrl+Return",), group, self.sign_off)
        self._open_again = ReviewAction("reopen", (), group, self.reopen)
        self.review_actions = (
            self._sign,
            self._open_again,
            ReviewAction("next_reason", ("Ctrl+Down",), group, lambda: self._step(1)),
            ReviewAction("previous_reason", ("Ctrl+Up",), group, lambda: self._step(-1)),
        )
        self._build()
        review.opened.connect(self._on_opened)
        review.closing.connect(self._on_closing)
        review.edited.connect(self._on_edited)
        review.predicted.connect(self._on_predicted)

    def choose(self, grade: str) -> None:
        """Choose the reader's grade; from then on models may speak."""
        if self.verdict is not None:
            verdict = self.verdict
            self._review.guarded(lambda: verdict.choose(grade))
            self.refresh()

    def sign_off(self) -> None:
        """Sign the slide off with the grade that was chosen; without where there are none."""
        session, verdict = self._review.session, self.verdict
        if session is None or verdict is None:
            return
        if not (verdict.chosen or self._grades_title.isHidden()):
            self._review.say(text("choose_grade_first"))
            return
        self._note_what_is_seen()
        comment = self.comment.text()
        self._review.guarded(lambda: session.sign_off(verdict, comment=comment))
        if verdict.is_locked:
            self.comment.clear()
            self._review.tell(text("signed_off"))
        self._review.edited.emit()

    def reopen(self) -> None:
        """Unlock the slide; that is logged."""
        session, verdict = self._review.session, self.verdict
        if session is None or verdict is None:
            return
        comment = self.comment.text()
        self._review.guarded(lambda: session.reopen(verdict, comment=comment))
        if not verdict.is_locked:
            self.comment.clear()
            self._review.tell(text("reopened"))
        self._review.edited.emit()

    def refresh(self) -> None:
        """Show the state of the verdict."""
        session, verdict = self._review.session, self.verdict
        if session is None or verdict is None:
            return
        self._note_what_is_seen()
        locked = verdict.is_locked
        self.state.setText(text("signed_off" if locked else "not_signed_off"))
        self.sign_button.setEnabled(not locked)
        self.reopen_button.setEnabled(locked)
        self.grades.setEnabled(not locked)
        self.grades.show_chosen(verdict.chosen)
        self._show_models(session, verdict)
        signatures = verdict.signatures()
        self._signatures.setVisible(bool(signatures))
        lines = [self._signature(session, one) for one in signatures]
        self._signatures.setText("\n".join([text("signatures"), *lines]))

    def go(self, reason: Reason) -> None:
        """Go to what a verdict rests on."""
        if reason in self._reasons:
            self._at = self._reasons.index(reason)
        place = reason.region
        self._review.show_bounds((place.x, place.y, place.right, place.bottom))

    def _step(self, by: int) -> None:
        if not self._reasons:
            self._review.tell(text("no_reason"))
            return
        at = max(self._at, 0) + by if self._at >= 0 else (0 if by > 0 else -1)
        self.go(self._reasons[at % len(self._reasons)])

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        self._grades_title = QLabel(text("own_grade"))
        layout.addWidget(self._grades_title)
        self._grades_place = QVBoxLayout()
        self.grades = GradeButtons((), self.choose)
        self._grades_place.addWidget(self.grades)
        layout.addLayout(self._grades_place)
        self.comment = QLineEdit()
        self.comment.setPlaceholderText(text("comment_hint"))
        layout.addWidget(self.comment)
        row = QHBoxLayout()
        self.sign_button = action_button(self._sign)
        self.reopen_button = action_button(self._open_again)
        row.addWidget(self.sign_button)
        row.addWidget(self.reopen_button)
        layout.addLayout(row)
        self.state, self._waiting, self._signatures = QLabel(), QLabel(), QLabel()
        self.own_first = QCheckBox(text("own_first"))
        self.own_first.setChecked(bool(setting("my_grade_first")))
        self.own_first.toggled.connect(self._on_own_first)
        for widget in (self.state, self.own_first, self._waiting):
            layout.addWidget(widget)
        self._models_place = QVBoxLayout()
        layout.addLayout(self._models_place)
        layout.addWidget(self._signatures)
        for label in (self.state, self._waiting, self._signatures):
            label.setWordWrap(True)
        layout.addStretch(1)

    @property
    def boxes(self) -> list[ModelVerdictBox]:
        """What is shown of models, one box each."""
        return list(self._boxes)

    def _show_models(self, session: ReviewSession, verdict: SlideVerdict) -> None:
        hidden = session.hides_model
        found = self._review.guarded(lambda: verdict.models(hidden=hidden)) or ()
        if found == self._shown:
            return
        self._shown = found
        self._clear_models()
        self._boxes = [ModelVerdictBox(one, session.ontology, self.go) for one in found]
        for box in self._boxes:
            self._models_place.addWidget(box)
        self._reasons = tuple(reason for one in found for reason in one.reasons)
        self._at = -1
        awaits = self._review.guarded(lambda: verdict.awaits_grade(hidden=hidden))
        if found:
            self._waiting.clear()
        else:
            key = "hidden_model" if hidden else "own_first_wait" if awaits else "no_model_verdict"
            self._waiting.setText(text(key))
        self._waiting.setVisible(not found)

    def _clear_models(self) -> None:
        for box in self._boxes:
            self._models_place.removeWidget(box)
            box.deleteLater()
        self._boxes = []

    def _signature(self, session: ReviewSession, one: Signature) -> str:
        if one.grade in session.ontology:
            grade = class_name(session.ontology[one.grade])
        else:
            grade = one.grade or text(
                "no_grade" if one.reader == session.reader else "grade_hidden"
            )
        time = datetime.fromisoformat(one.at).astimezone().strftime("%Y-%m-%d %H:%M")
        key = "signature" if one.stands else "signature_past"
        helped = text("saw_model" if one.with_model else "saw_no_model")
        return text(key, reader=one.reader, time=time, grade=grade, help=helped)

    def _note_what_is_seen(self) -> None:
        """A prediction on the slide is a model's word, too."""
        if self.verdict is not None and model_in_sight(self._review):
            self.verdict.saw_model = True

    def showEvent(self, event: QShowEvent) -> None:
        """Qt's hook: what happened while another tab was in sight."""
        super().showEvent(event)
        self.refresh()

    def _on_edited(self) -> None:
        if self.isVisible():
            self.refresh()

    def _on_predicted(self, _model: str) -> None:
        if self.verdict is not None:
            self.verdict.read_again()
            self._on_edited()

    def _on_own_first(self, checked: bool) -> None:
        if self.verdict is not None:
            self.verdict.own_grade_first = checked
            self.refresh()

    def _on_opened(self, session: ReviewSession) -> None:
        self.verdict = SlideVerdict(
            session.study,
            session.store,
            session.journal,
            session.reader,
            own_grade_first=self.own_first.isChecked(),
        )
        self._grades_place.removeWidget(self.grades)
        self.grades.deleteLater()
        verdict = self.verdict
        grades = self._review.guarded(lambda: verdict.grades) or ()
        self.grades = GradeButtons(grades, self.choose)
        self._grades_place.addWidget(self.grades)
        for widget in (self._grades_title, self.grades, self.own_first):
            widget.setVisible(bool(grades))
        self._shown = None
        self.refresh()

    def _on_closing(self) -> None:
        self.verdict, self._reasons = None, ()
        self._clear_models()
