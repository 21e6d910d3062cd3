"""A study of one slide whose maps are known to the pixel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from pathoai.inference.slide_grade import SlideGrade
from pathoai.ontology import LabelClass
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.objects import ObjectTable, write_objects
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study

MODEL, NUCLEI, GRADE = "prediction/regions", "prediction/nuclei", "grade/grading"
MODEL_SHA256 = "0123456789abcdef" * 4
INVASIVE, STROMA = (300, 200, 900, 600), (300, 650, 1100, 900)
"""Left, top, right and bottom of what each class covers, in pixels of 0.5 µm."""
OBJECTS = ((420.0, 310.0), (520.0, 310.0), (700.0, 420.0))
"""Corners of squares of 20 pixels."""
TILES = ((200, 200, 0.5), (600, 400, 0.3))
SIDE = 200


@dataclass(frozen=True)
class Mapped:
    """The study and its slide."""

    study: Study
    store: SlideStore


def write_label(store: SlideStore, recipe: LabelRecipe, planes: dict[str, NDArray[Any]]) -> None:
    """Write whole planes, by the name of their writer."""
    writer = LabelWriter(store.path, store.header, recipe)
    for name, values in planes.items():
        plane = getattr(writer, name)
        for shard in writer.class_map.shards:
            rows, columns = writer.class_map.slices(shard)
            plane.write(shard, values[..., rows, columns])
    writer.finish()


def box_of(values: NDArray[np.uint8], box: tuple[int, int, int, int], value: int) -> None:
    left, top, right, bottom = box
    values[top:bottom, left:right] = value


def about(store: SlideStore, model: str) -> dict[str, Any]:
    return {
        "origin": "model",
        "status": "proposed",
        "model": model,
        "model_sha256": MODEL_SHA256,
        "store_sha256": store.identity,
    }


def mapped_study(folder: Path, store_path: Path) -> Mapped:
    """A breast study around a store of 1500 × 1200 pixels of 0.5 µm."""
    study = Study.create(folder / "study", ontology="breast")
    Cohort([CohortRow(store_path.stem)]).write(study.path / "cohort.csv")
    study.store_path("x").parent.mkdir()
    store_path.rename(study.store_path(store_path.stem))
    store = SlideStore(study.store_path(store_path.stem))
    _add_regions(study, store)
    _add_nuclei(study, store)
    _add_grade(study, store)
    return Mapped(study, store)


def _add_regions(study: Study, store: SlideStore) -> None:
    """Two rectangles; the probability of the first grows from left to right; half is assessed."""
    classes = tuple(study.ontology[key] for key in ("invasive_nst", "stroma"))
    height, width = store.array(0).shape[1:]
    class_map = np.full((height, width), 255, np.uint8)
    class_map[:, :1200] = 0
    for label, box in zip(classes, (INVASIVE, STROMA), strict=True):
        box_of(class_map, box, label.index)
    ramp = np.broadcast_to(np.arange(width) * 255 // (width - 1), (height, width))
    probability = np.stack([ramp, 255 - ramp]).astype(np.uint8)
    recipe = LabelRecipe(
        MODEL,
        classes,
        about(store, "regions"),
        probability_channels=tuple(c.key for c in classes),
        uncertainty_channels=("entropy",),
    )
    planes = {"class_map": class_map, "probability": probability, "uncertainty": probability[:1]}
    write_label(store, recipe, planes)


def _add_nuclei(study: Study, store: SlideStore) -> None:
    """Three squares, two of one class; one class that the ontology does not know."""
    height, width = store.array(0).shape[1:]
    class_map = np.zeros((height, width), np.uint8)
    nucleus, mitosis = study.ontology["nucleus"], study.ontology["mitosis"]
    values = [nucleus.index, nucleus.index, mitosis.index]
    for (x, y), value in zip(OBJECTS, values, strict=True):
        box_of(class_map, (int(x), int(y), int(x) + 20, int(y) + 20), value)
    own = LabelClass(99, "own_class", "Of the label", "Du label", "#123456")
    write_label(
        store,
        LabelRecipe(NUCLEI, (nucleus, mitosis, own), about(store, "nuclei")),
        {"class_map": class_map},
    )
    outlines = np.array([shapely.box(x, y, x + 20, y + 20) for x, y in OBJECTS], dtype=object)
    write_table(study, store, NUCLEI, outlines, np.array(values, np.uint8))


def write_table(
    study: Study,
    store: SlideStore,
    name: str,
    outlines: NDArray[np.object_],
    values: NDArray[np.uint8],
    **source: str,
) -> None:
    path = study.objects_path(store.slide_id, name)
    ones = np.ones(len(values), np.float32)
    made = about(store, name.partition("/")[2]) | source
    write_objects(path, ObjectTable(outlines, values, ones, 100 * ones, made))


def _add_grade(study: Study, store: SlideStore) -> None:
    """Two tiles of five, with half and three tenths of the attention."""
    boxes = [shapely.box(x, y, x + SIDE, y + SIDE) for x, y, _ in TILES]
    grade = SlideGrade(
        store.slide_id, ("dcis", "invasive_nst"), (0.2, 0.8), "invasive_nst", (), 0.5, (), 5
    )
    source = about(store, "grading") | {"grade": grade.to_dict()}
    table = ObjectTable(
        np.array(boxes, dtype=object),
        np.full(2, study.ontology["invasive_nst"].index, np.uint8),
        np.array([weight for *_, weight in TILES], np.float32),
        np.full(2, 1e4, np.float32),
        source,
    )
    write_objects(study.objects_path(store.slide_id, GRADE), table)
