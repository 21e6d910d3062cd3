"""Small studies of graded slides with features made by hand: a few tiles tell the grade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pathoai.ontology import LabelClass
from pathoai.store.features import FeatureRecipe, FeatureWriter
from pathoai.store.header import StoreHeader
from pathoai.store.image_writer import ImageWriter
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study
from pathoai.tiling.spec import TileSpec
from tests.training.conftest import code, write_all

GRADES = ("benign", "lsil", "hsil", "invasive_scc")
SPEC = TileSpec(16, 0.5)
SIDE_PX = 128
TILES = (SIDE_PX // 16) ** 2
LENGTH = 12
ENCODER: dict[str, Any] = {
    "key": "tiny",
    "licence": "MIT",
    "weights_sha256": "a" * 64,
    "description_sha256": "b" * 64,
}


def graded_study(folder: Path, grades: Sequence[str]) -> Study:
    """A cervix study with a store, features and a patient for each grade named."""
    study = Study.create(folder, ontology="cervix")
    rows = [
        CohortRow(code("S", i), patient_id=code("P", i), grade=grade)
        for i, grade in enumerate(grades)
    ]
    Cohort(rows).write(study.path / "cohort.csv")
    for seed, row in enumerate(rows):
        write_store(study.store_path(row.slide_id), row.slide_id, seed=seed)
        position = GRADES.index(row.grade) if row.grade in GRADES else 2
        write_features(study.store_path(row.slide_id), position, seed=seed)
    return study


def write_store(path: Path, slide_id: str, *, seed: int, mpp: float = 0.5) -> None:
    """A store of noise that is tissue all over."""
    header = StoreHeader(slide_id, SIDE_PX, SIDE_PX, mpp, mpp, mpp)
    writer = ImageWriter(path, header)
    noise = np.random.default_rng(seed).integers(0, 256, (3, SIDE_PX, SIDE_PX))
    write_all(writer.finest, noise.astype(np.uint8))
    tissue = LabelClass(1, "tissue", "Tissue", "Tissu", "#56b4e9")
    mask = LabelWriter(path, header, LabelRecipe("tissue", (tissue,), {"origin": "method"}))
    write_all(mask.class_map, np.ones((SIDE_PX, SIDE_PX), np.uint8))
    mask.finish()
    writer.finish()


def lesion_tiles(seed: int) -> list[int]:
    """The three tiles of a slide that tell its grade."""
    return sorted(np.random.default_rng([seed, 1]).choice(TILES, 3, replace=False).tolist())


def write_features(
    path: Path, grade: int, *, seed: int, spec: TileSpec = SPEC, **about: object
) -> None:
    """Noise, but for three tiles, in which one entry says that they matter and another the grade.

    A grade of 4 is none of the four, and every tile shows it.
    """
    store = SlideStore(path)
    tiles = store.tiles(spec)
    vectors = np.random.default_rng([seed, 0]).normal(size=(len(tiles), LENGTH))
    if len(tiles) == TILES:
        shown = lesion_tiles(seed) if grade < 4 else list(range(TILES))
        vectors[shown] *= 0.3
        vectors[np.ix_(shown, [0, 1 + grade])] += 5.0
    recipe = FeatureRecipe(
        "tiny", spec, LENGTH, {"origin": "encoder"} | ENCODER | {"store_sha256": store.identity}
    )
    writer = FeatureWriter(path, tiles, replace(recipe, about={**recipe.about, **about}))
    for shard in writer.shards:
        writer.write(shard, vectors[writer.rows(shard)])
    writer.finish()


def small_recipe(*more: str) -> list[str]:
    """Overrides of the shipped recipe that train on such a study in a second."""
    return [
        "data.encoder=tiny",
        "data.bag_size=48",
        "model.arguments={hidden: 16, attention_width: 8, dropout: 0.1}",
        "model.learning_rate=0.01",
        "model.accepted_miss_rate=0.2",
        "trainer={max_steps: 12, steps_per_epoch: 4}",
        *more,
    ]
