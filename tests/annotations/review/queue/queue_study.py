"""A study made to be read region by region: slides of 24 squares, two lesions in each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Mpp, Region
from pathoai.inference.find_objects import find_objects
from pathoai.ontology import LabelClass
from pathoai.store.header import StoreHeader
from pathoai.store.image_writer import ImageWriter
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.objects import write_objects
from pathoai.store.shards import ShardWriter, shard_slices, shards_of
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study
from pathoai_annotations.review.queue_settings import QueueSettings

SLIDE = "0123456789ABCDEF"
OTHER_SLIDE = "FEDCBA9876543210"
MODEL = "lesions"
AREA_MODEL = "compartments"
MPP, STORE_MPP = 0.25, 0.5
WIDTH, HEIGHT = 2400, 1600
SIDE = 400
"""Of the squares, level-0 pixels."""
SETTINGS = QueueSettings(regions=20, side_um=SIDE * MPP)
CHANNELS = ("benign", "lsil", "hsil")
LESIONS = ((100, 120), (260, 220))
"""Left and top of the two lesions within each square, 60 level-0 pixels wide and high."""
LESION = 60


def make_queue_study(path: Path, *, predicted: bool = True) -> Study:
    """A cervix study; both slides are tiled, and predicted by the model of lesions."""
    study = Study.create(path, ontology="cervix")
    Cohort([CohortRow(SLIDE), CohortRow(OTHER_SLIDE)]).write(path / "cohort.csv")
    for number, slide_id in enumerate((SLIDE, OTHER_SLIDE)):
        header = StoreHeader(slide_id, WIDTH, HEIGHT, MPP, MPP, STORE_MPP)
        _write_image(study.store_path(slide_id), header)
        _write_tissue(study.store_path(slide_id), header)
        if predicted:
            predict_lesions(study, slide_id, seed=number)
    return study


def squares() -> list[Region]:
    """All squares of a slide, row by row."""
    return [Region(x, y, SIDE, SIDE) for y in range(0, HEIGHT, SIDE) for x in range(0, WIDTH, SIDE)]


def lesion_centre(square: Region, number: int) -> tuple[float, float]:
    """x and y of the middle of a lesion, level-0 pixels."""
    left, top = LESIONS[number]
    return square.x + left + LESION / 2, square.y + top + LESION / 2


def lesion_class(square: Region, number: int) -> str:
    """Key of the class that the model gives a lesion."""
    return CHANNELS[1 + (squares().index(square) + number) % 2]


def predict_lesions(study: Study, slide_id: str, *, seed: int) -> None:
    """Two lesions in each square; how sure the model is differs from square to square."""
    shape = (int(HEIGHT * MPP / STORE_MPP), int(WIDTH * MPP / STORE_MPP))
    planes = np.zeros((len(CHANNELS), *shape), np.uint8)
    classes = np.zeros(shape, np.uint8)
    scale = MPP / STORE_MPP
    rng = np.random.default_rng(seed)
    for square in squares():
        whole = _pixels(square, scale)
        shares = rng.dirichlet([2.0, 1.0, 1.0, 1.0])[1:]
        planes[:, *whole] = (shares * 255).astype(np.uint8)[:, None, None]
        for number, (left, top) in enumerate(LESIONS):
            lesion = Region(square.x + left, square.y + top, LESION, LESION)
            key = lesion_class(square, number)
            inside = _pixels(lesion, scale)
            classes[inside] = study.ontology[key].index
            planes[:, *inside] = 10
            planes[CHANNELS.index(key), *inside] = 180
    _write_prediction(study, slide_id, MODEL, (classes, planes))


def predict_compartments(study: Study, slide_id: str) -> None:
    """One stroma over the left three quarters, with a round hole, as one object."""
    shape = (int(HEIGHT * MPP / STORE_MPP), int(WIDTH * MPP / STORE_MPP))
    y, x = np.mgrid[: shape[0], : shape[1]]
    inside = (x < shape[1] * 3 // 4) & (np.hypot(x - 420, y - 380) > 150)
    classes = np.where(inside, study.ontology["stroma"].index, 0).astype(np.uint8)
    planes = np.where(inside, 230, 20).astype(np.uint8)[None]
    _write_prediction(study, slide_id, AREA_MODEL, (classes, planes), channels=("stroma",))


def _pixels(region: Region, scale: float) -> tuple[slice, slice]:
    return (
        slice(int(region.y * scale), int(region.bottom * scale)),
        slice(int(region.x * scale), int(region.right * scale)),
    )


def _write_prediction(
    study: Study,
    slide_id: str,
    model: str,
    planes: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    *,
    channels: tuple[str, ...] = CHANNELS,
) -> None:
    store = SlideStore(study.store_path(slide_id))
    about = {"origin": "model", "status": "proposed", "model": model, "model_sha256": "ab" * 32}
    recipe = LabelRecipe(
        f"prediction/{model}",
        [study.ontology[key] for key in ("background", *channels)],
        about,
        probability_channels=channels,
        uncertainty_channels=("entropy",),
    )
    writer = LabelWriter(store.path, store.header, recipe)
    classes, probability = planes
    write_all(writer.class_map, classes)
    write_all(writer.probability, probability)
    write_all(writer.uncertainty, 255 - probability.max(axis=0)[None])
    writer.finish()
    label = store.label(f"prediction/{model}")
    indices = tuple(study.ontology[key].index for key in channels)
    objects = find_objects(label, classes=indices)
    write_objects(study.objects_path(slide_id, f"prediction/{model}"), objects)


def _write_image(path: Path, header: StoreHeader) -> None:
    writer = ImageWriter(path, header)
    pixels = np.empty(writer.finest.array.shape, np.uint8)
    pixels[:] = np.array((230, 200, 215), np.uint8)[:, None, None]
    scale = header.slide_mpp.mean / STORE_MPP
    for square in squares():
        for left, top in LESIONS:
            lesion = Region(square.x + left, square.y + top, LESION, LESION)
            pixels[:, *_pixels(lesion, scale)] = np.array((90, 50, 130), np.uint8)[:, None, None]
    write_all(writer.finest, pixels)
    writer.finish()


def _write_tissue(path: Path, header: StoreHeader) -> None:
    tissue = LabelClass(1, "tissue", "Tissue", "Tissu", "#56b4e9")
    writer = LabelWriter(path, header, LabelRecipe("tissue", (tissue,), {"origin": "method"}))
    mask = np.zeros(writer.class_map.array.shape, np.uint8)
    mask[40:, 40:-200] = 1
    write_all(writer.class_map, mask)
    writer.finish()


def write_all(writer: ShardWriter, pixels: NDArray[np.uint8]) -> None:
    """A plane, shard by shard."""
    for shard in shards_of(writer.array.shape):
        rows, columns = shard_slices(shard, writer.array.shape)
        writer.write(shard, np.ascontiguousarray(pixels[..., rows, columns]))


SLIDE_MPP = Mpp(MPP, MPP)
