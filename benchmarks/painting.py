"""Painting on a slide of 40,000 × 40,000 px, beside napari's own Labels at the largest size.

    xvfb-run -a -s "-screen 0 1920x1200x24" python benchmarks/painting.py \
        --out benchmarks/results/painting.md

Ours: the review window on a store and a class map of that size, both made here; a stroke becomes an
outline in the journal. Theirs: napari's Labels on one numpy array. That is not a pyramid, because
napari does not paint on pyramids, and 16,384 px is the largest side that it shows at full
resolution, so its pixels are 2.4 times as wide as the slide's. It saves nothing by itself; what is
measured is writing the layer into a file, as a user would. Both windows have the same size and show
the same slide; the same strokes are made by real mouse events, each kind in a process of its own,
in turns.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measure import cost_of, machine

# Nothing heavy may be imported here: Linux counts the memory of the process that starts another
# as the peak of the other too.
if TYPE_CHECKING:
    from napari import Viewer

_SIDE = 40_000
_STOCK_SIDE = 16_384
_PAINTED_SHARDS = 2
_SLIDE = "0123456789ABCDEF"
_WINDOW = (1600, 1000)
_BRUSH_PX = 40
_STROKES, _MOVES = 6, 20
_ZOOMS = (1.0, 0.1)
"""Pixels of the screen per pixel of level 0."""


@dataclass(frozen=True)
class Strokes:
    """What strokes took, seconds.

    Args:
        drawn: From each movement of the mouse to the next picture.
        saved: From each release of the button until it is kept.
    """

    drawn: list[float]
    saved: list[float]


def make_study(folder: str) -> float:
    """A study of one slide with a class map; tissue in its middle, glass around it."""
    import numpy as np

    from pathoai.geometry import Mpp
    from pathoai.ontology import LabelClass
    from pathoai.store.header import StoreHeader
    from pathoai.store.image_writer import ImageWriter
    from pathoai.store.label_writer import LabelRecipe, LabelWriter
    from pathoai.study.cohort import Cohort, CohortRow
    from pathoai.study.study import Study

    study = Study.create(Path(folder), ontology="cervix")
    Cohort([CohortRow(_SLIDE)]).write(study.path / "cohort.csv")
    mpp = Mpp.square(0.25)
    header = StoreHeader(_SLIDE, _SIDE, _SIDE, mpp.x, mpp.y, mpp.x)
    rng = np.random.default_rng(0)
    image = ImageWriter(study.store_path(_SLIDE), header)
    for shard in _middle(image.finest.shards):
        rows, columns = image.finest.slices(shard)
        shape = (3, rows.stop - rows.start, columns.stop - columns.start)
        image.finest.write(shard, rng.integers(120, 240, shape, np.uint8))
    image.finish()
    lesion = LabelClass(1, "lesion", "Lesion", "Lésion", "#d55e00")
    about = {"origin": "model", "status": "proposed"}
    label = LabelWriter(
        study.store_path(_SLIDE), header, LabelRecipe("prediction/map", (lesion,), about)
    )
    for shard in _middle(label.class_map.shards):
        rows, columns = label.class_map.slices(shard)
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        label.class_map.write(shard, rng.integers(0, 2, shape, np.uint8))
    label.finish()
    return 0.0


def _middle(shards: list[Any]) -> list[Any]:
    """The shards in the middle of a slide: four by four."""
    rows = sorted({shard[0] for shard in shards})
    inner = set(rows[len(rows) // 2 - _PAINTED_SHARDS : len(rows) // 2 + _PAINTED_SHARDS])
    return [shard for shard in shards if set(shard[:2]) <= inner]


def paint_ours(folder: str, times: str) -> float:
    """Strokes of the brush in the review window."""
    import napari
    from qtpy.QtWidgets import QApplication

    from napari_pathoai.opening.open_review import add_review
    from napari_pathoai.session import ReviewSession
    from pathoai.study.study import Study

    viewer = napari.Viewer()
    viewer.window.resize(*_WINDOW)
    session = ReviewSession(Study(Path(folder)), _SLIDE, "R1")
    add_review(viewer, session)
    # Qt's part of vispy can be imported only once there is a window.
    from napari_pathoai.panels.review_widget import ReviewWidget

    viewer.window._qt_window.findChild(ReviewWidget).annotate.tools.take("tool_brush")
    QApplication.processEvents()
    middle = _SIDE / 2 * session.store.header.slide_mpp.x

    def kept() -> None:
        assert session.saved.edits > kept_before[0], "the stroke is in the journal"
        kept_before[0] = session.saved.edits

    kept_before = [0]
    found = _strokes(viewer, middle, session.store.header.slide_mpp.x, kept)
    _write(Path(times), found)
    viewer.close()
    return float(session.saved.edits)


def paint_stock(folder: str, times: str) -> float:
    """The same strokes in napari's own Labels over the same slide, each written into a file."""
    import napari
    import numpy as np
    from qtpy.QtWidgets import QApplication

    from napari_pathoai.picture.layers import raster_frame, store_layers
    from pathoai.geometry import Mpp
    from pathoai.store.slide_store import SlideStore
    from pathoai.study.study import Study

    viewer = napari.Viewer()
    viewer.window.resize(*_WINDOW)
    store = SlideStore(Study(Path(folder)).store_path(_SLIDE))
    for data, settings, kind in store_layers(store):
        getattr(viewer, f"add_{kind}")(data, **settings)
    mpp, coarser = store.header.slide_mpp.x, _SIDE / _STOCK_SIDE
    frame = raster_frame(Mpp.square(mpp * coarser))
    layer = viewer.add_labels(np.zeros((_STOCK_SIDE, _STOCK_SIDE), np.uint8), **frame)
    layer.mode = "paint"
    file = str(Path(folder) / "stock.tif")
    QApplication.processEvents()
    found = _strokes(
        viewer,
        _SIDE / 2 * mpp,
        mpp,
        lambda: layer.save(file),
        size=lambda zoom: setattr(layer, "brush_size", round(_BRUSH_PX / zoom / coarser)),
    )
    _write(Path(times), found)
    viewer.close()
    return float(layer.data.any())


