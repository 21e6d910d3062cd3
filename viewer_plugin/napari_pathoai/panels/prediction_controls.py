"""Asking a model about what is in sight, or about the slide: buttons, progress, and an end."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QGridLayout, QLabel, QProgressBar, QWidget

from napari_pathoai.keys.actions import ReviewAction
from napari_pathoai.panels.push_button import action_button, push_button
from napari_pathoai.picture.part_layer import part_layer
from napari_pathoai.review import Review
from napari_pathoai.texts.texts import text
from pathoai.geometry import Region
from pathoai_annotations.proposals import MOST_AT_ONCE
from pathoai_annotations.review.known_models import KnownModel
from pathoai_annotations.review.predict_here import PredictionRun, RunState, propose_part

_LOOK_MS = 150


class PredictionControls(QWidget):
    """Runs one prediction at a time, in a process of its own.

    Args:
        review: What it acts on.
    """

    def __init__(self, review: Review) -> None:
        """Build the buttons; ``model`` says what they ask."""
        super().__init__()
        self._review = review
        self.model: KnownModel | None = None
        self.run: PredictionRun | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_MS)
        self._timer.timeout.connect(self._look)
        view = ReviewAction("predict_view", ("Ctrl+P",), "tab_model", self.predict_view)
        self.review_actions = (view,)
        self.view_button = action_button(view)
        self.slide_button = push_button(text("predict_slide"), self.predict_slide)
        self.cancel_button = push_button(text("predict_cancel"), self.cancel)
        self.bar, self.message = QProgressBar(), QLabel()
        self.message.setWordWrap(True)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self.view_button, 0, 0, 1, 2)
        grid.addWidget(self.slide_button, 1, 0)
        grid.addWidget(self.cancel_button, 1, 1)
        grid.addWidget(self.bar, 2, 0, 1, 2)
        grid.addWidget(self.message, 3, 0, 1, 2)
        review.closing.connect(self._on_closing)
        self.refresh()

    def predict_view(self) -> None:
        """Ask about what the canvas shows."""
        if self._review.session is not None:
            self._start(self._review.region_in_view())

    def predict_slide(self) -> None:
        """Ask about the whole slide; an interrupted run goes on."""
        self._start(None)

    def cancel(self) -> None:
        """Stop at once."""
        if self.run is not None:
            self.run.cancel()
            self._look()

    def refresh(self) -> None:
        """Which buttons can be pushed."""
        is_free = self.run is None
        may = is_free and self.model is not None and self._review.session is not None
        self.view_button.setEnabled(may and self.model is not None and self.model.sees_pixels)
        self.slide_button.setEnabled(may)
        self.cancel_button.setEnabled(not is_free)
        self.bar.setVisible(not is_free)

    def _start(self, region: Region | None) -> None:
        session, model = self._review.session, self.model
        if session is None or model is None or self.run is not None:
            return
        if session.hides_model:
            self._review.say(text("hidden_model"))
            return
        start = partial(PredictionRun, session.study, session.slide_id, model, region)
        self.run = self._review.guarded(start)
        if self.run is not None:
            self.message.setText(text("predicting"))
            self._timer.start()
        self.refresh()

    def _look(self) -> None:
        """Show how far the run is, and what it ended with."""
        if self.run is None:
            return
        run, state = self.run, self.run.state
        # Without a total the bar shows that something goes on.
        self.bar.setRange(0, state.total)
        self.bar.setValue(state.done)
        if state.is_running:
            return
        self._timer.stop()
        self.run = None
        self.refresh()
        self._end(run, state)

    def _end(self, run: PredictionRun, state: RunState) -> None:
        if state.is_cancelled:
            kept = "predict_cancelled" if run.region is not None else "predict_slide_cancelled"
            self._tell(text(kept))
        elif state.error:
            self.message.setText(state.error)
            self._review.say(state.error)
        elif state.part is not None:
            self._show_part(run.model, state)
        else:
            self._review.show_prediction(run.model.name)
            self._tell(state.said)

    def _show_part(self, model: KnownModel, state: RunState) -> None:
        session, part = self._review.session, state.part
        if session is None or part is None:
            return
        data, settings, _ = part_layer(part, model.name, session)
        for old in [one for one in self._review.viewer.layers if one.name == settings["name"]]:
            self._review.viewer.layers.remove(old)
        active = self._review.viewer.layers.selection.active
        self._review.viewer.add_labels(data, **settings)
        self._review.viewer.layers.selection.active = active
        propose = partial(propose_part, session.journal, session.study, session.slide_id)
        entered = self._review.guarded(partial(propose, model.name, part, MOST_AT_ONCE))
        if entered is None:
            return
        new, beyond = entered
        self._review.reload()
        key = "predicted_part_cut" if beyond else "predicted_part"
        self._tell(text(key, found=len(part.objects), new=new, beyond=beyond))

    def _tell(self, message: str) -> None:
        self.message.setText(message)
        self._review.tell(message)

    def _on_closing(self) -> None:
        """A slide that is left is asked about no more."""
        self.cancel()
        self.message.clear()
