"""Two readers' outlines on one slide, told apart by colour, by line and by letter.

A is drawn as a full line, B as a broken one, so that they are told apart without colour, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.layers import Layer
from numpy.typing import NDArray

from napari_pathoai.drawing.outlines import parts_of, vertices_of
from napari_pathoai.picture.layers import METADATA, LayerData, vector_frame
from pathoai.geometry import Mpp
from pathoai_annotations.review.adjudication import Case, Side, dashes

COLOURS = ("#e69f00", "#56b4e9")
"""Orange and sky blue (Okabe and Ito 2008): every vision tells them apart, on pink tissue too."""
LETTERS = ("A", "B")
_DASH_UM = 6.0
_LINE_UM = 1.5


def side_layers(number: int, sides: Sequence[Side], slide_mpp: Mpp) -> list[LayerData]:
    """What one side of all cases drew: lines, and a letter with the reader's code beside each.

    Args:
        number: 0 for A, 1 for B.
        sides: That side of each case.
        slide_mpp: Scale of the slide.
    """
    drawn = [side for side in sides if side.outline is not None]
    frame: dict[str, Any] = {
        "metadata": {METADATA: {"kind": "adjudication", "side": LETTERS[number]}},
        **vector_frame(slide_mpp),
    }
    lines = {
        "name": LETTERS[number],
        "edge_color": COLOURS[number],
        "edge_width": _LINE_UM / slide_mpp.mean,
        **frame,
    }
    letters = _letters(number, drawn, frame)
    if number == 0:
        full = {"shape_type": "polygon", "face_color": "transparent", "ndim": 2}
        return [(_outlines(drawn), {**full, **lines}, "shapes"), letters]
    broken = _broken(drawn, _DASH_UM / slide_mpp.mean)
    return [(broken, {"vector_style": "line", "ndim": 2, **lines}, "vectors"), letters]


def _letters(number: int, drawn: Sequence[Side], frame: dict[str, Any]) -> LayerData:
    colour, letter = COLOURS[number], LETTERS[number]
    words = [f"{letter} {side.reader}" for side in drawn]
    settings = {
        "name": f"{letter}…",
        "size": 1,
        "ndim": 2,
        "face_color": "transparent",
        "border_color": "transparent",
        "features": {"words": words},
        "text": {"string": "{words}", "color": colour, "size": 12, "anchor": "lower_left"},
        **frame,
    }
    places = np.array([_corner(side) for side in drawn], float).reshape(-1, 2)
    return places, settings, "points"


class SideLayers:
    """One side of all cases in a viewer.

    Args:
        number: 0 for A, 1 for B.
        sides: That side of each case.
        slide_mpp: Scale of the slide.
    """

    def __init__(self, number: int, sides: Sequence[Side], slide_mpp: Mpp) -> None:
        """Make the layers; the caller adds them to a viewer."""
        self.layers = [Layer.create(*one) for one in side_layers(number, sides, slide_mpp)]
        # They are readers' work: nothing of them is changed here.
        for layer in self.layers:
            layer.editable = False

    @property
    def visible(self) -> bool:
        """Whether the side is in sight."""
        return bool(self.layers[0].visible)

    @visible.setter
    def visible(self, visible: bool) -> None:
        for layer in self.layers:
            layer.visible = visible


def _outlines(drawn: Sequence[Side]) -> list[NDArray[np.float64]]:
    parts = (parts_of(side.outline.geometry) for side in drawn if side.outline is not None)
    return [vertices_of(part) for some in parts for part in some]


def _broken(drawn: Sequence[Side], dash: float) -> NDArray[np.float64]:
    """Dashes as napari has vectors, ``(n, 2, 2)``: where each starts, and how far it goes, y, x."""
    lines = [dashes(side.outline.geometry, dash) for side in drawn if side.outline is not None]
    ends = np.concatenate([np.empty((0, 2, 2)), *lines])[..., ::-1]
    return np.stack([ends[:, 0], ends[:, 1] - ends[:, 0]], axis=1)


def _corner(side: Side) -> tuple[float, float]:
    """Where its letter stands: y and x of the upper left of its outline."""
    assert side.outline is not None  # only of those who drew
    left, top, _, _ = side.outline.geometry.bounds
    return top, left


def sides_of(cases: Sequence[Case], number: int) -> list[Side]:
    """One side of each case that is an outline."""
    return [case.sides[number] for case in cases if not case.is_grade]
