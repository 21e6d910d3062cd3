"""One viewer: presets are exact, the map moves the view, and a second canvas follows and leads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_pathoai.picture.chunk_cache import ChunkCache
from napari_pathoai.picture.layers import store_layers
from napari_pathoai.picture.pyramid import LazyLevel
from napari_pathoai.picture.thumbnail import thumbnail
from napari_pathoai.picture.zoom_presets import MAGNIFICATIONS, screen_px_um, set_magnification
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from tests.viewer_plugin.small_study import SLIDE, SLIDE_MPP, SQUARE_RGB, square

if TYPE_CHECKING:
    import napari

    from napari_pathoai.views.linked_view import LinkedView
    from napari_pathoai.views.minimap import Minimap
    from tests.viewer_plugin.screen import Screen

pytestmark = pytest.mark.usefixtures("display")
MAP_COLOURS = {"view": (220, 20, 60), "place": (0, 0, 255)}


def centre_um(number: int) -> tuple[float, float]:
    """x and y."""
    left, top, right, bottom = square(number).bounds
    return ((left + right) / 2 * SLIDE_MPP.x, (top + bottom) / 2 * SLIDE_MPP.y)


def check_presets(viewer: napari.Viewer, screen: Screen) -> None:
    """A square of 80 µm is so many screen pixels wide as its magnification says."""
    left, _, right, _ = square(1).bounds
    width_um = (right - left) * SLIDE_MPP.x
    for magnification in MAGNIFICATIONS[2:]:
        x, y = centre_um(1)
        viewer.scene.camera.center = (0.0, y, x)
        set_magnification(viewer, magnification)
        screen.settle()
        picture = screen.picture().astype(int)
        row = picture[picture.shape[0] // 2]
        is_square = np.abs(row - SQUARE_RGB).max(axis=1) <= 3
        assert is_square.sum() == pytest.approx(width_um / screen_px_um(magnification), abs=2)


def picture_of(widget: Minimap) -> NDArray[np.uint8]:
    """What a widget shows, ``(h, w, 3)``."""
    from qtpy.QtGui import QImage

    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3)


def check_map(viewer: napari.Viewer, screen: Screen, store: SlideStore) -> Minimap:
    """A click goes to the place; slide, view and marks are where they belong."""
    from qtpy.QtCore import QPoint, Qt
    from qtpy.QtTest import QTest

    from napari_pathoai.views.minimap import MapPlace, Minimap

    small = Minimap(viewer, screen.canvas)
    size = store.slide.size
    extent = (size.height * SLIDE_MPP.y, size.width * SLIDE_MPP.x)
    small.show_slide(thumbnail(store, 360), extent)
    screen.settle()
    x_um, y_um = centre_um(1)
    scale = small.width() / extent[1]
    place = QPoint(round(x_um * scale), round(y_um * scale))
    QTest.mouseClick(small, Qt.MouseButton.LeftButton, pos=place)
    screen.settle()
    _, y, x = viewer.scene.camera.center
    assert (x, y) == pytest.approx((x_um, y_um), abs=1 / scale)
    assert small.view_px().center().x() == pytest.approx(place.x(), abs=1)
    small.show_places([MapPlace(100.0, 300.0, "#0000ff")])
    shown = picture_of(small).astype(int)
    assert tuple(shown[round(300 * scale), round(100 * scale)]) == MAP_COLOURS["place"]
    edge = small.view_px().left()
    assert tuple(shown[place.y(), round(edge)]) == MAP_COLOURS["view"]
    return small


def check_map_is_off_the_scale_bar(viewer: napari.Viewer, small: Minimap, screen: Screen) -> None:
    """On a small screen, too: the bar lies at the bottom, the map in the upper right corner."""
    from qtpy.QtCore import QRect

    viewer.window.resize(1366, 768)
    screen.settle()
    assert str(viewer.canvas.overlays.scale_bar.position) == "bottom_right"
    place = small.geometry()
    assert place.bottom() < 0.5 * screen.canvas.height()
    assert place.right() <= screen.canvas.width()
    assert place.width() <= 0.36 * screen.canvas.width()
    # A region that is read takes four fifths of the shorter side, in the middle.
    width, height = screen.canvas.width(), screen.canvas.height()
    side = round(0.8 * min(width, height))
    region = QRect((width - side) // 2, (height - side) // 2, side, side)
    assert not place.intersects(region), "it covers nothing of what is read"
    assert max(place.width(), place.height()) >= 60


def check_linked(viewer: napari.Viewer, screen: Screen, store: SlideStore) -> None:
    """The second canvas shows the same place; moved by hand, it takes the first along."""
    from napari_pathoai.views.linked_view import LinkedView

    second = LinkedView(viewer)
    viewer.window.add_dock_widget(second, name="twin", area="bottom")
    # As if the other stain had been scanned 40 µm to the right and 30 µm further down.
    affine = np.array([[1.0, 0, -30], [0, 1, -40], [0, 0, 1]])
    second.show_layers(store_layers(store)[:1], affine)
    screen.rest()
    x, y = centre_um(2)
    viewer.scene.camera.center = (0.0, y, x)
    set_magnification(viewer, 10)
    screen.settle()
    check_same(viewer, second)
    shown = second.picture()
    middle = np.array(shown.shape[:2]) // 2
    assert np.abs(shown[tuple(middle)].astype(int) - SQUARE_RGB).max() > 30, "moved away"
    assert np.abs(shown[middle[0] - 30, middle[1] - 40].astype(int) - SQUARE_RGB).max() <= 3
    second.model.scene.camera.center = (0.0, y + 50, x + 60)
    screen.settle()
    check_same(viewer, second)
    assert viewer.scene.camera.center == pytest.approx((0, y + 50, x + 60))
    second.link(on=False)
    viewer.scene.camera.center = (0.0, y, x)
    screen.settle()
    assert second.model.scene.camera.center == pytest.approx((0, y + 50, x + 60))
    second.close_view()
    viewer.window.remove_dock_widget(second)
    screen.settle()


def check_same(viewer: napari.Viewer, second: LinkedView) -> None:
    first, other = viewer.scene.camera, second.model.scene.camera
    assert other.center == pytest.approx(first.center)
    assert other.zoom == pytest.approx(first.zoom)


def test_presets_map_and_second_canvas(
    make_napari_viewer: Callable[..., napari.Viewer], study: Study
) -> None:
    from tests.viewer_plugin.screen import Screen

    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1200, 700)
    store = SlideStore(study.store_path(SLIDE))
    for data, settings, kind in store_layers(store)[:1]:
        getattr(viewer, f"add_{kind}")(data, **settings)
    screen = Screen(viewer)
    screen.settle()
    check_presets(viewer, screen)
    small = check_map(viewer, screen, store)
    check_map_is_off_the_scale_bar(viewer, small, screen)
    check_linked(viewer, screen, store)
    small.close_map()
    check_memory(viewer, screen)


class EndlessLevel(LazyLevel):
    """A level of any size that holds one colour, and counts what is decoded of it."""

    def __init__(self, shape: tuple[int, int, int], cache: ChunkCache, decoded: list[int]) -> None:
        super().__init__(shape[:2], shape, 255, cache)
        self._decoded = decoded

    def _fetch(self, rows: tuple[int, int], columns: tuple[int, int]) -> NDArray[np.uint8]:
        shape = (rows[1] - rows[0], columns[1] - columns[0], 3)
        self._decoded.append(-(-shape[0] // 256) * -(-shape[1] // 256))
        return np.full(shape, 90, np.uint8)


def check_memory(viewer: napari.Viewer, screen: Screen) -> None:
    """Of 100,000 × 80,000 pixels, the first picture takes few chunks; jumps keep within a limit."""
    limit = 40 * 256 * 256 * 3
    cache, decoded, finest = ChunkCache(limit), list[int](), list[int]()
    levels = [
        EndlessLevel((81920 >> k, 102400 >> k, 3), cache, decoded if k else finest)
        for k in range(9)
    ]
    viewer.layers.clear()
    viewer.add_image(levels, rgb=True, multiscale=True, scale=(0.25, 0.25))
    viewer.reset_view()
    screen.settle()
    assert not finest
    assert sum(decoded) <= 60, "of 128,000"
    chance = np.random.default_rng(0)
    for _ in range(12):
        viewer.scene.camera.zoom = 4.0
        viewer.scene.camera.center = (0.0, *(chance.uniform(1000, 19000, 2)))
        screen.settle()
        assert cache.held_bytes <= limit
    assert sum(finest) > 40, "more than the limit was seen"
