"""What models say of a slide as a whole, and why: read from what `pathoai predict` left of it."""

from __future__ import annotations

import heapq
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from shapely.geometry.base import BaseGeometry

from pathoai.errors import ModelError, OntologyError, StoreError
from pathoai.geometry import Region
from pathoai.inference.slide_grade import REFER, SlideGrade
from pathoai.metrics.expected_cost import CostMatrix, load_costs, shipped_costs
from pathoai.ontology import Ontology
from pathoai.store.object_batches import object_batches
from pathoai.store.objects import ObjectTable, read_objects
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai_annotations.review.known_models import known_model

MOST_REASONS = 10
OUTDATED = "made of an earlier version of this slide's store"
_GRADE, _PREDICTION = "grade.", "prediction."

Shares = tuple[tuple[str, float], ...]
"""A number for each class, by its key."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A place on which a verdict rests.

    Args:
        x: Its centre, level-0 pixels.
        y: Likewise.
        width: What of the slide belongs to it, level-0 pixels.
        height: Likewise.
        share: What it weighs among all places, or covers of all of its grade; 0 to 1.
        label: Key of its class; empty where the model only says that it looked there.
    """

    x: float
    y: float
    width: float
    height: float
    share: float
    label: str = ""

    @property
    def region(self) -> Region:
        """About its centre."""
        width, height = max(self.width, 1.0), max(self.height, 1.0)
        return Region(self.x - width / 2, self.y - height / 2, width, height)


@dataclass(frozen=True, slots=True)
class ModelVerdict:
    """A proposal; the reader decides.

    Args:
        model: Name of the model.
        decision: Key of a grade, ``refer``, or empty where it found too little to name one.
        probabilities: Of each grade, calibrated; none where rules decided.
        expected_costs: What deciding for each grade is expected to cost; none where unknown.
        areas_mm2: Of each grade on the model's map, where rules decided.
        prediction_set: Grades that cannot be excluded at the model's stated rate.
        familiarity: Share of validation slides that lie as far out or farther; None where unknown.
        warnings: What to beware of, a sentence each.
        reasons: Where the model looked, or what it found; the weightiest first.
    """

    model: str
    decision: str
    probabilities: Shares = ()
    expected_costs: Shares = ()
    areas_mm2: Shares = ()
    prediction_set: tuple[str, ...] = ()
    familiarity: float | None = None
    warnings: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()

    @property
    def is_referred(self) -> bool:
        """True where the model leaves the grade to the doctor."""
        return self.decision == REFER

    @property
    def by_rules(self) -> bool:
        """True where the grade follows from areas on the model's map."""
        return not self.probabilities


def model_verdicts(study: Study, store: SlideStore) -> tuple[ModelVerdict, ...]:
    """All that models say of a slide: those that grade it, then those whose maps rules grade.

    Args:
        study: The study, or a reading room: there only that model's which lies in it.
        store: The slide's.

    Raises:
        StoreError: A file is damaged.
    """
    folder = study.objects_path(store.slide_id, "any").parent
    graded = [_of_grader(study, store, path) for path in sorted(folder.glob(f"{_GRADE}*.parquet"))]
    ruled = [_of_rules(store, path) for path in sorted(folder.glob(f"{_PREDICTION}*.json"))]
    return (*graded, *(one for one in ruled if one is not None))


def _of_grader(study: Study, store: SlideStore, path: Path) -> ModelVerdict:
    model = path.name.removeprefix(_GRADE).removesuffix(".parquet")
    tiles = read_objects(path)
    try:
        grade = SlideGrade.from_dict(tiles.source["grade"])
        report_path = path.with_suffix(".json")
        # A reading room has the table alone, whose tiles say where the model looked.
        report = _read(report_path) if report_path.is_file() else {}
        reasons = [_top_region(one) for one in report.get("top_regions", ())] or _tiles(tiles)
        warnings = [*report.get("warnings", grade.notes), *_outdated(tiles.source, store)]
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, error) from error
    costs = _costs(study, model, grade.classes)
    expected = () if costs is None else costs.expected(np.array([grade.probabilities]))[0].tolist()
    return ModelVerdict(
        model,
        grade.decision,
        tuple(zip(grade.classes, grade.probabilities, strict=True)),
        tuple(zip(grade.classes, expected, strict=False)),
        prediction_set=grade.prediction_set,
        familiarity=grade.familiarity,
        warnings=tuple(warnings),
        reasons=tuple(reasons[:MOST_REASONS]),
    )


