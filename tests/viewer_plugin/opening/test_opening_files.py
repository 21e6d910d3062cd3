"""Files opened as napari opens them, by the plugin's name, in a real viewer."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import shapely

from napari_pathoai.picture.layers import METADATA, slide_layers
from pathoai.geometry import Mpp, Size
from pathoai.slide.memory_reader import MemoryReader
from pathoai.slide.openslide_reader import OpenSlideReader
from pathoai.study.study import Study
from pathoai.testing.generated_slide import SlideRecipe, generate_slide
from pathoai_annotations.formats.geojson_outlines import DrawnOutline, read_outlines, write_outlines
from pathoai_annotations.slide_frame import SlideFrame
from tests.viewer_plugin.small_study import SLIDE

if TYPE_CHECKING:
    import napari

    from tests.viewer_plugin.screen import Screen

PLUGIN = "pathoai"
MPP = 0.5
OUTLINE = shapely.Polygon(
    [(300, 200), (700, 200), (700, 600), (300, 600)], [[(400, 300), (500, 300), (500, 400)]]
)
REAL = {
    "cmu-1-small-region.svs": (2967, 2220, 0.499),
    "CMU-1-Small-Region-dicom": (2967, 2220, 0.499),
    "openslide_crops/OS-2-ndpi.ome.tif": (2202, 2202, 0.2271),
}


@pytest.fixture(scope="module")
def slide_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slides") / "generated.svs"
    generate_slide(path, SlideRecipe(width=1024, height=768, mpp=MPP))
    return path


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What the window says."""
    from napari.utils.notifications import notification_manager

    before = len(notification_manager.records)
    said: list[str] = []

    def note(notification: object) -> None:
        said.append(str(getattr(notification, "message", notification)))

    notification_manager.notification_ready.connect(note)
    yield said
    notification_manager.notification_ready.disconnect(note)
    del notification_manager.records[before:]


