"""A predicted slide whose tissue, classes and objects are known to the pixel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from pathoai.inference.regions import Regions
from pathoai.inference.summary.summarise import PredictedSlide
from pathoai.ontology import LabelClass, Ontology, load_ontology
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.objects import ObjectTable, write_objects
from pathoai.store.shards import shard_slices, shards_of
from pathoai.store.slide_store import SlideStore

MODEL_SHA256 = "0123456789abcdef" * 4
TISSUE_FACTOR = 16
"""Store pixels of 0.5 µm per pixel of the tissue mask."""
PIXEL_MM2 = 0.25e-6
Pixels = NDArray[np.uint8]


def write_map(
    store: SlideStore,
    name: str,
    classes: tuple[LabelClass, ...],
    values: Pixels,
    factor: int = 1,
    **about: object,
) -> None:
    """A class map as it is, in place of one of that name."""
    writer = LabelWriter(
        store.path, store.header, LabelRecipe(name, classes, dict(about), factor=factor)
    )
    for shard in shards_of(values.shape):
        writer.class_map.write(shard, values[shard_slices(shard, values.shape)])
    writer.finish()


def write_tissue(store: SlideStore, mask: NDArray[np.bool_]) -> None:
    """The tissue of a slide, ``(H, W)`` on pixels of 8 µm."""
    tissue = LabelClass(1, "tissue", "Tissue", "Tissu", "#009e73")
    write_map(store, "tissue", (tissue,), mask.astype(np.uint8), TISSUE_FACTOR, method="known")


def empty_map(store: SlideStore, factor: int = 1, fill: int = 0) -> Pixels:
    """A plane as large as a label of the store."""
    size = (store.header.grid.coarser(factor) if factor > 1 else store.header.grid).size_px
    return np.full((size.height, size.width), fill, np.uint8)


def about(store: SlideStore) -> dict[str, Any]:
    """What a prediction says of itself."""
    return {
        "origin": "model",
        "model": "known",
        "model_sha256": MODEL_SHA256,
        "store_sha256": store.identity,
    }


def squares(centres: NDArray[np.float64], side: float = 10) -> NDArray[np.object_]:
    """Squares about centres ``(N, 2)``, level-0 pixels."""
    x, y = centres.T
    return np.asarray(shapely.box(x - side / 2, y - side / 2, x + side / 2, y + side / 2))


def predicted(
    store: SlideStore,
    folder: Path,
    class_map: Pixels | None,
    centres: NDArray[np.float64],
    values: NDArray[np.uint8],
    keys: tuple[str, ...],
    ontology: Ontology | None = None,
    annotated: Regions | None = None,
    stain: str | None = None,
) -> PredictedSlide:
    """A prediction of these classes: its label, if there is a map, and squares at centres."""
    ontology = ontology or load_ontology("breast")
    classes = tuple(ontology[key] for key in keys)
    label = None
    if class_map is not None:
        write_map(store, "prediction/known", classes, class_map, **about(store))
        label = store.label("prediction/known")
    ones = np.ones(len(values), np.float32)
    path = folder / "prediction.known.parquet"
    write_objects(path, ObjectTable(squares(centres), values, ones, 25 * ones, about(store)))
    indices = {c.key: c.index for c in classes}
    return PredictedSlide(
        store, ontology, indices, about(store), path, label, annotated=annotated, stain=stain
    )
