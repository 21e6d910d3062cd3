"""How annotations look: the colour of their class, filled until somebody judged them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_pathoai.drawing.shape_changes import ShownShape
from pathoai.ontology import Ontology
from pathoai_annotations.annotation import Annotation, Status

_PROPOSED_FILL = 0.30
_UNKNOWN_CLASS_RGB = (255, 0, 255)
"""Of a class that left the ontology: still shown, in a colour that no class has."""


def class_colour(ontology: Ontology, label: str) -> tuple[float, float, float, float]:
    """Red, green, blue and opacity of a class, 0 to 1."""
    red, green, blue = ontology[label].rgb if label in ontology else _UNKNOWN_CLASS_RGB
    return (red / 255, green / 255, blue / 255, 1.0)


def edge_colours(ontology: Ontology, states: Sequence[Annotation]) -> NDArray[np.float64]:
    """``(N, 4)``: colours of outlines."""
    colours = [class_colour(ontology, a.label) for a in states]
    return np.asarray(colours, np.float64).reshape(-1, 4)


def face_colours(ontology: Ontology, states: Sequence[Annotation]) -> NDArray[np.float64]:
    """``(N, 4)``: colours of areas; only proposals are filled, so that open work is seen."""
    colours = edge_colours(ontology, states)
    colours[:, 3] = [_PROPOSED_FILL if a.status is Status.PROPOSED else 0.0 for a in states]
    return colours


def features_of(
    shown: Sequence[ShownShape], states: Sequence[Annotation]
) -> dict[str, NDArray[np.generic]]:
    """The columns of a layer's shapes; typed, because an empty column would become numbers."""
    columns = {
        "id": [str(shape.annotation_id) for shape in shown],
        "label": [a.label for a in states],
        "status": [a.status.value for a in states],
        "origin": [a.origin.value for a in states],
        "author": [a.author for a in states],
    }
    texts = {name: np.asarray(column, dtype=object) for name, column in columns.items()}
    return {"part": np.asarray([shape.part for shape in shown], np.int64), **texts}
