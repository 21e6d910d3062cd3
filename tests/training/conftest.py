"""Small studies with stores made by hand: pink tissue, dark discs, and a label of the discs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
import torch
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.ontology import LabelClass, load_ontology
from pathoai.store.header import StoreHeader
from pathoai.store.image_writer import ImageWriter
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.shards import ShardWriter, shard_slices, shards_of
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Origin, deterministic_id
from pathoai_annotations.journal.journal import Journal

LABEL = "annotation/generator"
SIDE_PX = 512
DISCS = 150
NUCLEUS = load_ontology("breast")["nucleus_neoplastic"].index

StudyMaker = Callable[..., Study]


def painted(seed: int, side_px: int = SIDE_PX) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """An image `(3, side, side)` and its class map `(side, side)`: 0, or neoplastic nucleus."""
    rng = np.random.default_rng(seed)
    inside = np.zeros((side_px, side_px), bool)
    for cx, cy, radius in rng.uniform((0, 0, 6), (side_px, side_px, 10), (DISCS, 3)):
        around = tuple(
            slice(max(0, int(c - radius)), min(side_px, int(c + radius) + 2)) for c in (cy, cx)
        )
        y, x = np.ogrid[around]
        inside[around] |= (x - cx) ** 2 + (y - cy) ** 2 < radius**2
    colour = np.where(inside[None], np.array([90, 60, 140])[:, None, None], 0)
    colour += np.where(inside[None], 0, np.array([225, 160, 200])[:, None, None])
    noise = rng.integers(-20, 20, colour.shape)
    return np.clip(colour + noise, 0, 255).astype(np.uint8), (inside * NUCLEUS).astype(np.uint8)


def write_all(writer: ShardWriter, pixels: NDArray[Any]) -> None:
    for shard in shards_of(pixels.shape):
        rows, columns = shard_slices(shard, pixels.shape)
        writer.write(shard, pixels[..., rows, columns])


def write_label(
    path: Path, header: StoreHeader, values: NDArray[np.uint8], name: str = LABEL
) -> None:
    classes: Sequence[LabelClass] = load_ontology("breast").classes
    about = {"origin": "import", "status": "proposed", "description": "made for a test"}
    writer = LabelWriter(path, header, LabelRecipe(name, classes, about, with_instances=True))
    write_all(writer.class_map, values)
    write_all(writer.instance, ndimage.label(values == NUCLEUS)[0].astype(np.uint32))
    writer.finish()


def write_store(
    path: Path,
    slide_id: str,
    *,
    seed: int,
    label: str | None = LABEL,
    compression: str = "blosc-zstd",
) -> None:
    image, values = painted(seed)
    header = StoreHeader(slide_id, SIDE_PX, SIDE_PX, 0.5, 0.5, 0.5, compression=compression)
    writer = ImageWriter(path, header)
    write_all(writer.finest, image)
    tissue = LabelClass(1, "tissue", "Tissue", "Tissu", "#56b4e9")
    mask = LabelWriter(path, header, LabelRecipe("tissue", (tissue,), {"origin": "method"}))
    write_all(mask.class_map, np.ones((SIDE_PX, SIDE_PX), np.uint8))
    mask.finish()
    if label is not None:
        write_label(path, header, values, label)
    writer.finish()


def code(letter: str, number: int) -> str:
    return f"{letter}{number:015d}"


@pytest.fixture
def make_study(tmp_path: Path) -> StudyMaker:
    """Makes a breast study with one 512 × 512 px store at 0.5 µm for each patient named.

    Slides of one seed have the same pixels.
    """

    def make(
        *patients: str,
        name: str = "study",
        label: str | None = LABEL,
        seeds: Sequence[int] | None = None,
        compression: str = "blosc-zstd",
    ) -> Study:
        study = Study.create(tmp_path / name, ontology="breast")
        rows = [CohortRow(code("S", i), patient_id=p) for i, p in enumerate(patients)]
        Cohort(rows).write(study.path / "cohort.csv")
        for seed, row in zip(seeds or range(len(rows)), rows, strict=True):
            path = study.store_path(row.slide_id)
            write_store(path, row.slide_id, seed=seed, label=label, compression=compression)
        return study

    return make


@pytest.fixture
def small() -> list[str]:
    """Overrides of the shipped recipe that train in a second."""
    return [
        f"data.label={LABEL}",
        "classes=[nucleus]",
        "model.arguments={width: 4, depth: 1}",
        "model.learning_rate=0.02",
        "data.spec={size_px: 64, mpp: 0.5, overlap_px: 16, min_tissue_fraction: 0.1}",
        "data.train_stride_px=32",
        "data.guard_px=16",
        "trainer={max_steps: 12, steps_per_epoch: 4}",
    ]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Networks this small are slower on several threads that contend for busy cores."""
    torch.set_num_threads(1)


