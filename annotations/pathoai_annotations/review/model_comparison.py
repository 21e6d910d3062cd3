"""How far what a reader left in a region is what the model says there.

Objects, such as nuclei, are matched one by one; where something is outlined that fills much of the
region, areas are compared instead, class by class. Both give one number, 0 to 1, of Dice's form:
twice what is common over the sum of both, and 1 where neither found anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import shapely
from shapely.geometry.base import BaseGeometry

from pathoai.geometry import Region
from pathoai.metrics.outline_objects import match_outlines
from pathoai.metrics.outline_overlap import outline_areas, united
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.review.model_proposals import areas_of, holds_centre

_LARGE_SHARE = 1 / 8
"""Of a region: what covers more of it is an area, not one object among others."""
_SAME = 0.5


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """A reader's work beside a model's, in one region.

    Args:
        agreement: 0 to 1.
        by_area: True where areas were compared, not objects.
        same: Objects that both outlined and call the same; 0 where areas were compared, as below.
        other_class: Objects that both outlined and call otherwise.
        reader_only: Objects that only the reader outlined.
        model_only: Objects that only the model found.
    """

    agreement: float
    by_area: bool = False
    same: int = 0
    other_class: int = 0
    reader_only: int = 0
    model_only: int = 0

    @property
    def is_same(self) -> bool:
        """Whether they agree on more than they differ in."""
        return self.agreement > _SAME


def compare_with_model(
    reader: Sequence[Annotation], model: Sequence[Annotation], region: Region
) -> ModelComparison:
    """Compare what lies in a region; outlines without an area are left out.

    Args:
        reader: What the reader stands behind; outlines of other places are ignored.
        model: What the model proposes for the region.
        region: Level-0 pixels.
    """
    border = shapely.box(region.x, region.y, region.right, region.bottom)
    sides = [[a for a in side if a.geometry.area > 0] for side in (reader, model)]
    parts = [[(a.label, areas_of(a.geometry & border)) for a in side] for side in sides]
    large = _LARGE_SHARE * border.area
    if any(shape.area > large for side in parts for _, shape in side):
        return ModelComparison(_agreement_by_area(*parts), by_area=True)
    return _by_object(*([a for a in side if holds_centre(region, a.geometry)] for side in sides))


def _agreement_by_area(
    reader: list[tuple[str, BaseGeometry]], model: list[tuple[str, BaseGeometry]]
) -> float:
    shapes: list[dict[str, list[BaseGeometry]]] = [defaultdict(list), defaultdict(list)]
    for side, found in zip((reader, model), shapes, strict=True):
        for label, shape in side:
            if shape.area > 0:
                found[label].append(shape)
    shared = total = 0.0
    for label in {*shapes[0], *shapes[1]}:
        one, other = (united(found[label]) for found in shapes)
        common, first, second = outline_areas(one, other).tolist()
        shared, total = shared + 2 * common, total + first + second
    return shared / total


def _by_object(reader: list[Annotation], model: list[Annotation]) -> ModelComparison:
    matched = match_outlines([a.geometry for a in reader], [a.geometry for a in model])
    pairs = [(reader[i].label, model[j].label) for i, j in matched.pairs.tolist()]
    same = sum(one == other for one, other in pairs)
    total = len(reader) + len(model)
    return ModelComparison(
        2 * same / total if total else 1.0,
        same=same,
        other_class=len(pairs) - same,
        reader_only=len(reader) - len(pairs),
        model_only=len(model) - len(pairs),
    )
