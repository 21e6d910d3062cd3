"""What one model says of the slide: its grade, how sure it is, and why."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGroupBox, QLabel, QProgressBar, QVBoxLayout

from napari_pathoai.panels.class_buttons import class_name
from napari_pathoai.panels.narrow_widgets import NarrowList
from napari_pathoai.texts.texts import text
from pathoai.ontology import Ontology
from pathoai_annotations.review.model_verdict import ModelVerdict, Reason

_BAR_STEPS = 1000
_BAR_HEIGHT_PX = 8
_ROWS_SHOWN = 5


class ModelVerdictBox(QGroupBox):
    """Shows a verdict; a click on a reason goes there.

    Args:
        verdict: Of a model.
        ontology: Names and colours of its grades.
        go: Called with the reason that was clicked.
    """

    def __init__(
        self, verdict: ModelVerdict, ontology: Ontology, go: Callable[[Reason], None]
    ) -> None:
        """Build it."""
        super().__init__(verdict.model)
        self._ontology, self._verdict = ontology, verdict
        self.reasons = NarrowList()
        layout = QVBoxLayout(self)
        layout.setSpacing(2)
        decision = QLabel(f"<b>{text('model_says', grade=self._said())}</b>")
        decision.setWordWrap(True)
        layout.addWidget(decision)
        for words, bar in self._bars():
            layout.addWidget(_line(words))
            layout.addWidget(bar)
        for line in (*self._lines(), *(f"⚠ {warning}" for warning in verdict.warnings)):
            layout.addWidget(_line(line))
        if verdict.reasons:
            layout.addWidget(QLabel(text("reasons")))
            layout.addWidget(self._list(go))

    def _said(self) -> str:
        if self._verdict.is_referred:
            return text("refer")
        return self._name(self._verdict.decision) if self._verdict.decision else text("too_little")

    def _name(self, key: str) -> str:
        return class_name(self._ontology[key]) if key in self._ontology else key

    def _bars(self) -> list[tuple[str, QProgressBar]]:
        """Words and a bar for each grade."""
        verdict = self._verdict
        if verdict.by_rules:
            most = max((mm2 for _, mm2 in verdict.areas_mm2), default=0.0) or 1.0
            return [
                (
                    text("area_of_grade", grade=self._name(key), mm2=mm2),
                    self._bar(key, mm2 / most),
                )
                for key, mm2 in verdict.areas_mm2
            ]
        return [
            (text("share_of_grade", grade=self._name(key), share=share), self._bar(key, share))
            for key, share in verdict.probabilities
        ]

    def _bar(self, key: str, share: float) -> QProgressBar:
        colour = self._ontology[key].colour if key in self._ontology else "#888888"
        bar = QProgressBar()
        bar.setRange(0, _BAR_STEPS)
        bar.setValue(round(share * _BAR_STEPS))
        bar.setTextVisible(False)
        bar.setFixedHeight(_BAR_HEIGHT_PX)
        bar.setStyleSheet(f"QProgressBar::chunk {{background-color: {colour}; width: 1px;}}")
        return bar

    def _lines(self) -> list[str]:
        verdict, lines = self._verdict, []
        if verdict.prediction_set:
            grades = ", ".join(map(self._name, verdict.prediction_set))
            lines.append(text("prediction_set", grades=grades))
        if verdict.expected_costs:
            costs = ", ".join(
                f"{self._name(key)} {cost:.2g}" for key, cost in verdict.expected_costs
            )
            lines.append(text("expected_cost", costs=costs))
        if verdict.familiarity is not None:
            lines.append(text("familiarity", share=verdict.familiarity))
        return lines

    def _list(self, go: Callable[[Reason], None]) -> NarrowList:
        for number, reason in enumerate(self._verdict.reasons, start=1):
            key = "reason_area" if reason.label else "reason_weight"
            name = self._name(reason.label)
            self.reasons.add(text(key, number=number, grade=name, share=reason.share))
        self.reasons.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        rows = min(_ROWS_SHOWN, len(self._verdict.reasons))
        self.reasons.setFixedHeight(rows * self.reasons.sizeHintForRow(0) + 6)
        self.reasons.itemClicked.connect(
            lambda item: go(self._verdict.reasons[self.reasons.row(item)])
        )
        return self.reasons


def _line(words: str) -> QLabel:
    label = QLabel(words)
    label.setWordWrap(True)
    # What files say is shown as it is, never as markup.
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label
