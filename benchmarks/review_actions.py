"""Reviewing 50 proposals: with the review, and with napari's own Shapes layers.

xvfb-run -a -s "-screen 0 1920x1200x24" python benchmarks/review_actions.py --out \
benchmarks/results/review_actions.md

The same slide, the same proposals, the same decisions, by real key and mouse events on a real
window, in one run. napari's own way is told with good will: there is a layer per class, and the
tool of each layer stays in the hand; an outline cannot be moved to another layer, so a class is
changed by drawing it there; what is right is left as it is, so that accepting takes no action at
all, though then nobody can tell what was looked at; and saving at the end counts as three.
Seconds are the window's, not the reader's: a reader thinks besides.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely
from measure import cost_of, machine

if TYPE_CHECKING:
    import napari
    from hand_on_screen import Hand
    from napari.layers import Layer
    from shapely.geometry.base import BaseGeometry

    from napari_pathoai.session import ReviewSession
    from pathoai_annotations.annotation import Annotation

_SIDE_PX, _MPP = 8192, 0.25
_RADIUS_PX, _VERTICES = 24.0, 16
_COUNT = 50
_WRONG, _OTHER_CLASS, _POOR_OUTLINE = (4, 11, 18, 25, 32, 39, 46), (7, 16, 27, 36, 45), (9, 22, 41)
_CLASSES = ("invasive", "in_situ")
_OVERVIEW, _NEAR = 0.4, 8.0
"""Screen pixels per µm: all of the slide, and near enough to judge a nucleus."""
_SAVING_ACTIONS = 3


def make_study(folder: str) -> float:
    """A generated slide, tiled, with proposals of a model in its journal."""
    from pathoai.study.study import Study
    from pathoai.testing.generated_slide import SlideRecipe, generate_slide
    from pathoai_annotations.journal.journal import Journal

    slide, study = Path(folder) / "slide.svs", Path(folder) / "study"
    generate_slide(slide, SlideRecipe(width=_SIDE_PX, height=_SIDE_PX, mpp=_MPP, seed=5))
    for words in (
        ("init", str(study), "--ontology", "breast"),
        ("add", str(study), str(slide)),
        ("tile", str(study)),
    ):
        command = [sys.executable, "-m", "pathoai", *words]
        subprocess.run(command, check=True, capture_output=True)
    opened = Study(study)
    (row,) = opened.cohort
    with Journal.open(opened) as journal:
        return journal.propose(proposals(row.slide_id))


def proposals(slide_id: str) -> list[Annotation]:
    """Round outlines all over the slide, the least confident first."""
    from pathoai_annotations.annotation import Annotation, Origin, deterministic_id

    places = np.random.default_rng(0).uniform(0.1, 0.9, (_COUNT, 2)) * _SIDE_PX
    turn = np.linspace(0, 2 * np.pi, _VERTICES, endpoint=False)
    ring = _RADIUS_PX * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return [
        Annotation(
            deterministic_id("benchmark", str(at)),
            slide_id,
            _CLASSES[0],
            shapely.Polygon(place + ring),
            Origin.MODEL,
            "benchmark",
            confidence=0.3 + 0.01 * at,
            derived_from=f"model:benchmark@{'0' * 64}",
        )
        for at, place in enumerate(places)
    ]


@dataclass(frozen=True)
class Reviewed:
    """What a review took, and what it left behind.

    Args:
        actions: Keys, clicks, drags and turns of the wheel.
        seconds: The window took for them.
        slowest_s: Of them.
        result: Proposals kept, of each class, and those taken away.
    """

    actions: int
    seconds: float
    slowest_s: float
    result: tuple[int, int, int]


def with_the_review(folder: str) -> float:
    """Through the review's keys."""
    from hand_on_screen import Hand

    from napari_pathoai.opening.open_review import show_review
    from pathoai_annotations.annotation import OF_RECORD, Status

    session = _session(folder)
    viewer = show_review(session)
    hand = Hand(viewer)
    hand.settle()
    _review_by_key(hand, session)
    # What is counted is what the journal holds, as another program reads it.
    states = session.journal.annotations(session.slide_id)
    kept = [a.label for a in states if a.status in OF_RECORD]
    gone = sum(a.status is Status.REJECTED for a in states)
    viewer.close()
    return _write(folder, "pathoai", hand, (kept.count(_CLASSES[0]), kept.count(_CLASSES[1]), gone))


def _review_by_key(hand: Hand, session: ReviewSession) -> None:
    from qtpy.QtCore import Qt

    shift = Qt.KeyboardModifier.ShiftModifier
    other = [c.key for c in session.classes].index(_CLASSES[1])
    hand.key(Qt.Key.Key_N, shift)
    for at, proposal in enumerate(proposals(session.slide_id)):
        if at in _WRONG:
            hand.key(Qt.Key.Key_X)
        elif at in _OTHER_CLASS:
            hand.key(Qt.Key(Qt.Key.Key_1 + other))
            hand.key(Qt.Key.Key_N, shift)
        elif at in _POOR_OUTLINE:
            hand.key(Qt.Key.Key_E)
            hand.drag(_correction(proposal))
            hand.key(Qt.Key.Key_N, shift)
        else:
            hand.key(Qt.Key.Key_Y)


