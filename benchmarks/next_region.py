"""From a key to the next region of the queue, beside the same jump of napari's camera alone.

    xvfb-run -a -s "-screen 0 1920x1200x24" python benchmarks/next_region.py STUDY \
        --out benchmarks/results/next_region.md

STUDY is made by `repeated_store.py`: a slide of 100,000 × 80,000 px with half a million predicted
nuclei. With the review, the key enters a decision into the journal, brings in what the model found
in the next region, and shows it. Beside it, napari shows the same layers of the same slide, and its
camera goes to the same places. Each kind has a process of its own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from measure import cost_of, machine

# Nothing heavy may be imported here: Linux counts the memory of the process that starts another
# as the peak of the other too.
if TYPE_CHECKING:
    from napari import Viewer

    from napari_pathoai.session import ReviewSession

_WINDOW = (1600, 1000)
_READER = "R1"
_REGIONS = 20


def with_the_review(study: str, times: str) -> float:
    """Accept region after region by its key; the journal is looked at afterwards."""
    import napari
    from hand_on_screen import Hand
    from qtpy.QtCore import Qt

    from napari_pathoai.opening.open_review import add_review

    session = _session(study)
    viewer = napari.Viewer()
    viewer.window.resize(*_WINDOW)
    widget = add_review(viewer, session)
    widget.show_panel(widget.reading)
    hand = Hand(viewer)
    hand.settle()
    hand.key(Qt.Key.Key_N)
    hand.settle()
    hand.waits_s.clear()
    places = [_place(viewer)]
    for _ in range(min(_REGIONS, len(session.regions.queue)) - 1):
        hand.key(Qt.Key.Key_C)
        # A control shows what the model says first.
        if _place(viewer) == places[-1]:
            hand.waits_s.pop()
            hand.key(Qt.Key.Key_N)
        places.append(_place(viewer))
    read = len(session.journal.region_readings(session.slide_id, _READER))
    assert read >= len(places) - 1, "every decision is in the journal"
    widget.review.end()
    viewer.close()
    Path(times).write_text(json.dumps({"waits": hand.waits_s, "places": places}), "ascii")
    return float(read)


def with_the_camera(study: str, times: str) -> float:
    """The same places by napari's camera."""
    import napari
    from hand_on_screen import Hand

    from napari_pathoai.picture.layers import store_layers

    session = _session(study)
    viewer = napari.Viewer()
    viewer.window.resize(*_WINDOW)
    for data, settings, kind in store_layers(session.store):
        getattr(viewer, f"add_{kind}")(data, **settings)
    hand = Hand(viewer)
    places = json.loads(Path(times).read_text("ascii"))["places"]
    _go(viewer, places[0])
    hand.settle()
    for place in places[1:]:
        hand.choose(lambda place=place: _go(viewer, place))
    session.close()
    viewer.close()
    Path(f"{times}.camera").write_text(json.dumps({"waits": hand.waits_s}), "ascii")
    return float(len(places))


def _session(study: str) -> ReviewSession:
    from napari_pathoai.session import ReviewSession
    from napari_pathoai.what_to_read import choose_slide
    from pathoai.study.study import Study

    opened = Study(Path(study))
    return ReviewSession(opened, choose_slide(opened, None), _READER)


def _place(viewer: Viewer) -> list[float]:
    _, y, x = viewer.scene.camera.center
    return [float(y), float(x), float(viewer.scene.camera.zoom)]


def _go(viewer: Viewer, place: list[float]) -> None:
    viewer.scene.camera.center = (0.0, place[0], place[1])
    viewer.scene.camera.zoom = place[2]


def main() -> None:
    """Measure both and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", type=Path, help="made by repeated_store.py; it is read as R1")
    parser.add_argument("--out", type=Path, required=True, help="Markdown to write")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        times = f"{folder}/times.json"
        costs = [
            cost_of(work, str(options.study), times) for work in (with_the_review, with_the_camera)
        ]
        waits = [
            json.loads(Path(path).read_text("ascii"))["waits"]
            for path in (times, f"{times}.camera")
        ]
    bare = statistics.median(waits[1])
    rows = [
        f"| {name} | {len(found)} | {1000 * statistics.median(found):.0f} "
        f"| {statistics.median(found) / bare:.1f} | {1000 * _p90(found):.0f} "
        f"| {cost.peak_mb:,.0f} |"
        for name, found, cost in zip(
            ("key of the review", "camera of napari"), waits, costs, strict=True
        )
    ]
    text = "\n".join(
        [
            "# From a key to the next region",
            "",
            f"{machine(['napari', 'pyside6-essentials', 'numpy'])}; software rendering",
            "",
            "A slide of 100,000 × 80,000 px with 500,000 predicted nuclei. The key decides a",
            "region, enters it into the journal, brings in the proposals of the next one and",
            "shows it; the camera only goes there, in the same layers.",
            "",
            "| by | jumps | p50 ms | × camera | p90 ms | peak MB |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )
    options.out.write_text(text, "utf8")
    print(text)


def _p90(values: list[float]) -> float:
    return statistics.quantiles(values, n=10)[-1]


if __name__ == "__main__":
    main()
