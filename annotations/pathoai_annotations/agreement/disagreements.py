"""Where readers differ, the clinically costliest first: what an adjudicator settles.

Two grades of a slide, or of a region, cost what the cost matrix says of taking one for the other. A
lesion that one reader outlined and the other did not costs what it costs to call it benign.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from pathoai.geometry import Region
from pathoai.metrics.krippendorff_alpha import MISSING
from pathoai.metrics.outline_objects import match_outlines
from pathoai_annotations.agreement.grade_scale import GradeScale
from pathoai_annotations.agreement.graded_slides import GradedSlides
from pathoai_annotations.agreement.outlined_slides import OutlinedSlide, Outlines

NOT_OUTLINED = "nothing"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One case for the adjudicator.

    Args:
        slide_id: Code of the slide.
        cost: What it costs to take the one for the other, 0 to 1.
        label: Key of the more severe of the two.
        said: Reader and key of the class that he said, or ``nothing``, of each.
        region: Of an outline, level-0 pixels; None where the grade of the whole slide differs.
        annotation_ids: Of the outlines; none where the grade of the whole slide differs.
    """

    slide_id: str
    cost: float
    label: str
    said: tuple[tuple[str, str], ...]
    region: Region | None = None
    annotation_ids: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What each said, in a line."""
        return ", ".join(f"{reader}: {label}" for reader, label in self.said)


def grade_disagreements(slides: GradedSlides, scale: GradeScale) -> Iterator[Disagreement]:
    """Slides whose readers gave different grades; the model has no voice here."""
    for slide_id, row in zip(slides.slide_ids, slides.values.tolist(), strict=True):
        read = [(r, at) for r, at in zip(slides.readers, row, strict=True) if at != MISSING]
        cost = max((scale.cost(a, b) for (_, a), (_, b) in combinations(read, 2)), default=0.0)
        if cost > 0:
            said = tuple((reader, scale.names[at]) for reader, at in read)
            worst = scale.names[max(at for _, at in read)]
            yield Disagreement(slide_id, cost, worst, said)


def region_disagreements(
    slides: Sequence[OutlinedSlide], readers: Sequence[str], scale: GradeScale
) -> Iterator[Disagreement]:
    """Outlines that another reader has not, or calls otherwise; only of classes that are grades."""
    for slide in slides:
        for pair in combinations([r for r in readers if r in slide.outlines], 2):
            yield from _of_pair(slide, pair, scale)


def by_cost(found: Sequence[Disagreement]) -> list[Disagreement]:
    """The costliest first; of equal ones whole slides, then large regions."""

    def rank(one: Disagreement) -> tuple[float, bool, float, str]:
        area = 0.0 if one.region is None else one.region.width * one.region.height
        return -one.cost, one.region is not None, -area, one.slide_id

    return sorted(found, key=rank)


def _of_pair(
    slide: OutlinedSlide, pair: tuple[str, str], scale: GradeScale
) -> Iterator[Disagreement]:
    sides = [_graded(slide.outlines[reader], scale) for reader in pair]
    matched = match_outlines(sides[0].polygons, sides[1].polygons)
    for places in matched.pairs.tolist():
        labels = [str(side.labels[at]) for side, at in zip(sides, places, strict=True)]
        one, other = (scale.position[label] for label in labels)
        shapes = [side.polygons[at] for side, at in zip(sides, places, strict=True)]
        if (cost := scale.cost(one, other)) > 0:
            said = tuple(zip(pair, labels, strict=True))
            worst, region = labels[other > one], _bounds(shapely.union_all(shapes))
            ids = tuple(str(side.ids[at]) for side, at in zip(sides, places, strict=True))
            yield Disagreement(slide.slide_id, cost, worst, said, region, ids)
    for at, reader in enumerate(pair):
        for place in matched.unmatched(at).tolist():
            label = str(sides[at].labels[place])
            if (cost := _cost_of_missing(scale, label)) > 0:
                said = ((reader, label), (pair[1 - at], NOT_OUTLINED))
                region = _bounds(sides[at].polygons[place])
                yield Disagreement(
                    slide.slide_id, cost, label, said, region, (str(sides[at].ids[place]),)
                )


def _graded(outlines: Outlines, scale: GradeScale) -> Outlines:
    keep = np.array([label in scale.position for label in outlines.labels], bool)
    return Outlines(outlines.labels[keep], outlines.polygons[keep], outlines.ids[keep])


def _cost_of_missing(scale: GradeScale, label: str) -> float:
    return scale.cost(0, scale.position[label]) if scale.ordinal else 1.0


def _bounds(shape: BaseGeometry) -> Region:
    left, top, right, bottom = shapely.bounds(shape).tolist()
    return Region(left, top, right - left, bottom - top)
