"""The tab of models: which there are, what they are for, asking one here, and improving it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QLabel, QVBoxLayout, QWidget

from napari_pathoai.panels.improve_box import ImproveBox
from napari_pathoai.panels.narrow_widgets import NarrowComboBox
from napari_pathoai.panels.prediction_controls import PredictionControls
from napari_pathoai.panels.push_button import push_button
from napari_pathoai.review import Review
from napari_pathoai.session import ReviewSession
from napari_pathoai.texts.texts import text
from pathoai_annotations.review.known_models import KnownModel, known_model, models_of


class ModelPanel(QWidget):
    """Models of the study, and others that the user names.

    Args:
        review: What it acts on.
    """

    title_key = "tab_model"

    def __init__(self, review: Review) -> None:
        """Build the tab; a session fills it."""
        super().__init__()
        self._review = review
        self._known: list[KnownModel] = []
        self.choice, self.card = NarrowComboBox(), QLabel()
        self.choice.activated.connect(self._on_choice)
        self.card.setWordWrap(True)
        # What a card says is shown as it is, never as markup.
        self.card.setTextFormat(Qt.TextFormat.PlainText)
        self.controls = PredictionControls(review)
        self.improve = ImproveBox(review, lambda: self.controls.model)
        self.review_actions = self.controls.review_actions
        layout = QVBoxLayout(self)
        layout.addWidget(self.choice)
        layout.addWidget(push_button(text("model_other"), self._on_other))
        for widget in (self.card, self.controls, self.improve):
            layout.addWidget(widget)
        layout.addStretch(1)
        review.opened.connect(self._on_opened)

    def add(self, folder: Path) -> None:
        """Take a bundle that lies elsewhere, and choose it."""
        found = self._review.guarded(partial(known_model, folder))
        if found is not None:
            self._known = [*self._known, found]
            self.choice.addItem(found.name)
            self.choice.setCurrentIndex(len(self._known) - 1)
            self._on_choice(len(self._known) - 1)

    def _on_other(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, text("model_other"))
        if folder:
            self.add(Path(folder))

    def _on_opened(self, session: ReviewSession) -> None:
        ours = models_of(session.study)
        others = [one for one in self._known if one.folder not in {o.folder for o in ours}]
        others = [
            one for one in others if one.folder.parent != session.study.model_path("x").parent
        ]
        self._known = [*ours, *others]
        before = self.choice.currentText()
        self.choice.clear()
        self.choice.addItems([one.name for one in self._known])
        self.choice.setCurrentIndex(max(0, self.choice.findText(before)))
        self._on_choice(self.choice.currentIndex())

    def _on_choice(self, row: int) -> None:
        model = self._known[row] if 0 <= row < len(self._known) else None
        self.controls.model = model
        self.controls.refresh()
        self.card.setText(text("model_none") if model is None else card_text(model))


def card_text(model: KnownModel) -> str:
    """What a model is for, in some lines."""
    return text(
        "model_card",
        task=model.task,
        mpp=model.mpp,
        classes=", ".join(key for key in model.classes if key != "background"),
        licence=model.licence or "?",
        use=model.intended_use or text("model_no_use"),
    )
