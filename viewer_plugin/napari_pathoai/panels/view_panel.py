"""The tab of moving about on the slide, and of seeing or not seeing what models say."""

from __future__ import annotations

from functools import partial

from qtpy.QtWidgets import QCheckBox, QGridLayout, QLabel, QVBoxLayout, QWidget

from napari_pathoai.keys.actions import ReviewAction
from napari_pathoai.panels.push_button import action_button, push_button
from napari_pathoai.panels.twin_box import TwinBox
from napari_pathoai.picture.prediction_view import FAR_UM, NEAR_UM
from napari_pathoai.picture.thumbnail import thumbnail
from napari_pathoai.picture.zoom_presets import (
    MAGNIFICATIONS,
    magnification_at,
    present_screen_px_um,
    screen_px_um,
    set_magnification,
)
from napari_pathoai.review import Review
from napari_pathoai.session import ReviewSession
from napari_pathoai.texts.texts import text
from napari_pathoai.views.minimap import MAP_SIDE_PX, MapPlace, Minimap
from pathoai_annotations.journal.region_reading import Outcome

_SHARP = 2
"""Map pixels made for each that is shown: so many have the sharpest screens."""
_BUTTONS_A_ROW = 3
# Of Okabe and Ito, told apart by whoever sees few colours.
_OUTCOME_COLOURS = {
    Outcome.ACCEPTED: "#009e73",
    Outcome.CORRECTED: "#0072b2",
    Outcome.REJECTED: "#d55e00",
    Outcome.UNSURE: "#cc79a7",
}


class ViewPanel(QWidget):
    """Zoom presets, the map, the other stain, and whether predictions are seen.

    Args:
        review: What is looked at.
    """

    title_key = "tab_view"

    def __init__(self, review: Review) -> None:
        """Build the tab; a session fills it."""
        super().__init__()
        self._review = review
        self.twin = TwinBox(review)
        self.review_actions = self._actions()
        self.minimap = Minimap(review.viewer, review.viewer.window._qt_viewer.canvas.native)
        self._build()
        review.opened.connect(self._on_opened)
        review.closing.connect(self._on_closing)
        review.edited.connect(self._show_decided)
        review.viewer.scene.camera.events.zoom.connect(self._show_zoom)
        self._show_zoom()

    def _actions(self) -> tuple[ReviewAction, ...]:
        hide = ReviewAction("hide_model", ("Ctrl+H",), "group_view", self._toggle_model)
        zooms = (
            ReviewAction(
                *("zoom_to", (f"Ctrl+{number}",), "group_view", partial(self._zoom, magnification)),
                {"magnification": f"{magnification:g}"},
            )
            for number, magnification in enumerate(MAGNIFICATIONS, start=1)
        )
        return (hide, *self.twin.review_actions, *zooms)

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        layout.addLayout(self._zoom_buttons())
        self._zoom_now = QLabel()
        self._zoom_now.setWordWrap(True)
        layout.addWidget(self._zoom_now)
        self._with_map = QCheckBox(text("minimap"))
        self._with_map.setChecked(True)
        self._with_map.toggled.connect(self.minimap.setVisible)
        layout.addWidget(self._with_map)
        layout.addWidget(self.twin)
        layout.addWidget(action_button(self.review_actions[0]))
        hint = QLabel(text("density_hint", near=f"{NEAR_UM:g}", far=f"{FAR_UM:g}"))
        hint.setWordWrap(True)
        layout.addWidget(hint)
        layout.addStretch(1)

    def _zoom_buttons(self) -> QGridLayout:
        grid = QGridLayout()
        for position, magnification in enumerate(MAGNIFICATIONS):
            label = text("zoom_preset", magnification=f"{magnification:g}")
            button = push_button(label, partial(self._zoom, magnification))
            um = f"{screen_px_um(magnification):g}"
            button.setToolTip(text("zoom_preset_help", um=um))
            grid.addWidget(button, *divmod(position, _BUTTONS_A_ROW))
        return grid

    def _zoom(self, magnification: float) -> None:
        set_magnification(self._review.viewer, magnification)

    def _show_zoom(self, _event: object = None) -> None:
        um = present_screen_px_um(self._review.viewer)
        now = f"{magnification_at(1 / um):.3g}"
        self._zoom_now.setText(text("zoom_now", magnification=now, um=f"{um:.3g}"))

    def _toggle_model(self) -> None:
        self._review.hide_model(not self._review.model_is_hidden)

    def _on_opened(self, session: ReviewSession) -> None:
        store = session.store
        size, mpp = store.slide.size, store.header.slide_mpp
        picture = self._review.guarded(partial(thumbnail, store, _SHARP * MAP_SIDE_PX))
        if picture is not None:
            self.minimap.show_slide(picture, (size.height * mpp.y, size.width * mpp.x))
            self.minimap.setVisible(self._with_map.isChecked())

    def _show_decided(self) -> None:
        """Mark on the map where the reader decided, in the colour of what he said."""
        session = self._review.session
        if session is None:
            return
        mpp = session.store.header.slide_mpp
        readings = session.journal.region_readings(session.slide_id, author=session.reader)
        self.minimap.show_places(
            [
                MapPlace(
                    (one.region.x + one.region.width / 2) * mpp.x,
                    (one.region.y + one.region.height / 2) * mpp.y,
                    _OUTCOME_COLOURS[one.outcome],
                )
                for one in readings
            ]
        )

    def _on_closing(self) -> None:
        self.minimap.hide()
