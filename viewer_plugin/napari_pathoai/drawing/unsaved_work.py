"""What was drawn while another program held the journal: on the screen until it is saved.

Frame: level-0 pixels (y, x), like the annotation layer's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Shapes
from shapely.geometry.base import BaseGeometry

from napari_pathoai.drawing.companions import rings_of
from napari_pathoai.drawing.style import class_colour
from napari_pathoai.texts.texts import text
from pathoai.ontology import Ontology
from pathoai_annotations.drawing.drawn_edits import DrawnEdit

_FILL = 0.35


@dataclass(frozen=True)
class DrawnWork:
    """An edit that holds what was drawn, so that it can be done again when the journal is free.

    Args:
        area: What was drawn, level-0 pixels.
        label: Key of the class in whose colour it is shown.
        edit: Enters it; it must not rest on what the screen shows.
    """

    area: BaseGeometry
    label: str
    edit: Callable[[], DrawnEdit]

    def __call__(self) -> DrawnEdit:
        """Enter it."""
        return self.edit()


class UnsavedWork:
    """Drawn work that is in no journal yet, oldest first.

    Args:
        ontology: Gives the colours.
        frame: Scale, translate, units and metadata of the layer.

    Attributes:
        layer: Shows it; it need not be in the viewer while there is none.
    """

    def __init__(self, ontology: Ontology, frame: Mapping[str, Any]) -> None:
        """None yet."""
        self._ontology = ontology
        self._work: tuple[DrawnWork, ...] = ()
        self.layer = Shapes(ndim=2, name=text("unsaved"), **frame)

    def __len__(self) -> int:
        """Number of edits that wait."""
        return len(self._work)

    def take(self) -> tuple[DrawnWork, ...]:
        """All of it, to be entered now; what still cannot be is kept anew."""
        work, self._work = self._work, ()
        return work

    def keep(self, work: Iterable[DrawnWork], line_px: float) -> None:
        """Keep this, and show it as filled outlines ``line_px`` level-0 pixels wide."""
        self._work = tuple(work)
        rings = [(ring, one.label) for one in self._work for ring in rings_of(one.area, line_px)]
        self.layer.data = []
        if rings:
            colours = [class_colour(self._ontology, label) for _, label in rings]
            self.layer.add(
                [ring for ring, _ in rings],
                shape_type="polygon",
                edge_width=line_px,
                edge_color=np.asarray([(*colour[:3], 1.0) for colour in colours]),
                face_color=np.asarray([(*colour[:3], _FILL) for colour in colours]),
            )
        self.layer.editable = False
