"""How one model's objects are seen: by outline up close, by area, and by density from afar.

Outlines are the borders in the class map, a pyramid of rasters, so half a million nuclei cost no
more than one. From afar a class map of small objects is noise, since each of its pixels stands for
one of many: there the density of the objects is shown, counted from their table in a thread the
first time that it is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer

from napari_pathoai.picture.layers import METADATA, PREDICTION, raster_frame
from napari_pathoai.texts.texts import text
from pathoai.geometry import Mpp
from pathoai.ontology import Ontology
from pathoai.store.label_image import LabelImage
from pathoai.store.slide_store import SlideStore

if TYPE_CHECKING:
    import napari
    from napari.layers import Image, Labels

    from napari_pathoai.picture.density import DensityPicture

NEAR_UM = 1.0
"""µm per screen pixel up to which objects are outlined: a nucleus of 8 µm is 8 pixels wide."""
FAR_UM = 4.0
"""µm per screen pixel from which on density is shown: a nucleus is two pixels wide."""
_LINE_PX = 1
"""Inside the border; napari adds one outside. Wider lines take twice the time of a frame."""
_REST_MS = 700
"""From afar for so long, and the density is counted: who only passes by shall not wait for it."""
_NUCLEUS = "nucleus"


class Sight(Enum):
    """How objects are seen."""

    OUTLINES = auto()
    AREAS = auto()
    DENSITY = auto()


def sight_at(screen_px_um: float) -> Sight:
    """How objects are seen where a screen pixel spans so many µm."""
    if screen_px_um <= NEAR_UM:
        return Sight.OUTLINES
    return Sight.AREAS if screen_px_um < FAR_UM else Sight.DENSITY


def tells_objects(label: LabelImage, ontology: Ontology) -> bool:
    """Whether a prediction is one of many small objects: numbered ones, or nuclei of any kind."""
    if label.with_instances:
        return True
    keys = [key for key in label.probability_channels if key in ontology and key != "background"]
    return bool(keys) and all(
        key == _NUCLEUS or _NUCLEUS in ontology.ancestors(key) for key in keys
    )


class ObjectsView:
    """One model's objects, shown as fits the zoom.

    Of the two layers the one that fits is seen where the other was, so whoever hides what is seen,
    and shows it again, need not know of them.

    Args:
        viewer: Where they are shown; the layer of the class map is in it already.
        label: That layer.
        make_density: Counts the objects; called once, in a thread.
    """

    def __init__(
        self, viewer: napari.Viewer, label: Labels, make_density: Callable[[], DensityPicture]
    ) -> None:
        """Follow the viewer's zoom from now on."""
        self._viewer = viewer
        self._label = label
        self._make_density = make_density
        self._worker: Any = None
        self._density: Image | None = None
        self.sight: Sight | None = None
        self._resting = QTimer()
        self._resting.setSingleShot(True)
        self._resting.setInterval(_REST_MS)
        self._resting.timeout.connect(self._count)
        viewer.scene.camera.events.zoom.connect(self._on_zoom)
        label.events.visible.connect(self._fit)
        self._on_zoom()

    def close(self) -> None:
        """Follow no more, and forget what a thread still counts."""
        self._resting.stop()
        self._viewer.scene.camera.events.zoom.disconnect(self._on_zoom)
        self._label.events.visible.disconnect(self._fit)
        if self._density is not None:
            self._density.events.visible.disconnect(self._fit)
        if self._worker is not None:
            self._worker.returned.disconnect(self._add_density)

    def _fit(self, _event: object = None) -> None:
        """Show the one layer where the other is seen that does not fit the zoom."""
        if self._density is None or self._density not in self._viewer.layers:
            return
        shown, other = self._density, self._label
        if self.sight is not Sight.DENSITY:
            shown, other = other, shown
        # What the user hid stays hidden.
        if other.visible:
            other.visible, shown.visible = False, True

    def _on_zoom(self, _event: object = None) -> None:
        sight = sight_at(1 / float(self._viewer.scene.camera.zoom))
        if sight is self.sight:
            return
        self.sight = sight
        # Twice the same is told to the screen twice.
        if self._label.contour != (line := _LINE_PX if sight is Sight.OUTLINES else 0):
            self._label.contour = line
        if sight is not Sight.DENSITY:
            self._resting.stop()
        elif self._worker is None:
            self._resting.start()
        self._fit()

    def _count(self) -> None:
        from napari.qt.threading import create_worker

        self._worker = create_worker(self._make_density, _start_thread=False)
        self._worker.returned.connect(self._add_density)
        self._worker.start()

    def _add_density(self, picture: DensityPicture) -> None:
        from napari.layers import Image

        from napari_pathoai.picture.density import CELL_UM
        from napari_pathoai.picture.pyramid import MemoryLevel

        about = self._label.metadata[METADATA]
        model = str(about["label"]).removeprefix(PREDICTION)
        # Just above the class map, below what is drawn; what the user works on stays chosen.
        layers = self._viewer.layers
        active = layers.selection.active
        self._density = Image(
            [MemoryLevel(picture.pixels)],
            multiscale=True,
            name=text("density", model=model, most=f"{picture.full_per_mm2:.3g}"),
            rgb=True,
            visible=False,
            opacity=self._label.opacity,
            metadata={METADATA: {**about, "kind": "density"}},
            **raster_frame(Mpp.square(CELL_UM)),
        )
        layers.insert(layers.index(self._label) + 1, self._density)
        layers.selection.active = active
        self._density.events.visible.connect(self._fit)
        self._fit()


def objects_views(
    viewer: napari.Viewer,
    store: SlideStore,
    ontology: Ontology,
    objects_path: Callable[[str], Path],
) -> list[ObjectsView]:
    """A view for each layer of a prediction of small objects whose table there is.

    Args:
        viewer: With the layers of the store.
        store: The slide.
        ontology: Of its study.
        objects_path: Where the table of a label's objects lies, by the label's name.
    """
    views = []
    for layer in list(viewer.layers):
        about = layer.metadata.get(METADATA, {})
        name = str(about.get("label", ""))
        if about.get("kind") != "label" or not name.startswith(PREDICTION):
            continue
        objects = objects_path(name)
        if objects.exists() and tells_objects(store.label(name), ontology):
            views.append(ObjectsView(viewer, layer, partial(density_of, store, name, objects)))
    return views


def density_of(store: SlideStore, label_name: str, objects: Path) -> DensityPicture:
    """The density of a label's objects in the label's own colours."""
    from napari_pathoai.picture.density import density_picture

    colours = {c.index: c.rgb for c in store.label(label_name).shown_classes}
    info = store.slide
    return density_picture(objects, info.size, info.mpp, colours)
