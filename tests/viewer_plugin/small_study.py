"""A small study: a slide with three squares, a prediction of two of them, and its objects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import Polygon

from pathoai.geometry import Mpp
from pathoai.ontology import LabelClass
from pathoai.store.header import StoreHeader
from pathoai.store.image_writer import ImageWriter
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.objects import ObjectTable, write_objects
from pathoai.store.shards import ShardWriter, shard_slices, shards_of
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study

SLIDE = "0123456789ABCDEF"
OTHER_SLIDE = "FEDCBA9876543210"
WIDTH, HEIGHT = 2500, 1700
SLIDE_MPP = Mpp(0.25, 0.252)
STORE_MPP = 0.5
MODEL = "nuclei"
BACKGROUND_RGB = (230, 200, 215)
SQUARE_RGB = (90, 50, 130)
# Left, top, right, bottom in store pixels.
SQUARES = ((200, 160, 360, 320), (600, 400, 760, 560), (900, 120, 1000, 220))


def make_study(path: Path) -> Study:
    study = Study.create(path, ontology="cervix")
    rows = [CohortRow(SLIDE), CohortRow(OTHER_SLIDE)]
    Cohort(rows).write(path / "cohort.csv")
    header = StoreHeader(SLIDE, WIDTH, HEIGHT, SLIDE_MPP.x, SLIDE_MPP.y, STORE_MPP)
    store = study.store_path(SLIDE)
    _write_image(store, header)
    _write_tissue(store, header)
    _write_prediction(study, store, header)
    return study


def square(number: int, *, mpp: Mpp = SLIDE_MPP) -> Polygon:
    """A square of the slide, level-0 pixels; the first has a hole."""
    left, top, right, bottom = SQUARES[number]
    x, y = STORE_MPP / mpp.x, STORE_MPP / mpp.y
    outer = shapely.box(left * x, top * y, right * x, bottom * y)
    if number:
        return outer
    hole = shapely.box((left + 60) * x, (top + 60) * y, (left + 100) * x, (top + 100) * y)
    return Polygon(outer.exterior, [hole.exterior.coords])


def _write_image(path: Path, header: StoreHeader) -> None:
    writer = ImageWriter(path, header)
    _, height, width = writer.finest.array.shape
    pixels = np.empty((3, height, width), np.uint8)
    pixels[:] = np.array(BACKGROUND_RGB, np.uint8)[:, None, None]
    for left, top, right, bottom in SQUARES:
        pixels[:, top:bottom, left:right] = np.array(SQUARE_RGB, np.uint8)[:, None, None]
    _write(writer.finest, pixels)
    writer.finish()


def _write_tissue(path: Path, header: StoreHeader) -> None:
    tissue = LabelClass(1, "tissue", "Tissue", "Tissu", "#56b4e9")
    recipe = LabelRecipe("tissue", (tissue,), {"origin": "method"}, factor=8)
    writer = LabelWriter(path, header, recipe)
    _write(writer.class_map, np.ones(writer.class_map.array.shape, np.uint8))
    writer.finish()


def _write_prediction(study: Study, path: Path, header: StoreHeader) -> None:
    ontology = study.ontology
    hsil = ontology["hsil"].index
    recipe = LabelRecipe(
        f"prediction/{MODEL}",
        ontology.classes,
        {"origin": "model", "status": "proposed"},
        factor=2,
        probability_channels=("background", "hsil"),
    )
    writer = LabelWriter(path, header, recipe)
    classes = np.zeros(writer.class_map.array.shape, np.uint8)
    classes[:, -40:] = 255
    for left, top, right, bottom in SQUARES[:2]:
        classes[top // 2 : bottom // 2, left // 2 : right // 2] = hsil
    _write(writer.class_map, classes)
    is_hsil = classes == hsil
    _write(writer.probability, np.stack([~is_hsil, is_hsil]).astype(np.uint8) * 200)
    writer.finish()
    write_objects(
        study.objects_path(SLIDE, f"prediction/{MODEL}"),
        ObjectTable(
            np.array([square(0), square(1)], dtype=object),
            np.array([hsil, hsil], np.uint8),
            np.array([0.9, 0.6], np.float32),
            np.array([100.0, 100.0], np.float32),
            {
                "origin": "model",
                "model": MODEL,
                "model_sha256": "ab" * 32,
                "label": f"prediction/{MODEL}",
            },
        ),
    )


def _write(writer: ShardWriter, pixels: NDArray[np.uint8]) -> None:
    for shard in shards_of(writer.array.shape):
        rows, columns = shard_slices(shard, writer.array.shape)
        writer.write(shard, np.ascontiguousarray(pixels[..., rows, columns]))


def noise_store(path: Path) -> SlideStore:
    """A store of random pixels, so that no two places look the same."""
    header = StoreHeader(SLIDE, WIDTH, HEIGHT, SLIDE_MPP.x, SLIDE_MPP.y, STORE_MPP)
    writer = ImageWriter(path, header)
    shape = writer.finest.array.shape
    _write(writer.finest, np.random.default_rng(5).integers(0, 255, shape, np.uint8))
    writer.finish()
    return SlideStore(path)