CELLS = ("nucleus_lymphocyte", "nucleus_neoplastic")
CELL_COLOURS = ((60, 50, 140), (150, 60, 90))


def painted_cells(seed: int, side_px: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """An image `(3, side, side)` and its cells `(N, 3)`: x, y and class, 0 small and blue."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side_px, :side_px]
    image = np.broadcast_to(np.array([225, 160, 200])[:, None, None], (3, side_px, side_px)).copy()
    columns, rows = np.meshgrid(np.arange(24, side_px, 48), np.arange(24, side_px, 48))
    places = np.stack([columns.ravel(), rows.ravel()], axis=1) + rng.integers(
        -8, 8, (columns.size, 2)
    )
    kinds = rng.integers(0, 2, len(places))
    for (cx, cy), kind in zip(places, kinds, strict=True):
        inside = (x - cx) ** 2 + (y - cy) ** 2 < (6, 10)[kind] ** 2
        image[:, inside] = np.array(CELL_COLOURS[kind])[:, None]
    noise = rng.integers(-20, 20, image.shape)
    cells = np.column_stack([places + 0.5, kinds])
    return np.clip(image + noise, 0, 255).astype(np.uint8), cells


def cell_annotations(slide_id: str, cells: NDArray[np.float64]) -> list[Annotation]:
    """A point, a box or a disc for each, in turn."""
    found = []
    for number, (x, y, kind) in enumerate(cells.tolist()):
        point = shapely.Point(x, y)
        shape = (point, shapely.box(x - 9, y - 5, x + 9, y + 5), point.buffer(7))[number % 3]
        name = deterministic_id(slide_id, str(number))
        found.append(Annotation(name, slide_id, CELLS[int(kind)], shape, Origin.PATHOLOGIST, "R1"))
    return found


@pytest.fixture
def make_cells(tmp_path: Path) -> StudyMaker:
    """Makes a breast study of slides of 240 px whose cells are in the journal, signed off by R1."""

    def make(*patients: str, name: str = "cells", mpp: tuple[float, float] = (0.5, 0.5)) -> Study:
        study = Study.create(tmp_path / name, ontology="breast")
        rows = [CohortRow(code("S", i), patient_id=p) for i, p in enumerate(patients)]
        Cohort(rows).write(study.path / "cohort.csv")
        with Journal.open(study) as journal:
            for seed, row in enumerate(rows):
                image, cells = painted_cells(seed, 240)
                write_cells_store(study.store_path(row.slide_id), row.slide_id, image, mpp)
                drawn = cell_annotations(row.slide_id, cells)
                journal.propose(drawn)
                journal.validate([a.id for a in drawn], author="R1")
                journal.sign_off(row.slide_id, author="R1")
        return study

    return make


def write_cells_store(
    path: Path, slide_id: str, image: NDArray[np.uint8], mpp: tuple[float, float]
) -> None:
    """A store of the slide's own pixels, all tissue, resampled where they are not square."""
    side = image.shape[1]
    header = StoreHeader(slide_id, side, side, *mpp, 0.5, compression="blosc-zstd")
    writer = ImageWriter(path, header)
    _, height, width = writer.finest.array.shape
    stretched = ndimage.zoom(image, (1, height / side, width / side), order=1)
    write_all(writer.finest, stretched)
    tissue = LabelClass(1, "tissue", "Tissue", "Tissu", "#56b4e9")
    mask = LabelWriter(path, header, LabelRecipe("tissue", (tissue,), {"origin": "method"}))
    write_all(mask.class_map, np.ones((height, width), np.uint8))
    mask.finish()
    writer.finish()


@pytest.fixture
def small_cells() -> list[str]:
    """Overrides of the shipped recipe of cells that train in a few seconds."""
    return [
        "classes=[nucleus_lymphocyte, nucleus_neoplastic]",
        "model.arguments={encoder: small, arguments: {width: 8}, context: [2]}",
        "model.pretrained=null",
        "model.learning_rate=0.01",
        "data.context=[2]",
        "data.spec={size_px: 24, mpp: 0.5}",
        "data.batch_size=16",
        "trainer={max_steps: 40, steps_per_epoch: 20}",
    ]
