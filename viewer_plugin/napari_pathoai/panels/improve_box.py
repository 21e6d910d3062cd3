"""What was read, as what the next training learns from, and the two commands that do it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from qtpy.QtWidgets import (
    QApplication,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
)

from napari_pathoai.panels.class_buttons import class_name
from napari_pathoai.panels.push_button import push_button
from napari_pathoai.review import Review
from napari_pathoai.session import ReviewSession
from napari_pathoai.texts.texts import text
from pathoai_annotations.review.improve import NextTraining, next_training
from pathoai_annotations.review.known_models import KnownModel

_NO_RECIPE = "RECIPE"


class ImproveBox(QGroupBox):
    """Gathers what readers accepted or corrected, and shows how to learn from it.

    Args:
        review: What it acts on.
        model: Gives the model that is to be improved, if one is chosen.
    """

    def __init__(self, review: Review, model: Callable[[], KnownModel | None]) -> None:
        """Build it; nothing is gathered until the user asks."""
        super().__init__(text("improve"))
        self._review, self._model = review, model
        layout = QVBoxLayout(self)
        self.gather_button = push_button(text("improve_refresh"), self.gather)
        layout.addWidget(self.gather_button)
        self.said, self._run = QLabel(), QLabel(text("improve_run"))
        self.said.setWordWrap(True)
        layout.addWidget(self.said)
        layout.addWidget(self._run)
        self.lines = (QLineEdit(), QLineEdit())
        self.copy_buttons: list[QPushButton] = []
        for line in self.lines:
            line.setReadOnly(True)
            row = QHBoxLayout()
            row.addWidget(line)
            button = push_button(text("copy"), partial(self._copy, line))
            row.addWidget(button)
            self.copy_buttons.append(button)
            layout.addLayout(row)
        review.opened.connect(self._on_opened)
        self._show_lines(visible=False)

    def gather(self) -> None:
        """Read the journal."""
        session = self._review.session
        if session is None:
            return
        found = self._review.guarded(partial(next_training, session.study, session.journal))
        if found is not None:
            self._show(session, found)

    def _show(self, session: ReviewSession, found: NextTraining) -> None:
        self._show_lines(visible=bool(found.regions))
        if not found.regions:
            self.said.setText(text("improve_none"))
            return
        model = self._model()
        commands = found.commands(session.study, (model and model.recipe) or _NO_RECIPE)
        for line, command in zip(self.lines, commands, strict=True):
            line.setText(command)
            line.setCursorPosition(0)
        self.said.setText("\n".join(_counts(session, found)))

    def _show_lines(self, *, visible: bool) -> None:
        for widget in (self._run, *self.lines, *self.copy_buttons):
            widget.setVisible(visible)

    def _copy(self, line: QLineEdit) -> None:
        QApplication.clipboard().setText(line.text())
        self._review.tell(text("copied"))

    def _on_opened(self, _session: object) -> None:
        self.said.clear()
        self._show_lines(visible=False)


def _counts(session: ReviewSession, found: NextTraining) -> list[str]:
    """By class and by slide."""
    lines = [text("improve_said", regions=found.regions, slides=len(found.slides))]
    for key, count in found.by_class(session.ontology).items():
        name = class_name(session.ontology[key])
        lines.append(text("improve_class", name=name, count=count))
    for one in found.slides:
        total = sum(one.counts.values())
        values = {"slide": one.slide_id, "regions": len(one.regions), "count": total}
        lines.append(text("improve_slide", **values))
    if undecided := sum(one.undecided for one in found.slides):
        lines.append(text("improve_undecided", count=undecided))
    return lines
