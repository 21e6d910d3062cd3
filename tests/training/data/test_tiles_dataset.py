from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from pathoai.geometry import Grid, Size
from pathoai.ontology import NOT_ASSESSED, load_ontology
from pathoai.store.label_image import LabelImage
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai.tiling.spec import TileSpec
from pathoai_training.data.survey import channels_of
from pathoai_training.data.tiles_dataset import (
    LabelledSlide,
    TileColumns,
    TilesDataset,
    label_tile,
)

LABEL = "annotation/generator"
PATIENT = "P000000000000000"


@pytest.fixture
def slide(make_study: Callable[..., Study]) -> LabelledSlide:
    study = make_study(PATIENT)
    (row,) = study.cohort
    return LabelledSlide(study.store_path(row.slide_id), LABEL)


def opened(slide: LabelledSlide) -> tuple[SlideStore, LabelImage]:
    return slide.open()


def test_pixels_and_classes_of_one_place(slide: LabelledSlide) -> None:
    store, label = opened(slide)
    tiles = TileColumns(np.zeros(2, np.int32), np.array([[0, 0], [70, 33]]), 64)
    channels = channels_of(load_ontology("breast"), ("nucleus",))
    dataset = TilesDataset([slide], tiles, TileSpec(64, 0.5, 0, 0.0), channels)
    image, target = dataset[1]
    assert (image.shape, image.dtype, target.dtype) == ((3, 64, 64), torch.uint8, torch.uint8)
    whole = np.asarray(store.array(0)[:])
    np.testing.assert_array_equal(image.numpy(), whole[:, 33:97, 70:134])
    np.testing.assert_array_equal(target.numpy(), label.read_all()[33:97, 70:134] > 0)
    # Dark discs are nuclei: image and label belong together.
    assert image.float().mean(0)[target == 1].mean() < image.float().mean(0)[target == 0].mean()
    assert len(pickle.loads(pickle.dumps(dataset))) == 2
    assert torch.equal(pickle.loads(pickle.dumps(dataset))[1][0], image)


@pytest.mark.parametrize("start", ["spawn", "fork"])
# Workers of a DataLoader are forked by default, and torch has threads.
@pytest.mark.filterwarnings("ignore:.* is multi-threaded, use of fork:DeprecationWarning")
def test_workers_read_batches_of_several_slides(
    make_study: Callable[..., Study], start: str
) -> None:
    study = make_study(PATIENT, PATIENT)
    slides = [LabelledSlide(study.store_path(row.slide_id), LABEL) for row in study.cohort]
    origins = np.random.default_rng(0).integers(-20, 300, (9, 2))
    tiles = TileColumns(np.arange(9, dtype=np.int32) % 2, origins, 48)
    channels = channels_of(load_ontology("breast"), ("nucleus",))
    dataset = TilesDataset(slides, tiles, TileSpec(64, 0.7, 0, 0.0), channels)
    expected = [dataset[index] for index in range(9)]
    for slide, (x, y), (image, target) in zip(tiles.slide, origins, expected, strict=True):
        store, label = slides[slide].open()
        grid = store.slide.grid(0.7)
        pixels = store.read_grid(grid, int(x), int(y), Size(48, 48))
        np.testing.assert_array_equal(image.numpy(), pixels.transpose(2, 0, 1))
        values = label_tile(label.read, label.grid(), grid, int(x), int(y), 48)
        np.testing.assert_array_equal(target.numpy(), channels[values])
    loader = DataLoader(dataset, batch_size=4, num_workers=2, multiprocessing_context=start)
    images, targets = (torch.cat(parts) for parts in zip(*loader, strict=True))
    assert torch.equal(images, torch.stack([image for image, _ in expected]))
    assert torch.equal(targets, torch.stack([target for _, target in expected]))


def test_outside_is_white_and_ignored(slide: LabelledSlide) -> None:
    store, label = opened(slide)
    grid = store.slide.grid(0.5)
    assert (store.read_grid(grid, 480, 480, Size(64, 64))[32:, 32:] == 255).all()
    assert (
        label_tile(label.read, label.grid(), grid, 480, 480, 64)[32:, 32:] == NOT_ASSESSED
    ).all()


@pytest.mark.parametrize("downsample", [0.5, 2.0, 3.0, 1.3])
def test_at_another_scale_a_pixel_takes_the_class_under_its_centre(
    slide: LabelledSlide, downsample: float
) -> None:
    store, label = opened(slide)
    grid = Grid(Size(512, 512), downsample, downsample)
    values = label.read_all()
    found = label_tile(label.read, label.grid(), grid, 20, 10, 50)
    steps = np.arange(50) + 0.5
    rows, columns = (np.floor((start + steps) * downsample).astype(int) for start in (10, 20))
    np.testing.assert_array_equal(found, values[np.ix_(rows, columns)])
    assert store.read_grid(grid, 20, 10, Size(50, 50)).shape == (50, 50, 3)


def test_image_and_label_agree_at_a_coarser_scale(slide: LabelledSlide) -> None:
    store, label = opened(slide)
    grid = store.slide.grid(1.0)
    darkness = 255 - store.read_grid(grid, 0, 0, Size(256, 256)).mean(2)
    inside = label_tile(label.read, label.grid(), grid, 0, 0, 256) > 0
    threshold = (darkness[inside].mean() + darkness[~inside].mean()) / 2
    assert ((darkness > threshold) == inside).mean() > 0.95


def test_finer_classes_are_rolled_up_and_others_are_background() -> None:
    ontology = load_ontology("breast")
    channels = channels_of(ontology, ("nucleus", "stroma"))
    of = {key: int(channels[ontology[key].index]) for key in ("mitosis", "stroma", "dcis")}
    assert of == {"mitosis": 1, "stroma": 2, "dcis": 0}
    assert (channels[0], channels[255], channels[99]) == (0, 255, 255)


def test_columns_of_slides_without_tiles() -> None:
    joined = TileColumns.joined([np.array([[1, 2]]), np.empty((0, 2), int), np.array([[3, 4]])], 8)
    assert joined.slide.tolist() == [0, 2]
    assert len(TileColumns.joined([], 8)) == 0
