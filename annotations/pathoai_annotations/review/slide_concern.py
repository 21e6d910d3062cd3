"""Why one slide should be read before another: what models say of it, and what is open on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from pathoai.errors import StoreError
from pathoai.inference.slide_grade import SlideGrade
from pathoai.ontology import Ontology
from pathoai.store.objects import read_objects
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai_annotations.region_candidates import RegionSpec, costs_of, regions_of_slide
from pathoai_annotations.review.region_queue import can_be_ranked

_PREDICTION, _GRADE = "prediction/", "grade."
_LOOKS_UM = (500.0, 100.0)
"""Sides of the squares whose mean cost is compared between slides: large ones, that a coarse level
shows, so that a long worklist takes no time; small ones where the tissue fills none of these."""


class Concern(StrEnum):
    """What is known of a slide, the weightiest first."""

    REFERRED = "referred"
    """A model leaves the grade to the doctor."""
    GRADE = "grade"
    """What a model's grade is expected to cost."""
    REGION = "region"
    """What the model's decision costs in the costliest area of the slide."""
    PROPOSALS = "proposals"
    """How many proposals nobody has judged."""
    NOTHING = "nothing"
    """No model looked at it."""


@dataclass(frozen=True, slots=True)
class Why:
    """Why a slide stands where it stands.

    Args:
        concern: What is known of it.
        value: A cost, or a number of proposals; the larger, the sooner.
        model: Name of the model that says so; empty for proposals.
    """

    concern: Concern
    value: float = 0.0
    model: str = ""

    @property
    def rank(self) -> tuple[int, float]:
        """The smaller, the sooner."""
        return list(Concern).index(self.concern), -self.value


def why_read(study: Study, slide_id: str, proposals: int = 0) -> Why:
    """The weightiest that is known of a slide.

    Args:
        study: The study or the reading room.
        slide_id: Code of a slide that is tiled.
        proposals: How many of its annotations nobody has judged.

    Raises:
        StoreError: The slide's store cannot be read.
    """
    graded = [_of_grade(study.ontology, *found) for found in _grades(study, slide_id)]
    found = graded or list(_of_regions(study, slide_id))
    if not found and proposals:
        found = [Why(Concern.PROPOSALS, proposals)]
    return min(found, key=lambda why: why.rank, default=Why(Concern.NOTHING))


def _grades(study: Study, slide_id: str) -> Iterator[tuple[str, SlideGrade]]:
    """What models said of the slide as a whole; a damaged table says nothing."""
    folder = study.objects_path(slide_id, "grade/any").parent
    for path in sorted(folder.glob(f"{_GRADE}*.parquet")):
        try:
            raw = read_objects(path).source.get("grade")
        except StoreError:
            continue  # predicting makes it again; a worklist must not fail for it
        if raw:
            yield path.stem.removeprefix(_GRADE), SlideGrade.from_dict(raw)


def _of_grade(ontology: Ontology, model: str, grade: SlideGrade) -> Why:
    costs = costs_of(ontology, grade.classes)
    shares = np.asarray(grade.probabilities, np.float32)
    if costs is None:
        cost = 1 - float(shares.max(initial=0))
    else:
        cost = float(costs.of_pixels(shares.reshape(-1, 1, 1))[0, 0])
    return Why(Concern.REFERRED if grade.is_referred else Concern.GRADE, cost, model)


def _of_regions(study: Study, slide_id: str) -> Iterator[Why]:
    store = SlideStore(study.store_path(slide_id))
    for name in store.labels:
        if not name.startswith(_PREDICTION) or not can_be_ranked(label := store.label(name)):
            continue
        costs = costs_of(study.ontology, label.probability_channels)
        tissue = store.tissue_if_readable
        looks = (
            regions_of_slide(label, slide_id, RegionSpec(side, costs), [], tissue)
            for side in _LOOKS_UM
        )
        found = next((look for look in looks if len(look)), None)
        if found is not None:
            yield Why(Concern.REGION, float(found.cost.max()), name.removeprefix(_PREDICTION))