def _strokes(
    viewer: Viewer,
    middle: float,
    pixel: float,
    kept: Callable[[], object],
    size: Callable[[float], object] = lambda _zoom: None,
) -> Strokes:
    """Strokes across the middle of the canvas at each zoom.

    Args:
        viewer: The window.
        middle: Of the slide along both axes, in the viewer's world.
        pixel: Side of a level-0 pixel in the viewer's world.
        kept: Called after each release; keeps the stroke, or sees that it is kept.
        size: Called with each zoom before its strokes.
    """
    from qtpy.QtCore import QPoint, Qt
    from qtpy.QtTest import QTest

    canvas = viewer.window._qt_viewer.canvas
    pictures = [0]
    canvas.events.draw.connect(lambda _event: pictures.__setitem__(0, pictures[0] + 1))
    drawn: list[float] = []
    saved: list[float] = []
    for zoom in _ZOOMS:
        viewer.scene.camera.center = (0.0, middle, middle)
        viewer.scene.camera.zoom = zoom / pixel
        size(zoom)
        QTest.qWait(1500)
        width, height = canvas.native.width(), canvas.native.height()
        for stroke in range(_STROKES):
            y = height // 4 + stroke * height // (2 * _STROKES)
            places = [QPoint(width // 4 + i * width // (2 * _MOVES), y) for i in range(_MOVES)]
            drawn += _stroke(canvas.native, places, pictures)
            start = time.perf_counter()
            QTest.mouseRelease(canvas.native, Qt.MouseButton.LeftButton, pos=places[-1])
            kept()
            saved.append(time.perf_counter() - start)
            QTest.qWait(200)
    return Strokes(drawn, saved)


def _stroke(canvas: Any, places: list[Any], pictures: list[int]) -> list[float]:  # noqa: ANN401 - of Qt
    """Seconds from each movement to the next picture; the button stays down."""
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QApplication

    QTest.mouseMove(canvas, places[0])
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, pos=places[0])
    seconds = []
    for place in places[1:]:
        before, start = pictures[0], time.perf_counter()
        QTest.mouseMove(canvas, place)
        while pictures[0] == before and time.perf_counter() - start < 1:
            QApplication.processEvents()
        seconds.append(time.perf_counter() - start)
    return seconds


def _write(path: Path, found: Strokes) -> None:
    import json

    path.write_text(json.dumps({"drawn": found.drawn, "saved": found.saved}), "utf8")


def _read(path: Path) -> Strokes:
    import json

    return Strokes(**json.loads(path.read_text("utf8")))


def report(rows: dict[str, tuple[list[Strokes], float]]) -> str:
    """The table, in Markdown."""
    lines = [
        "# Painting",
        "",
        machine(["napari", "numpy", "shapely"]) + ", no graphics card (OpenGL in software)",
        "",
        f"Strokes of {_MOVES} movements, {_STROKES} at each of {len(_ZOOMS)} zooms.",
        "",
        "| | movement to picture, median ms | 95 % | release to kept, median ms | most | peak MB |",
        "|---|---|---|---|---|---|",
    ]
    middle: dict[str, tuple[float, float, float]] = {}
    for name, (turns, peak_mb) in rows.items():
        drawn = sorted(1000 * value for turn in turns for value in turn.drawn)
        saved = sorted(1000 * value for turn in turns for value in turn.saved)
        middle[name] = (statistics.median(drawn), statistics.median(saved), peak_mb)
        lines.append(
            f"| {name} | {middle[name][0]:.0f} | {drawn[int(0.95 * (len(drawn) - 1))]:.0f} "
            f"| {middle[name][1]:.0f} | {saved[-1]:.0f} | {peak_mb:,.0f} |"
        )
    (own, ours), (other, theirs) = middle.items()
    lines += [
        "",
        f"{other}, beside {own}: movement to picture {theirs[0] / ours[0]:.2f} ×, release to kept "
        f"{theirs[1] / ours[1]:.1f} ×, peak memory {theirs[2] / ours[2]:.2f} ×.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="Markdown to write")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    ways = {
        f"pathoai review, slide of {_SIDE:,} px": paint_ours,
        f"napari Labels, {_STOCK_SIDE:,} px": paint_stock,
    }
    found: dict[str, list[Strokes]] = {name: [] for name in ways}
    peaks: dict[str, float] = dict.fromkeys(ways, 0.0)
    with tempfile.TemporaryDirectory() as name:
        study, times = Path(name) / "study", Path(name) / "times.json"
        # The user's own settings of napari are neither met nor changed.
        os.environ["NAPARI_CONFIG"] = str(Path(name) / "settings.yaml")
        cost_of(make_study, str(study))
        for _ in range(options.repeats):
            for way, paint in ways.items():
                cost = cost_of(paint, str(study), str(times))
                found[way].append(_read(times))
                peaks[way] = max(peaks[way], cost.peak_mb)
                print(f"{way}: {cost.wall_s:.0f} s, {cost.peak_mb:,.0f} MB", flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(report({way: (found[way], peaks[way]) for way in ways}), "utf8")
    print(options.out.read_text("utf8"))


if __name__ == "__main__":
    main()
