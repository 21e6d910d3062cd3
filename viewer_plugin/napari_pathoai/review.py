"""A viewer in which a session is shown: what panels, tools and keys act on. It knows no widget.

Panels do not know each other. Each connects to the signals here, so that an edit made in one shows
in all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from napari.utils.notifications import show_warning
from psygnal import Signal

from napari_pathoai.drawing.annotation_layer import AnnotationLayer
from napari_pathoai.drawing.unsaved_work import UnsavedWork
from napari_pathoai.picture.canvas_view import bring_into_view, region_in_view
from napari_pathoai.picture.cover import cover_layer
from napari_pathoai.picture.first_picture import show_slide
from napari_pathoai.picture.layers import METADATA, PREDICTION, LayerData, layers_over_image
from napari_pathoai.picture.prediction_view import ObjectsView, objects_views
from napari_pathoai.session import ReviewSession
from napari_pathoai.texts.refusal import refusal
from napari_pathoai.texts.texts import text
from pathoai.errors import PathoaiError
from pathoai.geometry import Region
from pathoai_annotations.annotation import Annotation

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer
    from napari.utils.events import Event

_Result = TypeVar("_Result")
REGION_SHARE = 0.8
"""Of the canvas: a region is read at the magnification that shows all of it."""


class Review:
    """Shows the slide of one session at a time.

    Args:
        viewer: Where.
    """

    opened = Signal(object)
    """A session (`ReviewSession`) is shown from now on."""
    closing = Signal()
    """The session is about to be closed: write what is still to be written."""
    predicted = Signal(str)
    """A model (its name) has said something of the slide."""
    edited = Signal()
    """The journal was changed here, or read again."""
    session_read = Signal(object)
    """What was done (`SessionSummary`) in a session that was closed."""
    region_shown = Signal(object)
    """A region of the queue (`RegionToRead`) is in view from now on."""
    panel_wanted = Signal(object)
    """A panel (`QWidget`) has something to show: bring its tab to the front."""
    said = Signal(str)
    """One line for the user."""

    def __init__(self, viewer: napari.Viewer) -> None:
        """Show nothing yet."""
        self.viewer = viewer
        self.session: ReviewSession | None = None
        self.annotations: AnnotationLayer | None = None
        self._out_of_sight: list[Layer] = []
        self._objects: list[ObjectsView] = []
        self._hidden_by: frozenset[str] = frozenset()
        viewer.layers.events.inserted.connect(self._on_inserted)

    def open(self, session: ReviewSession) -> bool:
        """Show the slide of a session in place of the present one, its picture before all else.

        Returns:
            False where the present one stays: what was drawn there cannot be saved yet.
        """
        if not self.saves_all():
            self.say(text("busy_stays"))
            session.journal.close()
            return False
        self.close()
        self.session = session
        show_slide(self.viewer, session.store)
        if session.predictions:
            # Which regions are covered is known before what models say is shown.
            self.guarded(lambda: session.regions)
        self._add(layers_over_image(session.store))
        self.annotations = AnnotationLayer(
            session, say=self.say, tell=self.tell, changed=self._on_changed
        )
        for layer in self.annotations.layers:
            self.viewer.add_layer(layer)
        self.viewer.layers.selection.active = self.annotations.layer
        self.annotations.set_zoom(self.viewer.scene.camera.zoom)
        self._show_objects(session)
        self.opened.emit(session)
        self.annotations.show(self.region_in_view())
        return True

    def saves_all(self) -> bool:
        """Whether all that was drawn is in the journal; what is not yet is tried again."""
        return self.annotations is None or self.annotations.save_unsaved()

    def close(self) -> None:
        """Take the session's layers away; what was edited is in the journal already."""
        if self.session is None:
            return
        self.closing.emit()
        for view in self._objects:
            view.close()
        self._objects = []
        self.guarded(self.end)
        self._out_of_sight, self._hidden_by = [], frozenset()
        # Together: the canvas is tidied after all of them, not after each, which takes a while.
        with self.viewer.layers.batched_update():
            for layer in [one for one in self.viewer.layers if METADATA in one.metadata]:
                self.viewer.layers.remove(layer)

    def end(self) -> None:
        """End the session and leave the window alone, which may be gone.

        Raises:
            PathoaiError: What was done could not be told, or the time not be noted.
        """
        session, self.session, self.annotations = self.session, None, None
        if session is None:
            return
        try:
            if session.has_work:
                self.session_read.emit(session.summary())
        finally:
            session.close()

    def _show_objects(self, session: ReviewSession) -> None:
        for view in self._objects:
            view.close()
        objects_path = partial(session.study.objects_path, session.slide_id)
        self._objects = objects_views(self.viewer, session.store, session.ontology, objects_path)

    def _add(self, layers: Iterable[LayerData]) -> None:
        for data, settings, kind in layers:
            getattr(self.viewer, f"add_{kind}")(data, **settings)

    def say(self, message: str) -> None:
        """Show one line, in the dock and as a napari notification."""
        self.said.emit(message)
        show_warning(message)

    def tell(self, message: str) -> None:
        """Show one line in the dock alone: what was done, or where one is."""
        self.said.emit(message)

    def guarded(self, operation: Callable[[], _Result]) -> _Result | None:
        """Do something; an error of ours becomes one line, and None."""
        try:
            return operation()
        except PathoaiError as error:
            self.say(refusal(error))
            return None

    def region_in_view(self) -> Region:
        """What the canvas shows, level-0 pixels; only while a session is shown."""
        assert self.session is not None  # nobody asks where no slide is
        return region_in_view(self.viewer, self.session.store.header.slide_mpp)

    def show_region(self, region: Region) -> None:
        """Fill the view with a region, but for a margin that says where it lies.

        Args:
            region: Level-0 pixels.
        """
        assert self.session is not None  # nobody asks where no slide is
        bounds = (region.x, region.y, region.right, region.bottom)
        mpp = self.session.store.header.slide_mpp
        bring_into_view(self.viewer, bounds, mpp, share=REGION_SHARE)

    def show_bounds(self, bounds: tuple[float, float, float, float]) -> None:
        """Centre the view on a rectangle: left, top, right and bottom, level-0 pixels."""
        assert self.session is not None  # nobody asks where no slide is
        bring_into_view(self.viewer, bounds, self.session.store.header.slide_mpp)

    def hold_annotations(self) -> None:
        """Give the mouse to the annotations' layer; layers the user removed come back first."""
        if self.annotations is None:
            return
        gone = [one for one in self.annotations.layers if one not in self.viewer.layers]
        for layer in gone:
            self.viewer.layers.append(layer)
        if gone:
            self.say(text("layer_back"))
        self.viewer.layers.selection.active = self.annotations.layer

    def show_next_proposal(self) -> Annotation | None:
        """Bring the next open proposal into view, least confident first, and select it.

        Returns:
            Which; None where none is left.
        """
        if self.session is None or self.annotations is None:
            return None
        found = self.guarded(self.session.next_proposal)
        if found is not None:
            self.show_bounds(found.geometry.bounds)
            self.hold_annotations()
            self.annotations.select(found.id)
        return found

    def reload(self) -> None:
        """Show again what the journal holds, e.g. after undo."""
        if self.annotations is not None:
            self.annotations.reload()

    def show_prediction(self, model: str) -> None:
        """Show what a model has just said of the slide, in place of what it said before."""
        if self.session is None:
            return
        label = f"{PREDICTION}{model}"
        active = self.viewer.layers.selection.active
        for old in [one for one in self.viewer.layers if is_of_label(one.metadata, label)]:
            self.viewer.layers.remove(old)
        found = layers_over_image(self.session.store)
        self._add(one for one in found if is_of_label(one[1]["metadata"], label))
        self._show_objects(self.session)
        if active in self.viewer.layers:
            self.viewer.layers.selection.active = active
        self.predicted.emit(model)

    @property
    def model_is_hidden(self) -> bool:
        """Whether what models say is out of sight."""
        return self.session is not None and self.session.hides_model

    def cover(self) -> None:
        """Put what models say of undecided controls out of sight, and show it of decided ones."""
        for layer in self.viewer.layers:
            self._cover(layer)

    def _cover(self, layer: Layer) -> None:
        if self.session is not None and is_of_model(layer):
            cover_layer(layer, self.session.covered, self.session.store.header.slide_mpp)

    def _on_changed(self) -> None:
        if self.annotations is not None:
            self._show_unsaved(self.annotations.unsaved)
        self.edited.emit()

    def _show_unsaved(self, unsaved: UnsavedWork) -> None:
        """Its layer is there while there is any, and takes the mouse from no other."""
        layers, layer = self.viewer.layers, unsaved.layer
        if bool(unsaved) == (layer in layers):
            return
        active = layers.selection.active
        if unsaved:
            layers.append(layer)
        else:
            layers.remove(layer)
        layers.selection.active = active

    def _on_inserted(self, event: Event) -> None:
        self._cover(event.value)

    def hide_model(self, hidden: bool, *, why: str = "reader", reload: bool = True) -> None:
        """Put all that models say out of sight: their layers, and proposals nobody judged.

        Args:
            hidden: False to show what was visible before, once no other reason to hide it is left.
            why: Who wants it: the reader himself, or e.g. a control, which he cannot overrule.
            reload: False where annotations are shown anew anyway.
        """
        if self.session is None:
            return
        self._hidden_by = self._hidden_by | {why} if hidden else self._hidden_by - {why}
        hidden = bool(self._hidden_by)
        if hidden == self.session.hides_model:
            return
        self.session.hides_model = hidden
        if hidden:
            self._out_of_sight = [
                layer for layer in self.viewer.layers if is_of_model(layer) and layer.visible
            ]
        for layer in self._out_of_sight:
            layer.visible = not hidden
        if reload:
            self.reload()


def is_of_model(layer: Layer) -> bool:
    """Whether a layer shows what a model says."""
    about: dict[str, Any] = layer.metadata.get(METADATA, {})
    return bool(about.get("of_model", False))


def is_of_label(metadata: dict[str, Any], label: str) -> bool:
    """Whether a layer of such metadata shows a label, or probabilities beside it."""
    return bool(metadata.get(METADATA, {}).get("label") == label)
