"""The tab in which annotations are drawn, judged one by one, and taken from a prediction."""

from __future__ import annotations

import uuid
from functools import partial

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QGridLayout,
    QLabel,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from napari_pathoai.keys.actions import ReviewAction, WhileDrawing
from napari_pathoai.panels.class_buttons import MOST_KEYS, ClassButtons, class_name
from napari_pathoai.panels.push_button import action_button, push_button
from napari_pathoai.panels.tool_buttons import ToolButtons
from napari_pathoai.review import Review, is_of_model
from napari_pathoai.session import ReviewSession
from napari_pathoai.settings import setting
from napari_pathoai.texts.texts import text
from napari_pathoai.tools.drawing_tools import DrawingTools
from pathoai.ontology import Ontology
from pathoai_annotations.annotation import Annotation

_OPACITY_STEPS = 100


class AnnotatePanel(QWidget):
    """Classes, tools of drawing, decisions on single annotations.

    Args:
        review: What it acts on.

    Attributes:
        tools: Of drawing.
    """

    title_key = "tab_annotate"

    def __init__(self, review: Review) -> None:
        """Build the tab; a session fills it."""
        super().__init__()
        self._review = review
        self._current: uuid.UUID | None = None
        self._classes: ClassButtons | None = None
        self.tools = DrawingTools(review)
        self._decisions = self._actions()
        self.review_actions = (*self._decisions, *self.tools.review_actions)
        self._models, self._opacity = QComboBox(), QSlider(Qt.Orientation.Horizontal)
        self._opacity.setRange(0, _OPACITY_STEPS)
        self._opacity.setValue(int(setting("opacity")))
        self._opacity.valueChanged.connect(self.set_opacity)
        self._build()
        review.opened.connect(self._on_opened)
        review.closing.connect(self._on_closing)
        review.predicted.connect(self._on_predicted)

    def accept(self) -> None:
        """Validate what is selected, or the proposal that was jumped to."""
        if self._review.annotations is not None and (ids := self._decided()):
            self._review.annotations.accept(ids)

    def reject(self) -> None:
        """Reject what is selected, or the proposal that was jumped to."""
        if self._review.annotations is not None and (ids := self._decided()):
            self._review.annotations.reject(ids)
            self._current = None

    def next_proposal(self) -> None:
        """Jump to the next proposal, least confident first, and select it."""
        session = self._review.session
        if session is None:
            return
        found = self._review.show_next_proposal()
        self._current = None if found is None else found.id
        self._review.tell(
            text("no_proposal") if found is None else described(found, session.ontology)
        )

    def propose(self) -> None:
        """Turn what the chosen model found in view into proposals."""
        session, annotations = self._review.session, self._review.annotations
        if session is None or annotations is None:
            return
        model = self._models.currentText()
        if not model:
            self._review.say(text("no_prediction"))
            return
        region = self._review.region_in_view()
        result = self._review.guarded(partial(session.propose_from_prediction, model, region))
        if result is None:
            return
        key = "proposed_cut" if result.beyond else "proposed_new"
        annotations.show(region)
        self._review.tell(text(key, new=result.new, known=result.known, beyond=result.beyond))

    def set_opacity(self, percent: int) -> None:
        """Set the opacity of all predictions, 0 to 100."""
        for layer in self._review.viewer.layers:
            if is_of_model(layer):
                layer.opacity = percent / _OPACITY_STEPS

    def _actions(self) -> tuple[ReviewAction, ...]:
        decisions = (
            ReviewAction("accept", (), "group_annotate", self.accept),
            ReviewAction("reject", (), "group_annotate", self.reject),
            ReviewAction("next", (), "group_annotate", self.next_proposal),
        )
        numbers = (
            ReviewAction(
                *("class_number", (str(n),), "group_classes", partial(self._choose_class, n)),
                {"number": n},
                WhileDrawing.RUNS,
            )
            for n in range(1, MOST_KEYS + 1)
        )
        return (*decisions, *numbers)

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        layout.addWidget(ToolButtons(self.tools))
        label = QLabel(text("class"))
        label.setWordWrap(True)
        layout.addWidget(label)
        self._class_place = QVBoxLayout()
        layout.addLayout(self._class_place)
        accept, reject, following = self._decisions[:3]
        grid = QGridLayout()
        grid.addWidget(action_button(accept), 0, 0)
        grid.addWidget(action_button(reject), 0, 1)
        grid.addWidget(action_button(following), 1, 0, 1, 2)
        layout.addLayout(grid)
        layout.addLayout(self._prediction_controls())
        layout.addStretch(1)

    def _prediction_controls(self) -> QGridLayout:
        grid = QGridLayout()
        grid.addWidget(QLabel(text("prediction")), 0, 0)
        grid.addWidget(self._models, 0, 1)
        grid.addWidget(QLabel(text("opacity")), 1, 0)
        grid.addWidget(self._opacity, 1, 1)
        grid.addWidget(push_button(text("propose"), self.propose), 2, 0, 1, 2)
        return grid

    def _choose_class(self, number: int) -> None:
        if self._classes is not None:
            self._classes.choose(number)

    def _decided(self) -> list[uuid.UUID]:
        annotations = self._review.annotations
        selected = annotations.selected if annotations is not None else []
        if not selected and self._current is not None:
            return [self._current]
        if not selected:
            self._review.tell(text("nothing_selected"))
        return selected

    def _on_opened(self, session: ReviewSession) -> None:
        assert self._review.annotations is not None  # the session was just opened
        self._on_closing()
        self._classes = ClassButtons(session.classes, self._review.annotations.set_class)
        self._class_place.addWidget(self._classes)
        self._models.clear()
        self._models.addItems(session.predictions)
        self.set_opacity(self._opacity.value())

    def _on_predicted(self, _model: str) -> None:
        session, before = self._review.session, self._models.currentText()
        if session is not None:
            self._models.clear()
            self._models.addItems(session.predictions)
            self._models.setCurrentText(before)

    def _on_closing(self) -> None:
        self._current = None
        if self._classes is not None:
            self._classes.deleteLater()
            self._classes = None


def described(annotation: Annotation, ontology: Ontology) -> str:
    """Name of an annotation's class in the user's language, and how sure the model was."""
    name = class_name(ontology[annotation.label]) if annotation.label in ontology else "?"
    confidence = annotation.confidence
    return name if confidence is None else f"{name} ({confidence:.0%})"
