"""Opening a slide in napari and jumping about in it, by any plugin: times and memory, as JSON.

Runs in the environment of the plugin, started by viewer_opening.py:
PATH PLUGIN STARTED WIDTH HEIGHT REPEATS

PLUGIN is the name of a napari plugin, or ``review``: then PATH is a study, opened as by our
command; ``review-hidden`` hides its predictions once it is open. STARTED is the monotonic clock at
the start of the process; WIDTH and HEIGHT are those of the slide, level-0 pixels.
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path

ZOOMS = (1.0, 0.25, 0.05)
_WINDOW_PX = (1600, 1000)
_QUIET_S = 0.15
"""So long without a frame, and the view is complete."""
_LIMIT_S = 120.0
_REACH = 0.25
"""Of the slide's sides, about its middle: where there is tissue."""


class Frames:
    """The frames that a viewer draws, from its making on."""

    def __init__(self, viewer: object) -> None:
        """Listen from now on."""
        self.viewer = viewer
        self.last = 0.0
        self.first_picture = 0.0
        viewer.window._qt_viewer.canvas.events.draw.connect(self._on_draw, position="last")

    def settled(self, begin: float) -> float:
        """Seconds from ``begin`` to the last frame before the viewer has no more to draw."""
        from qtpy.QtWidgets import QApplication

        while True:
            QApplication.processEvents()
            now = time.monotonic()
            if now - max(self.last, begin) > _QUIET_S:
                return max(0.0, self.last - begin)
            time.sleep(0.001)

    def _on_draw(self, _event: object) -> None:
        self.last = time.monotonic()
        if not self.first_picture and shows_tissue():
            self.first_picture = self.last


def watched() -> list[Frames]:
    """The frames of every viewer made from now on."""
    import napari

    found: list[Frames] = []
    make = napari.Viewer.__init__

    def make_and_watch(self: object, *words: object, **settings: object) -> None:
        make(self, *words, **settings)
        found.append(Frames(self))

    napari.Viewer.__init__ = make_and_watch
    return found


def shows_tissue() -> bool:
    """Whether some of what is being drawn is coloured, as stained tissue is and glass is not."""
    from vispy.gloo import read_pixels

    picture = read_pixels(alpha=False).astype(int)
    coloured = picture.max(axis=2) - picture.min(axis=2) > 20
    return bool(coloured.mean() > 0.05)


def opened(path: str, plugin: str) -> tuple[object, Frames]:
    """A viewer that shows the slide."""
    import napari

    frames = watched()
    if plugin in ("review", "review-hidden"):
        from napari_pathoai.opening.open_review import show_review
        from napari_pathoai.session import ReviewSession
        from napari_pathoai.what_to_read import choose_slide
        from pathoai.study.study import Study

        study = Study(Path(path))
        show_review(ReviewSession(study, choose_slide(study, None), "R1"))
        if plugin == "review-hidden":
            hide_model(frames[0].viewer)
        return frames[0].viewer, frames[0]
    if plugin == "napari-ome-zarr":
        register_codec()
    viewer = napari.Viewer()
    viewer.window.resize(*_WINDOW_PX)
    viewer.open(path, plugin=plugin)
    return viewer, frames[0]


def hide_model(viewer: object) -> None:
    """Take what models say out of sight, as the reader can."""
    from napari_pathoai.panels.review_widget import ReviewWidget

    (widget,) = viewer.window._qt_window.findChildren(ReviewWidget)
    widget.review.hide_model(True)


def register_codec() -> None:
    """Let zarr decode our JPEG chunks, as imagecodecs-zarr does (from Python 3.12 on)."""
    sys.path.append(str(Path(__file__).parents[2]))
    from zarr.registry import register_codec

    from pathoai.store.codecs import JpegCodec

    register_codec("imagecodecs_jpeg", JpegCodec)


def jumps(viewer: object, frames: Frames, size: tuple[int, int], repeats: int) -> dict[str, list]:
    """Seconds to a complete picture of random places, by screen pixels per level-0 pixel."""
    slide = viewer.layers[0]
    camera, scale = viewer.scene.camera, float(slide.scale[-1])
    chance = random.Random(0)
    found: dict[str, list] = {}
    for zoom in ZOOMS:
        camera.zoom = zoom / scale
        frames.settled(time.monotonic())
        found[str(zoom)] = []
        for _ in range(repeats):
            y, x = (side * (0.5 + chance.uniform(-_REACH, _REACH)) for side in size[::-1])
            begin = time.monotonic()
            camera.center = (0.0, y * scale, x * scale)
            found[str(zoom)].append(frames.settled(begin))
    return found


def peak_mb() -> float:
    """Largest resident memory of this process."""
    lines = Path("/proc/self/status").read_text("ascii", "replace").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def main() -> None:
    """Open, look, jump, tell."""
    path, plugin, started, width, height, repeats = sys.argv[1:]
    viewer, frames = opened(path, plugin)
    while not frames.first_picture:
        frames.settled(time.monotonic())
        if time.monotonic() - float(started) > _LIMIT_S:
            raise SystemExit("no tissue was drawn")
    first_s = frames.first_picture - float(started)
    size = (int(width), int(height))
    times = jumps(viewer, frames, size, int(repeats))
    print(json.dumps({"first_s": first_s, "jumps_s": times, "peak_mb": peak_mb()}))
    viewer.close()


if __name__ == "__main__":
    main()