def with_napari_alone(folder: str) -> float:
    """Through Shapes layers, one per class, over the same pyramid."""
    import napari
    from hand_on_screen import Hand

    from napari_pathoai.picture.layers import store_layers, vector_frame

    session = _session(folder)
    viewer = napari.Viewer()
    viewer.window.resize(1600, 1000)
    data, settings, _ = store_layers(session.store)[0]
    viewer.add_image(data, **settings)
    found = proposals(session.slide_id)
    outlines = [np.asarray(p.geometry.exterior.coords)[:-1, ::-1] for p in found]
    frame = vector_frame(session.store.header.slide_mpp)
    style = {"shape_type": "polygon", "face_color": "transparent", "edge_width": 3}
    other = viewer.add_shapes(ndim=2, name=_CLASSES[1], edge_color="red", **style, **frame)
    shapes = viewer.add_shapes(outlines, name=_CLASSES[0], edge_color="blue", **style, **frame)
    other.mode, shapes.mode = "add_polygon_lasso", "select"
    viewer.reset_view()
    hand = Hand(viewer)
    hand.settle()
    _review_with_shapes(hand, viewer, session.slide_id)
    kept = (len(shapes.data), len(other.data))
    session.close()
    viewer.close()
    gone = _COUNT - sum(kept)
    return _write(folder, "napari", hand, (*kept, gone), extra=_SAVING_ACTIONS)


def _review_with_shapes(hand: Hand, viewer: napari.Viewer, slide_id: str) -> None:
    from qtpy.QtCore import Qt

    shapes, other = viewer.layers[_CLASSES[0]], viewer.layers[_CLASSES[1]]
    for at, proposal in enumerate(proposals(slide_id)):
        place = _um(proposal.geometry.centroid)
        # Nothing leads to the next one: out to see where it is, and in.
        hand.wheel(place, _OVERVIEW)
        hand.wheel(place, _NEAR)
        if at in _WRONG:
            hand.click(place)
            hand.key(Qt.Key.Key_Delete)
        elif at in _OTHER_CLASS:
            hand.click(place)
            hand.key(Qt.Key.Key_Delete)
            hand.choose(partial(_select, viewer, other))
            hand.drag(_ring(proposal))
            hand.choose(partial(_select, viewer, shapes))
        elif at in _POOR_OUTLINE:
            hand.key(Qt.Key.Key_4)
            hand.click(place)
            hand.drag(_correction(proposal))
            hand.key(Qt.Key.Key_5)


def _select(viewer: napari.Viewer, layer: Layer) -> None:
    viewer.layers.selection.active = layer


def _correction(proposal: Annotation) -> list[tuple[float, float]]:
    """A vertex drawn outward by half the radius."""
    ring, centre = np.asarray(proposal.geometry.exterior.coords), proposal.geometry.centroid
    at = np.array([centre.x, centre.y])
    way = [ring[2] + (ring[2] - at) * share for share in (0, 0.25, 0.5)]
    return [(x * _MPP, y * _MPP) for x, y in way]


def _ring(proposal: Annotation) -> list[tuple[float, float]]:
    return [(x * _MPP, y * _MPP) for x, y in proposal.geometry.exterior.coords]


def _um(point: BaseGeometry) -> tuple[float, float]:
    return (point.x * _MPP, point.y * _MPP)


def _session(folder: str) -> ReviewSession:
    from napari_pathoai.session import ReviewSession
    from pathoai.study.study import Study

    study = Study(Path(folder) / "study")
    (row,) = study.cohort
    return ReviewSession(study, row.slide_id, "R1")


def _write(
    folder: str, name: str, hand: Hand, result: tuple[int, int, int], *, extra: int = 0
) -> float:
    found = Reviewed(hand.actions + extra, hand.seconds, max(hand.waits_s), result)
    (Path(folder) / f"{name}.json").write_text(json.dumps(asdict(found)), "ascii")
    return found.seconds


def _read(folder: str, name: str) -> Reviewed:
    found = json.loads((Path(folder) / f"{name}.json").read_text("ascii"))
    return Reviewed(**{**found, "result": tuple(found["result"])})


def report(ours: Reviewed, alone: Reviewed) -> str:
    """The results as Markdown."""
    expected = (_COUNT - len(_WRONG) - len(_OTHER_CLASS), len(_OTHER_CLASS), len(_WRONG))
    rows = [
        f"| {name} | {one.actions} | {one.actions / _COUNT:.1f} | {one.actions / ours.actions:.1f} "
        f"| {one.seconds:.1f} | {one.seconds / ours.seconds:.1f} "
        f"| {1000 * one.seconds / one.actions:.0f} | {1000 * one.slowest_s:.0f} "
        f"| {'yes' if one.result == expected else one.result} |"
        for name, one in (("pathoai review", ours), ("napari's Shapes layers", alone))
    ]
    return "\n".join(
        [
            "# Fifty proposals reviewed",
            "",
            f"{machine(['napari', 'pyside6-essentials', 'numpy'])}; software rendering",
            "",
            f"{_COUNT} outlines on a slide of {_SIDE_PX:,} px: {len(_WRONG)} are wrong, "
            f"{len(_OTHER_CLASS)} are of another class, {len(_POOR_OUTLINE)} need a corner moved, "
            "the others are right.",
            "Seconds are those that the window took; a reader thinks besides.",
            "",
            "| through | actions | per proposal | × ours | window s | × ours | ms an action "
            "| slowest ms | decisions came out right |",
            "|---|---|---|---|---|---|---|---|---|",
            *rows,
            "",
            "The journal of the review also says who decided what, when and in how long, and holds "
            "every edit from the moment it was made.",
            "The Shapes layers hold the outlines that are left, from the moment they are saved.",
            "",
        ]
    )


def main() -> None:
    """Measure both and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the Markdown file to write")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cost_of(make_study, folder)
        cost_of(with_napari_alone, folder)
        cost_of(with_the_review, folder)
        text = report(_read(folder, "pathoai"), _read(folder, "napari"))
    options.out.write_text(text, "utf8")
    print(text)


if __name__ == "__main__":
    main()
