"""The dock widget of the review: thin; what it does is in ``session`` and ``annotation_layer``."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QCloseEvent, QShowEvent
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QPushButton,
    QScrollArea,
    QSlider,
    QVBoxLayout,
    QWidget,
)
from vispy.app.backends._qt import CanvasBackendDesktop

from napari_pathoai.annotation_layer import AnnotationLayer
from napari_pathoai.canvas_view import bring_into_view, region_in_view
from napari_pathoai.class_buttons import MOST_KEYS, ClassButtons, class_name
from napari_pathoai.layers import METADATA, store_layers
from napari_pathoai.review_keys import ReviewKeys
from napari_pathoai.session import ReviewSession, SavedState, choose_slide, tiled_slides
from napari_pathoai.texts import text
from pathoai.errors import PathoaiError
from pathoai.geometry import Region
from pathoai.ontology import Ontology
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation

if TYPE_CHECKING:
    import uuid

    import napari

READER_VARIABLE = "PATHOAI_READER"
"""Environment variable that holds the reader's code when the widget is opened from napari."""

_Result = TypeVar("_Result")
_CAMERA_QUIET_MS = 250
_OPACITY_STEPS = 100


class ReviewWidget(QWidget):
    """Choose a slide, judge proposals, draw and correct; everything is saved as it happens."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        """An empty widget; ``open_session`` or the user's choice of a study fills it."""
        super().__init__()
        self.viewer = napari_viewer
        self.session: ReviewSession | None = None
        self.annotations: AnnotationLayer | None = None
        self._current: uuid.UUID | None = None
        self._camera_timer = QTimer(self)
        self._camera_timer.setSingleShot(True)
        self._camera_timer.setInterval(_CAMERA_QUIET_MS)
        self._camera_timer.timeout.connect(self._on_camera_quiet)
        self._build()
        self._keys = ReviewKeys(self._key_actions(), self._keys_are_ours)
        napari_viewer.scene.camera.events.connect(self._on_camera)

    def open_session(self, session: ReviewSession) -> None:
        """Show the slide of a session in place of the present one."""
        self._close_session()
        self.session = session
        self._list_slides(session)
        for data, settings, kind in store_layers(session.store):
            getattr(self.viewer, f"add_{kind}")(data, **settings)
        self.annotations = AnnotationLayer(session, say=self.say, changed=self._show_state)
        for layer in self.annotations.layers:
            self.viewer.add_layer(layer)
        self.viewer.layers.selection.active = self.annotations.layer
        scale_bar = self.viewer.canvas.overlays.scale_bar
        scale_bar.visible = scale_bar.box = True
        self.viewer.reset_view()
        self._show_classes(session)
        self._show_predictions(session)
        self.annotations.set_zoom(self.viewer.scene.camera.zoom)
        self.annotations.show(self._region())

    def say(self, message: str) -> None:
        """Show one line, in the widget and as a napari notification."""
        from napari.utils.notifications import show_warning

        self._message.setText(message)
        show_warning(message)

    def accept(self) -> None:
        """Validate what is selected, or the proposal that was jumped to."""
        if self.annotations is not None and (ids := self._decided()):
            self.annotations.accept(ids)

    def reject(self) -> None:
        """Reject what is selected, or the proposal that was jumped to."""
        if self.annotations is not None and (ids := self._decided()):
            self.annotations.reject(ids)
            self._current = None

    def next_proposal(self) -> None:
        """Jump to the next proposal, least confident first, and select it."""
        if self.session is None or self.annotations is None:
            return
        found = self._guarded(self.session.next_proposal)
        if found is None:
            self._message.setText(text("no_proposal"))
            return
        self._current = found.id
        self._message.setText(described(found, self.session.ontology))
        bring_into_view(self.viewer, found.geometry.bounds, self.session.store.header.slide_mpp)
        self.viewer.layers.selection.active = self.annotations.layer
        self.annotations.select(found.id)

    def propose(self) -> None:
        """Turn what the chosen model found in view into proposals."""
        if self.session is None or self.annotations is None:
            return
        model = self._models.currentText()
        if not model:
            self.say(text("no_prediction"))
            return
        region = self._region()
        result = self._guarded(partial(self.session.propose_from_prediction, model, region))
        if result is None:
            return
        key = "proposed_cut" if result.beyond else "proposed_new"
        self.annotations.show(region)
        self._message.setText(text(key, new=result.new, known=result.known, beyond=result.beyond))

    def set_mode(self, mode: str) -> None:
        """Choose what the mouse does to annotations: a mode of napari's Shapes layer."""
        if self.annotations is not None:
            self.viewer.layers.selection.active = self.annotations.layer
            self.annotations.layer.mode = mode

    def set_opacity(self, percent: int) -> None:
        """Set the opacity of all predictions, 0 to 100."""
        for layer in self.viewer.layers:
            about = layer.metadata.get(METADATA, {})
            if str(about.get("label", "")).startswith("prediction/"):
                layer.opacity = percent / _OPACITY_STEPS

    def showEvent(self, event: QShowEvent) -> None:
        """Qt's hook: once docked, the canvas is found in the window and its keys are heard."""
        super().showEvent(event)
        for canvas in self.window().findChildren(CanvasBackendDesktop):
            # Installing twice moves a filter to the front; it is not called twice.
            canvas.installEventFilter(self._keys)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Qt's hook: leave the viewer as it was found."""
        self._close_session()
        super().closeEvent(event)

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        self._open = QPushButton(text("open_study"))
        self._open.clicked.connect(self._on_open)
        self._reader, self._slides = QLabel(), QComboBox()
        self._slides.activated.connect(self._on_slide)
        self._classes = QScrollArea()
        self._classes.setWidgetResizable(True)
        self._classes.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._models = QComboBox()
        self._counts, self._saved, self._partial, self._message = (QLabel() for _ in range(4))
        for label in (self._counts, self._saved, self._partial, self._message):
            label.setWordWrap(True)
        layout.addWidget(self._open)
        layout.addWidget(self._reader)
        layout.addWidget(self._slides)
        layout.addLayout(self._mode_buttons())
        layout.addWidget(QLabel(text("class")))
        layout.addWidget(self._classes, stretch=1)
        layout.addLayout(self._decision_buttons())
        layout.addLayout(self._prediction_controls())
        for label in (self._counts, self._partial, self._message, self._saved):
            layout.addWidget(label)

    def _mode_buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        modes = (("draw", "add_polygon_lasso"), ("edit", "direct"), ("move", "pan_zoom"))
        for key, mode in modes:
            row.addWidget(_push(text(key), partial(self.set_mode, mode)))
        return row

    def _decision_buttons(self) -> QGridLayout:
        grid = QGridLayout()
        grid.addWidget(_push(f"{text('accept')}  (Y)", self.accept), 0, 0)
        grid.addWidget(_push(f"{text('reject')}  (X)", self.reject), 0, 1)
        grid.addWidget(_push(f"{text('next')}  (N)", self.next_proposal), 1, 0, 1, 2)
        return grid

    def _prediction_controls(self) -> QGridLayout:
        grid = QGridLayout()
        opacity = QSlider(Qt.Orientation.Horizontal)
        opacity.setRange(0, _OPACITY_STEPS)
        opacity.setValue(45)
        opacity.valueChanged.connect(self.set_opacity)
        self._opacity = opacity
        grid.addWidget(QLabel(text("prediction")), 0, 0)
        grid.addWidget(self._models, 0, 1)
        grid.addWidget(QLabel(text("opacity")), 1, 0)
        grid.addWidget(opacity, 1, 1)
        grid.addWidget(_push(text("propose"), self.propose), 2, 0, 1, 2)
        return grid

    def _key_actions(self) -> dict[str, Callable[[], None]]:
        numbers = {str(n): partial(self._choose_class, n) for n in range(1, MOST_KEYS + 1)}
        return {"y": self.accept, "x": self.reject, "n": self.next_proposal, **numbers}

    def _keys_are_ours(self) -> bool:
        return self.annotations is not None and not self.annotations.is_drawing

    def _choose_class(self, number: int) -> None:
        buttons = self._classes.widget()
        if isinstance(buttons, ClassButtons):
            buttons.choose(number)

    def _decided(self) -> list[uuid.UUID]:
        selected = self.annotations.selected if self.annotations is not None else []
        if not selected and self._current is not None:
            return [self._current]
        if not selected:
            self._message.setText(text("nothing_selected"))
        return selected

    def _guarded(self, operation: Callable[[], _Result]) -> _Result | None:
        try:
            return operation()
        except PathoaiError as error:
            self.say(str(error))
            return None

    def _region(self) -> Region:
        assert self.session is not None  # only called while a slide is shown
        return region_in_view(self.viewer, self.session.store.header.slide_mpp)

    def _show_state(self) -> None:
        if self.session is None or self.annotations is None:
            return
        counts = {status.value: count for status, count in self.session.counts().items()}
        self._counts.setText(text("counts", **counts))
        self._saved.setText(saved_text(self.session.saved))
        shown, total = self.annotations.shown_count, self.annotations.total
        self._partial.setText(text("in_view", shown=shown, total=total) if shown < total else "")

    def _show_classes(self, session: ReviewSession) -> None:
        assert self.annotations is not None  # the session was just opened
        self._classes.setWidget(ClassButtons(session.classes, self.annotations.set_class))

    def _show_predictions(self, session: ReviewSession) -> None:
        self._models.clear()
        self._models.addItems(session.predictions)
        self.set_opacity(self._opacity.value())

    def _list_slides(self, session: ReviewSession) -> None:
        self._open.hide()
        self._reader.setText(text("reader", reader=session.reader))
        self._slides.clear()
        self._slides.addItems(tiled_slides(session.study))
        self._slides.setCurrentText(session.slide_id)

    def _close_session(self) -> None:
        self._camera_timer.stop()
        self._current = None
        if self.session is not None:
            self.session.close()
        self.session = self.annotations = None
        for layer in [one for one in self.viewer.layers if METADATA in one.metadata]:
            self.viewer.layers.remove(layer)

    def _on_open(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, text("open_study"))
        if not folder:
            return
        known = os.environ.get(READER_VARIABLE, "")
        reader, confirmed = QInputDialog.getText(
            self, text("open_study"), text("reader_prompt"), text=known
        )
        if confirmed:
            self._guarded(partial(self._open_study, Path(folder), reader))

    def _open_study(self, folder: Path, reader: str) -> None:
        study = Study(folder)
        self.open_session(ReviewSession(study, choose_slide(study, None), reader))

    def _on_slide(self, _position: int) -> None:
        session, chosen = self.session, self._slides.currentText()
        if session is None or chosen == session.slide_id:
            return
        other = self._guarded(partial(ReviewSession, session.study, chosen, session.reader))
        if other is None:
            self._slides.setCurrentText(session.slide_id)
        else:
            self.open_session(other)

    def _on_camera(self, _event: object) -> None:
        if self.annotations is not None:
            self._camera_timer.start()

    def _on_camera_quiet(self) -> None:
        """Once the view rests: outlines keep their width, and what is now in view is loaded."""
        layer = self.annotations
        if layer is None or layer.is_drawing:
            return
        layer.set_zoom(self.viewer.scene.camera.zoom)
        if layer.shown_count < layer.total and not layer.selected:
            self._guarded(partial(layer.show, self._region()))


def saved_text(saved: SavedState) -> str:
    """What the reader is told of the journal, with the local time of the last edit."""
    if saved.last is None:
        return text("saved_none")
    key = "saved_one" if saved.edits == 1 else "saved_many"
    return text(key, edits=saved.edits, time=saved.last.strftime("%H:%M:%S"))


def described(annotation: Annotation, ontology: Ontology) -> str:
    """Name of an annotation's class in the user's language, and how sure the model was."""
    name = class_name(ontology[annotation.label]) if annotation.label in ontology else "?"
    confidence = annotation.confidence
    return name if confidence is None else f"{name} ({confidence:.0%})"


def _push(label: str, action: Callable[[], object]) -> QPushButton:
    button = QPushButton(label)
    # Qt passes whether the button is checked, which no action takes.
    button.clicked.connect(lambda _checked=False: action())
    return button
