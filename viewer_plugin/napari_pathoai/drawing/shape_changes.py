"""What a user did to the shapes of a layer, found by comparing them with what was put there.

napari's events do not say all: pasting copies ids, and a removed last vertex removes a shape under
the name of a change. Comparing at most 2,000 outlines takes a few milliseconds and cannot miss.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from napari_pathoai.drawing.outlines import Outline, as_displayed

NO_ID = ""
"""Value of a row's ``id`` until its annotation is in the journal."""


@dataclass(frozen=True)
class ShownShape:
    """A shape as it was put into the layer.

    Args:
        annotation_id: Of the annotation it belongs to.
        part: Which of the annotation's polygons it is.
        label: Key of its class.
        outline: In full precision, level-0 pixels; napari shows it in single precision.
    """

    annotation_id: uuid.UUID
    part: int
    label: str
    outline: Outline


@dataclass(frozen=True)
class LayerRow:
    """A shape as it lies in the layer now; ``annotation_id`` is a text, empty for a new one."""

    annotation_id: str
    part: int
    label: str
    outline: Outline


@dataclass(frozen=True)
class Changes:
    """What differs; rows are positions in the layer."""

    drawn: list[int] = field(default_factory=list)
    outlined: list[tuple[int, ShownShape]] = field(default_factory=list)
    relabelled: list[tuple[int, ShownShape]] = field(default_factory=list)
    deleted: list[ShownShape] = field(default_factory=list)
    strange: list[int] = field(default_factory=list)
    """Of an annotation that is not shown: nobody drew them, so they become none."""


def find_changes(shown: Sequence[ShownShape], rows: Sequence[LayerRow]) -> Changes:
    """Compare what was put into the layer with what lies there."""
    remaining = {(str(shape.annotation_id), shape.part): shape for shape in shown}
    known, changes = frozenset(remaining), Changes()
    for position, row in enumerate(rows):
        key = (row.annotation_id, row.part)
        shape = remaining.pop(key, None)
        if shape is None:
            # A second row of an id that is shown is a copy that was pasted: a new annotation.
            is_drawn = row.annotation_id == NO_ID or key in known
            (changes.drawn if is_drawn else changes.strange).append(position)
            continue
        if not np.array_equal(as_displayed(shape.outline), as_displayed(row.outline)):
            changes.outlined.append((position, shape))
        if shape.label != row.label:
            changes.relabelled.append((position, shape))
    # So that the numbers of an annotation's other parts stay true while one after another goes.
    changes.deleted.extend(sorted(remaining.values(), key=lambda shape: shape.part, reverse=True))
    return changes