@pytest.fixture
def choice(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the user chooses in dialogs of files."""
    from qtpy.QtWidgets import QFileDialog

    chosen: dict[str, str] = {}
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (chosen["open"], ""))
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (chosen["save"], ""))
    return chosen


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Says when a slide file is closed."""
    said: list[str] = []
    close = OpenSlideReader.close

    def noted(self: OpenSlideReader) -> None:
        said.append("once")
        close(self)

    monkeypatch.setattr(OpenSlideReader, "close", noted)
    return said


def kinds(viewer: napari.Viewer) -> list[str]:
    return [layer.metadata[METADATA]["kind"] for layer in viewer.layers]


def check_studies(viewer: napari.Viewer, study: Study) -> None:
    """A store, the folder of a study and its sheet open alike."""
    for path in (study.store_path(SLIDE), study.path, study.path / "study.toml"):
        viewer.open(str(path), plugin=PLUGIN)
        assert kinds(viewer) == ["image", "label", "label", "probability"]
        viewer.layers.clear()


def check_slide_file(viewer: napari.Viewer, screen: Screen, path: Path, closed: list[str]) -> None:
    """A raw slide is read where it is looked at; its file is closed with its layer."""
    viewer.open(str(path), plugin=PLUGIN)
    (layer,) = viewer.layers
    assert layer.multiscale
    assert np.asarray(layer.data[0][100:110, 200:230]).shape == (10, 30, 3)
    assert not closed
    del layer
    viewer.layers.clear()
    assert closed == ["once"]
    screen.settle()


def check_broken_files(viewer: napari.Viewer, folder: Path, slide: Path, lines: list[str]) -> None:
    """One line each, and no layer."""
    (folder / "cut.svs").write_bytes(slide.read_bytes()[:3000])
    (folder / "text.ndpi").write_text("no slide")
    (folder / "bad.zarr").mkdir()
    (folder / "bad.zarr" / "zarr.json").write_text("{}")
    (folder / "study.toml").write_text("[study]\n")
    (folder / "bad.geojson").write_text('{"type": "FeatureCollection", "features": [}')
    for name in ("cut.svs", "text.ndpi", "bad.zarr", "study.toml", "bad.geojson"):
        lines.clear()
        viewer.open(str(folder / name), plugin=PLUGIN)
        assert not viewer.layers, name
        assert len(lines) == 1, (name, lines)
        assert "\n" not in lines[0]
        assert "Traceback" not in lines[0]


def check_outlines_need_a_slide(viewer: napari.Viewer, folder: Path, lines: list[str]) -> None:
    path = folder / "outlines.geojson"
    write_outlines(path, [DrawnOutline(OUTLINE, "hsil", (0, 0, 255))], FRAME)
    lines.clear()
    viewer.open(str(path), plugin=PLUGIN)
    assert not viewer.layers
    assert len(lines) == 1
    assert "open the slide" in lines[0]


FRAME = SlideFrame(Size(1024, 768), Mpp.square(MPP))


def check_outlines(
    viewer: napari.Viewer, screen: Screen, folder: Path, slide: Path, lines: list[str]
) -> None:
    """Outlines lie where they are, within a screen pixel, and the window says how to keep them."""
    viewer.open(str(slide), plugin=PLUGIN)
    lines.clear()
    viewer.open(str(folder / "outlines.geojson"), plugin=PLUGIN)
    assert len(lines) == 1
    assert "pathoai annotations import" in lines[0]
    layer = viewer.layers[-1]
    assert list(layer.features["label"]) == ["hsil", "hsil"], "the hole is an outline of its own"
    for zoom in (1.0, 3.0, 8.0):
        camera = viewer.scene.camera
        camera.center = (0.0, 500 * MPP, 300 * MPP)
        camera.zoom = zoom
        layer.visible = True
        screen.settle()
        with_outline = screen.picture().astype(int)
        layer.visible = False
        screen.settle()
        row = np.abs(with_outline - screen.picture()).sum(axis=2)[with_outline.shape[0] // 2]
        middle = len(row) // 2
        drawn = np.flatnonzero(row[middle - 20 : middle + 20] > 60) - 20
        assert abs(drawn.mean() + 0.5) <= 1.0, f"zoom {zoom}"


def check_saved(viewer: napari.Viewer, folder: Path) -> None:
    """Saved by napari, outlines are what they were, but for single precision and their holes."""
    viewer.layers[-1].visible = True
    path = folder / "saved.geojson"
    viewer.layers[-1].save(str(path), plugin=PLUGIN)
    outer, inner = read_outlines(path, FRAME)
    assert shapely.equals_exact(outer.geometry, shapely.Polygon(OUTLINE.exterior), 1e-3)
    assert shapely.equals_exact(inner.geometry, shapely.Polygon(OUTLINE.interiors[0]), 1e-3)
    assert {(o.name, o.rgb) for o in (outer, inner)} == {("hsil", (0, 0, 255))}
    viewer.add_points([[10.0, 20.0]], name="mitoses")
    viewer.layers.selection = set(list(viewer.layers)[1:])
    viewer.layers.save(str(path), selected=True, plugin=PLUGIN)
    assert len(json.loads(path.read_text())["features"]) == 3
    viewer.layers.clear()


@pytest.mark.usefixtures("display")
def test_files_open_and_close_in_a_viewer(
    make_napari_viewer: Callable[..., napari.Viewer],
    study: Study,
    slide_file: Path,
    tmp_path: Path,
    lines: list[str],
    closed: list[str],
    choice: dict[str, str],
) -> None:
    from tests.viewer_plugin.screen import Screen

    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1000, 700)
    screen = Screen(viewer)
    check_studies(viewer, study)
    check_slide_file(viewer, screen, slide_file, closed)
    check_broken_files(viewer, tmp_path, slide_file, lines)
    check_outlines_need_a_slide(viewer, tmp_path, lines)
    check_outlines(viewer, screen, tmp_path, slide_file, lines)
    check_saved(viewer, tmp_path)
    viewer.open(str(slide_file), plugin=PLUGIN)
    check_menu(viewer, tmp_path, choice)
    viewer.open_sample("pathoai", "generated")
    assert kinds(viewer) == ["slide", "truth"]


@pytest.mark.usefixtures("display")
def test_real_slides_open(
    make_napari_viewer: Callable[..., napari.Viewer], real_data: Path, lines: list[str]
) -> None:
    viewer = make_napari_viewer()
    for name, (height, width, mpp) in REAL.items():
        viewer.open(str(real_data / "wsi" / name), plugin=PLUGIN)
        (layer,) = viewer.layers
        assert layer.data[0].shape == (height, width, 3)
        assert layer.scale == pytest.approx((mpp, mpp), rel=1e-3)
        assert 5 < np.asarray(layer.data[0][1000:1050, 1000:1050]).std() < 120, "tissue"
        viewer.layers.clear()
    (file,) = sorted((real_data / "wsi" / "CMU-1-Small-Region-dicom").glob("*.dcm"))[:1]
    viewer.open(str(file), plugin=PLUGIN)
    assert viewer.layers[0].data[0].shape == (2967, 2220, 3)
    viewer.layers.clear()
    assert not lines
    viewer.open(str(real_data / "wsi" / "CMU-1-Small-Region.jp2.tiff"), plugin=PLUGIN)
    assert not viewer.layers, "its scale is a hundredth of the true one"
    assert "state the true scale" in lines[0]


def test_a_reader_is_closed_with_the_last_of_its_levels() -> None:
    closed: list[bool] = []

    class Noted(MemoryReader):
        def close(self) -> None:
            closed.append(True)

    layers = slide_layers(Noted(np.zeros((300, 4000, 3), np.uint8), mpp=Mpp.square(MPP)), name="x")
    ((levels, _, _),) = layers
    last = levels[-1]
    del layers, levels
    gc.collect()
    assert not closed
    del last
    gc.collect()
    assert closed == [True]


def check_menu(viewer: napari.Viewer, folder: Path, choice: dict[str, str]) -> None:
    """What the menu shows and writes is what was chosen in its dialogs."""
    from napari_pathoai.opening.menu import save_outlines, show_outlines

    choice["open"] = str(folder / "outlines.geojson")
    show_outlines()
    assert kinds(viewer) == ["slide", "outlines"]
    choice["save"] = str(folder / "again.geojson")
    viewer.layers.selection = {viewer.layers[-1]}
    save_outlines()
    assert len(list(read_outlines(folder / "again.geojson", FRAME))) == 2
    choice["open"] = choice["save"] = ""
    show_outlines()
    save_outlines()
    assert len(viewer.layers) == 2, "a dialog that was closed does nothing"
    viewer.layers.clear()