def _costs(study: Study, model: str, classes: tuple[str, ...]) -> CostMatrix | None:
    """What the model decided by; where its bundle is not at hand, what ships for its grades."""
    try:
        decision = known_model(study.model_path(model)).decision
        return CostMatrix.from_dict(decision["referral"]["costs"])
    except (ModelError, OntologyError, KeyError, TypeError):
        # The bundle is elsewhere, e.g. in a room, or decides otherwise: not this slide's fault.
        return _shipped_costs(study.ontology, classes)


def _shipped_costs(ontology: Ontology, classes: tuple[str, ...]) -> CostMatrix | None:
    """Those of the ontology, where the classes are all grades that they weigh, in their order."""
    ranks = [ontology[key].grade if key in ontology else None for key in classes]
    shipped = (load_costs(key) for key in shipped_costs())
    fitting = (one for one in shipped if one.ontology == ontology.key)
    return next((one for one in fitting if ranks == list(range(len(one.classes)))), None)


def _top_region(raw: dict[str, Any]) -> Reason:
    x, y, width, height, weight = (
        float(raw[name]) for name in ("x", "y", "width", "height", "weight")
    )
    return Reason(x, y, width, height, weight)


def _tiles(tiles: ObjectTable) -> list[Reason]:
    """The heaviest tiles, each for itself."""
    pairs = zip(tiles.geometry, tiles.probability.tolist(), strict=True)
    return [_reason(tile, weight) for tile, weight in pairs]


def _reason(outline: BaseGeometry, share: float, label: str = "") -> Reason:
    left, top, right, bottom = outline.bounds
    return Reason((left + right) / 2, (top + bottom) / 2, right - left, bottom - top, share, label)


def _of_rules(store: SlideStore, path: Path) -> ModelVerdict | None:
    """None of a model that ranks nothing, or whose report tells of no grades."""
    report = _read(path)
    try:
        said = report.get("summary", {}).get("grades")
        if said is None:
            return None
        worst = said.get("worst")
        areas = tuple((str(a["classes"][0]), float(a["mm2"])) for a in said.get("areas", ()))
        warnings = [str(one) for one in report.get("warnings", ())]
        warnings += [] if worst or "reason" not in said else [str(said["reason"])]
        warnings += _outdated(report.get("about", {}), store)
        classes = [str(key) for key in worst["classes"]] if worst else []
        reasons = _largest(path.with_suffix(".parquet"), classes, report, store)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, error) from error
    model = path.name.removeprefix(_PREDICTION).removesuffix(".json")
    decision = classes[0] if classes else ""
    return ModelVerdict(
        model, decision, areas_mm2=areas, warnings=tuple(warnings), reasons=tuple(reasons)
    )


def _largest(
    path: Path, classes: Sequence[str], report: dict[str, Any], store: SlideStore
) -> list[Reason]:
    """The largest objects of some classes; a part of the table is in memory at once."""
    label = report.get("label")
    if not classes or not path.is_file() or label not in store.labels:
        return []
    values = store.label(label).classes
    wanted = {values[key]: key for key in classes if key in values}
    total, heap = 0.0, list[tuple[float, int, str, BaseGeometry]]()
    number = 0
    for batch in object_batches(path):
        rows = np.flatnonzero(np.isin(batch.class_index, list(wanted)))
        total += float(batch.area_um2[rows].sum())
        for row in rows[np.argsort(-batch.area_um2[rows], kind="stable")][:MOST_REASONS].tolist():
            number += 1
            key = wanted[int(batch.class_index[row])]
            entry = (float(batch.area_um2[row]), -number, key, batch.geometry[row])
            (heapq.heappush if len(heap) < MOST_REASONS else heapq.heappushpop)(heap, entry)
    found = sorted(heap, key=lambda one: (-one[0], -one[1]))
    return [_reason(outline, area / max(total, 1e-9), key) for area, _, key, outline in found]


def _outdated(about: dict[str, Any], store: SlideStore) -> list[str]:
    made_of = about.get("store_sha256")
    return [OUTDATED] if made_of is not None and made_of != store.identity else []


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf8"))
    except ValueError as error:
        raise _damaged(path, error) from error
    if not isinstance(found, dict):
        raise _damaged(path, type(found).__name__)
    return found


def _damaged(path: Path, cause: object) -> StoreError:
    return StoreError(
        "damaged report on a prediction",
        where=path.stem,
        found=str(cause),
        remedy="run `pathoai predict` again",
    )
