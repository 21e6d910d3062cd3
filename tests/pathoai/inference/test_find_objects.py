"""Objects: as many as there are, with exact areas, wherever shards end."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.inference.find_objects import find_objects
from pathoai.ontology import LabelClass
from pathoai.store.label_image import LabelImage
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.shards import shard_slices, shards_of
from pathoai.store.slide_store import SlideStore

_CLASSES = (
    LabelClass(5, "one", "One", "Un", "#ff0000"),
    LabelClass(9, "two", "Two", "Deux", "#00ff00"),
)


@pytest.fixture
def store(four_shard_store: Path, tmp_path: Path) -> SlideStore:
    return SlideStore(Path(shutil.copytree(four_shard_store, tmp_path / four_shard_store.name)))


def _label(store: SlideStore, class_map: NDArray[np.uint8], probability: bool) -> LabelImage:
    channels = tuple(c.key for c in _CLASSES) if probability else ()
    recipe = LabelRecipe(
        "prediction/a", _CLASSES, {"origin": "model"}, probability_channels=channels
    )
    writer = LabelWriter(store.path, store.header, recipe)
    for shard in shards_of(class_map.shape):
        rows, columns = shard_slices(shard, class_map.shape)
        block = class_map[rows, columns]
        writer.class_map.write(shard, block)
        if probability:
            both = np.stack([(block == 5) * 204, (block == 9) * 102]).astype(np.uint8)
            writer.probability.write(shard, both)
    writer.finish()
    return store.label("prediction/a")


def _discs(store: SlideStore) -> NDArray[np.uint8]:
    """Separate discs on a lattice that puts many on the borders of shards, at x and y = 2048."""
    height, width = store.array(0).shape[1:]
    class_map = np.zeros((height, width), np.uint8)
    y, x = np.mgrid[-15:16, -15:16]
    disc = x**2 + y**2 <= 196
    for number, row in enumerate(range(2048 - 40 * 50, height - 16, 40)):
        for column in range(2048 - 40 * 50, width - 16, 40):
            value = 5 if (number + column) % 3 else 9
            class_map[row - 15 : row + 16, column - 15 : column + 16][disc] = value
    return class_map


def test_discs_in_are_discs_out(store: SlideStore) -> None:
    class_map = _discs(store)
    objects = find_objects(_label(store, class_map, probability=True), classes=(5, 9))
    for value, probability in ((5, 204 / 255), (9, 102 / 255)):
        of_class = objects.class_index == value
        labels, count = ndimage.label(class_map == value)
        assert of_class.sum() == count
        one_area = float((labels == 1).sum())
        assert (objects.area_um2[of_class] == np.float32(one_area * 0.25)).all()
        areas = shapely.area(objects.geometry[of_class])
        assert (areas == one_area).all()
        assert np.allclose(objects.probability[of_class], probability, atol=1e-6)
    assert shapely.is_valid(objects.geometry).all()
    tops = shapely.bounds(objects.geometry)[:, 1]
    assert (np.diff(tops) >= 0).all()
    assert objects.source["label"] == "prediction/a"


def test_without_probabilities_objects_are_certain_and_specks_are_left_out(
    store: SlideStore,
) -> None:
    class_map = np.zeros(store.array(0).shape[1:], np.uint8)
    class_map[2040:2060, 2040:2060] = 5
    class_map[100:105, 100:106] = 5
    class_map[200:202, 200:202] = 9
    label = _label(store, class_map, probability=False)
    objects = find_objects(label, classes=(5, 9))
    assert objects.area_um2.tolist() == [100.0]
    assert objects.probability.tolist() == [1.0]
    assert objects.geometry[0].bounds == (2040.0, 2040.0, 2060.0, 2060.0)
    assert len(objects.geometry[0].exterior.coords) == 5
    assert len(find_objects(label, classes=(5, 9), smallest_um2=0)) == 3


def test_no_objects_is_an_answer(store: SlideStore) -> None:
    empty = _label(store, np.zeros(store.array(0).shape[1:], np.uint8), probability=False)
    assert len(find_objects(empty, classes=(5, 9))) == 0
