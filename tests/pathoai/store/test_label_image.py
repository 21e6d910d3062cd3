"""Labels: any name, class maps and probabilities, on the image's grid."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from pathoai.errors import StoreError
from pathoai.geometry import Size
from pathoai.ontology import NOT_ASSESSED, load_ontology
from pathoai.store.label_image import LabelImage, group_name, is_label_complete
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.shards import shard_slices, shards_of
from pathoai.store.slide_store import SlideStore

_BREAST = load_ontology("breast")


@pytest.fixture
def store(four_shard_store: Path, tmp_path: Path) -> SlideStore:
    """A store of four shards that may be written to."""
    return SlideStore(Path(shutil.copytree(four_shard_store, tmp_path / four_shard_store.name)))


def _recipe(name: str, *, factor: int = 1, version: int = 1) -> LabelRecipe:
    classes = _BREAST.classes[:3]
    return LabelRecipe(
        name,
        classes,
        {"origin": "model", "status": "proposed", "version": version},
        factor=factor,
        probability_channels=tuple(c.key for c in classes[1:]),
    )


def _write(
    store: SlideStore, recipe: LabelRecipe, class_map: np.ndarray[Any, Any]
) -> tuple[LabelImage, np.ndarray[Any, Any]]:
    """Write a class map, and probabilities that follow from it."""
    writer = LabelWriter(store.path, store.header, recipe)
    probability = np.stack([class_map * 3, 255 - class_map]).astype(np.uint8)
    for shard in shards_of(class_map.shape):
        rows, columns = shard_slices(shard, class_map.shape)
        writer.class_map.write(shard, class_map[rows, columns])
        writer.probability.write(shard, probability[:, rows, columns])
    writer.finish()
    return store.label(recipe.name), probability


def _class_map(store: SlideStore, factor: int) -> np.ndarray[Any, Any]:
    size = store.grid().coarser(factor).size_px if factor > 1 else store.grid().size_px
    return np.random.default_rng(1).integers(0, 3, (size.height, size.width), dtype=np.uint8)


@pytest.mark.parametrize("factor", [1, 2])
@pytest.mark.parametrize("name", ["prediction/unet-v1.2", "annotation/R1", "qc"])
def test_a_label_is_read_as_it_was_written(store: SlideStore, name: str, factor: int) -> None:
    class_map = _class_map(store, factor)
    label, probability = _write(store, _recipe(name, factor=factor), class_map)
    np.testing.assert_array_equal(label.read_all(), class_map)
    np.testing.assert_array_equal(np.asarray(label.probability()), probability)
    assert label.mpp == store.mpp * factor
    assert label.about == {"origin": "model", "status": "proposed", "version": 1}
    assert label.probability_channels == tuple(c.key for c in _BREAST.classes[1:3])
    assert set(store.labels) == {"tissue", name}
    assert not [f.name for f in store.path.parent.iterdir() if f != store.path]


def test_image_and_every_label_are_valid_ome_zarr(store: SlideStore) -> None:
    """Those with probabilities and those that start coarser than the image too."""
    import ome_zarr_models.v05 as models

    for name, factor in (("prediction/nuclei", 1), ("ihc/ki67", 2)):
        _write(store, _recipe(name, factor=factor), _class_map(store, factor))
    group = zarr.open_group(store.path, mode="r")
    models.Image.from_zarr(group)
    labels = group["labels"]
    assert isinstance(labels, zarr.Group)
    listed = models.Labels.from_zarr(labels).attributes.ome.labels
    assert sorted(listed) == ["ihc.ki67", "prediction.nuclei", "tissue"]
    for name in listed:
        label = labels[name]
        assert isinstance(label, zarr.Group)
        image_label = models.ImageLabel.from_zarr(label)
        assert len(image_label.attributes.ome.multiscales[0].datasets) == len(store.factors)


def test_class_maps_are_thinned_and_probabilities_averaged(store: SlideStore) -> None:
    class_map = _class_map(store, 1)
    label, probability = _write(store, _recipe("prediction/a"), class_map)
    np.testing.assert_array_equal(label.read_all(1), class_map[::2, ::2])
    even = probability[:, : class_map.shape[0] // 2 * 2, : class_map.shape[1] // 2 * 2]
    height, width = even.shape[1] // 2, even.shape[2] // 2
    means = even.reshape(2, height, 2, width, 2).mean(axis=(2, 4))
    found = np.asarray(label.probability(1))[:, :height, :width]
    assert np.abs(found - means).max() <= 0.5


def test_outside_the_image_nothing_was_assessed(store: SlideStore) -> None:
    label, _ = _write(store, _recipe("prediction/a"), _class_map(store, 1))
    height, width = label.array().shape
    found = label.read(-3, -4, Size(width + 5, height + 9))
    np.testing.assert_array_equal(found[4 : 4 + height, 3 : 3 + width], label.read_all())
    found[4 : 4 + height, 3 : 3 + width] = NOT_ASSESSED
    assert (found == NOT_ASSESSED).all()


def test_a_label_of_another_provenance_replaces_the_old(store: SlideStore) -> None:
    old, new = _recipe("prediction/a"), _recipe("prediction/a", version=2)
    _write(store, old, _class_map(store, 1))
    assert is_label_complete(store.path, "prediction/a", old.about)
    assert not is_label_complete(store.path, "prediction/a", new.about)
    label, _ = _write(store, new, np.zeros_like(_class_map(store, 1)))
    assert not label.read_all().any()


def test_an_unfinished_label_is_refused_and_not_listed(store: SlideStore) -> None:
    LabelWriter(store.path, store.header, _recipe("prediction/a"))
    assert store.labels == ("tissue",)
    assert not is_label_complete(store.path, "prediction/a", _recipe("prediction/a").about)
    with pytest.raises(StoreError, match=r"not complete.*Remedy"):
        store.label("prediction/a")


def test_a_label_killed_before_it_was_listed_is_listed_by_the_next_run(store: SlideStore) -> None:
    recipe = _recipe("prediction/a")
    _write(store, recipe, _class_map(store, 1))
    labels = zarr.open_group(store.path / "labels", mode="r+")
    labels.attrs.put({"ome": {"version": "0.5", "labels": ["tissue"]}})
    assert not is_label_complete(store.path, recipe.name, recipe.about)
    LabelWriter(store.path, store.header, recipe).finish()
    assert recipe.name in store.labels


def test_labels_of_two_stores_without_ids_do_not_meet(
    four_shard_store: Path, tmp_path: Path
) -> None:
    """Journals are named after the store, not after the slide."""
    journals = set()
    for name in ("one.zarr", "two.zarr"):
        path = Path(shutil.copytree(four_shard_store, tmp_path / name))
        writer = LabelWriter(path, SlideStore(path).header, _recipe("prediction/a"))
        shape = writer.class_map.array.shape
        rows, columns = shard_slices((0, 0), shape)
        size = (rows.stop - rows.start, columns.stop - columns.start)
        writer.class_map.write((0, 0), np.ones(size, np.uint8))
        journals |= {f.name for f in tmp_path.glob(".*.journal")}
    assert len(journals) == 2


def test_group_names_keep_dots_of_model_names() -> None:
    assert group_name("prediction/unet-v1.2") == "prediction.unet-v1.2"


def test_a_shard_is_written_whole_or_not_at_all(store: SlideStore) -> None:
    writer = LabelWriter(store.path, store.header, _recipe("prediction/a"))
    with pytest.raises(StoreError, match="whole or not at all"):
        writer.class_map.write((0, 0), np.zeros((5, 5), np.uint8))


def test_numbers_of_objects_lie_beside_the_classes(store: SlideStore) -> None:
    recipe = LabelRecipe("annotation/x", _BREAST.classes[:3], {"origin": "x"}, with_instances=True)
    writer = LabelWriter(store.path, store.header, recipe)
    shape = writer.instance.array.shape
    numbers = (np.arange(shape[0] * shape[1], dtype=np.uint32) // 7 * 1_000).reshape(shape)
    for shard in writer.instance.shards:
        rows, columns = writer.instance.slices(shard)
        writer.class_map.write(shard, np.ones_like(numbers[rows, columns], np.uint8))
        writer.instance.write(shard, numbers[rows, columns])
    with pytest.raises(StoreError, match=r"another type.*found uint8; allowed: uint32"):
        writer.instance.write((0, 0), np.ones(numbers[:2048, :2048].shape, np.uint8))
    writer.finish()
    label = store.label("annotation/x")
    np.testing.assert_array_equal(label.instances()[:], numbers)
    np.testing.assert_array_equal(label.instances(1)[:], numbers[::2, ::2])
    part = label.read_instances(-3, 5, Size(10, 4))
    np.testing.assert_array_equal(part, np.pad(numbers[5:9, :7], ((0, 0), (3, 0))))
    _assert_read_alike(label, shape)
    assert any("/instance/0/c/" in key for key in label.shards)
    store.verify()


def _assert_read_alike(label: LabelImage, shape: tuple[int, ...]) -> None:
    """Straight from the shards comes what zarr reads, also beyond all edges and where none is."""
    height, width = shape
    for x, y, w, h in (
        (-3, 5, 10, 4),
        (200, 250, 700, 300),
        (width - 9, height - 5, 20, 30),
        (width + 4, -40, 8, 8),
        (-50, -50, 20, 20),
    ):
        size = Size(w, h)
        np.testing.assert_array_equal(label.reader.read(x, y, size), label.read(x, y, size))
        found = label.instance_reader.read(x, y, size)
        np.testing.assert_array_equal(found, label.read_instances(x, y, size))


def test_a_label_without_numbers_says_so(store: SlideStore) -> None:
    with pytest.raises(StoreError, match="no such array"):
        store.label("tissue").instances()
