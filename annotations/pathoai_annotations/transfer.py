"""Annotations of one slide of a registered pair, entered on the other as proposals."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from pathoai.registration.passage import Passage
from pathoai.registration.tile_quality import TileState
from pathoai_annotations.annotation import Annotation, Origin, Status, deterministic_id
from pathoai_annotations.journal.journal import Journal

CARRIER = "transfer"
"""Under this code copies are taken away that a new one replaces: it is no person's."""
_SOURCE = "annotation:"
_LEAST_SHARED_UM2 = 1e4
_STEPS_PER_TILE = 4
"""An outline is asked about so often along each tile's side that no tile is stepped over."""


@dataclass(frozen=True)
class Transfer:
    """What became of the annotations of a slide.

    Args:
        new: Copies that were entered.
        known: Annotations whose copy was there, as it would be now, or had been deleted.
        replaced: Older copies, of another outline or registration, that nobody had judged.
        judged: Annotations of which a reader has judged an older copy, which stays.
        returned: Annotations that are copies of the other slide's own.
        refused: Ids of those that cannot be carried, and why.
    """

    new: int
    known: int
    replaced: int
    judged: int
    returned: int
    refused: Mapping[uuid.UUID, str] = field(default_factory=dict)


def transfer_annotations(
    journal: Journal, annotations: Iterable[Annotation], passage: Passage
) -> Transfer:
    """Carry annotations over and propose them; doing it again adds nothing.

    A copy keeps class and author and names its original (``annotation:<uuid>``). It is a proposal,
    whatever the original is: that it fits the other slide is for a reader of that slide to say.
    Where an original was changed since, its copy is replaced unless somebody has judged it.

    Args:
        journal: Of the study.
        annotations: Of the near slide.
        passage: From their slide to the one that gets them.

    Raises:
        AnnotationError: A copy cannot be entered; none is.
    """
    target = passage.transform.moving.slide_id
    there = journal.annotations(target)
    own = {a.id for a in there}
    copies = _by_original(there)
    carried: list[Annotation] = []
    old: list[uuid.UUID] = []
    refused: dict[uuid.UUID, str] = {}
    known = judged = returned = 0
    for annotation in annotations:
        if _original(annotation) in own:
            returned += 1
            continue
        why, geometry = _carried(annotation.geometry, passage)
        if geometry is None:
            refused[annotation.id] = why
            continue
        copy = _copy(annotation, target, geometry)
        others = [c for c in copies[annotation.id] if c.id != copy.id]
        if any(c.status is not Status.PROPOSED for c in others):
            judged += 1
            continue
        old += [c.id for c in others]
        known += copy.id in own
        carried.append(copy)
    if old:
        journal.delete(old, author=CARRIER, comment="carried over anew")
    new = journal.propose(a for a in carried if a.id not in own)
    known += len(carried) - known - new
    return Transfer(new, known, len(old), judged, returned, refused)


def _copy(annotation: Annotation, slide_id: str, geometry: BaseGeometry) -> Annotation:
    """The annotation on the other slide; the same outline always gets the same id."""
    source = f"{_SOURCE}{annotation.id}"
    # What a model said stays a model's word: it is hidden from whoever reads without models.
    origin = Origin.MODEL if annotation.origin is Origin.MODEL else Origin.IMPORT
    return Annotation(
        deterministic_id(slide_id, source, annotation.label, geometry.wkb_hex),
        slide_id,
        annotation.label,
        geometry,
        origin,
        annotation.author,
        confidence=annotation.confidence,
        derived_from=source,
    )


def _original(annotation: Annotation) -> uuid.UUID | None:
    """What an annotation is a copy of, or a part."""
    source = annotation.derived_from or ""
    if not source.startswith(_SOURCE):
        return None
    try:
        return uuid.UUID(source.removeprefix(_SOURCE))
    except ValueError:
        return None


def _by_original(annotations: Sequence[Annotation]) -> dict[uuid.UUID, list[Annotation]]:
    found: dict[uuid.UUID, list[Annotation]] = defaultdict(list)
    for annotation in annotations:
        original = _original(annotation)
        if original is not None:
            found[original].append(annotation)
    return found


def _carried(geometry: BaseGeometry, passage: Passage) -> tuple[str, BaseGeometry | None]:
    """The outline on the other slide; or why there is none."""
    states = _states_along(geometry, passage)
    if passage.is_of_neighbours:
        # Hardly a square of one is on the other, but areas are, to some tens of µm.
        mpp = passage.transform.fixed.mpp
        if geometry.area * mpp.x * mpp.y < _LEAST_SHARED_UM2:
            return "neighbouring sections share areas of 0.01 mm² or more, and no cells", None
        states = np.where(states == TileState.REFUSED, TileState.BELIEVABLE, states)
    if (states == TileState.REFUSED).any():
        return "it lies where the alignment is refused", None
    if not (states == TileState.BELIEVABLE).any():
        return "it lies where there is no tissue to align", None
    moved = passage.carried(geometry)
    size = passage.transform.moving.size_px
    left, top, right, bottom = moved.bounds
    if left < 0 or top < 0 or right > size.width or bottom > size.height:
        return "it reaches beyond the other slide", None
    if moved.is_empty or not moved.is_valid or moved.geom_type == "GeometryCollection":
        return "its outline would cross itself there", None
    return "", moved


def _states_along(geometry: BaseGeometry, passage: Passage) -> np.ndarray:
    """`TileState` along what is carried: the boundary of an area, else the whole geometry.

    The inside of an area is not carried, so a fold in the middle of a tumour does not matter.
    """
    line = geometry.boundary if geometry.geom_type.endswith("Polygon") else geometry
    step_um = passage.quality.tile_um / _STEPS_PER_TILE
    fine = shapely.segmentize(line, step_um / passage.transform.fixed.mpp.mean)
    return passage.state_at(shapely.get_coordinates(fine))
