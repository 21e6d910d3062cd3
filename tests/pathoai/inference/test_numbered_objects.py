"""Numbered objects: one row each, in the order of their numbers, whatever they look like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

from pathoai.errors import StoreError
from pathoai.inference.find_objects import objects_of
from pathoai.ontology import LabelClass
from pathoai.store.header import StoreHeader
from pathoai.store.label_image import LabelImage
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.objects import ObjectTable
from pathoai.store.shards import shard_slices

CLASSES = (
    LabelClass(5, "one", "One", "Un", "#ff0000"),
    LabelClass(9, "two", "Two", "Deux", "#00ff00"),
)
SIDE_PX = 2_060
"""Four shards, three of them narrow."""


def _label(folder: Path, numbers: NDArray[np.uint32]) -> LabelImage:
    zarr.create_group(folder, zarr_format=3)
    header = StoreHeader("S000000000000000", SIDE_PX, SIDE_PX, 0.5, 0.5, 0.5)
    recipe = LabelRecipe(
        "prediction/a",
        CLASSES,
        {"origin": "model"},
        probability_channels=("one", "two"),
        with_instances=True,
    )
    writer = LabelWriter(folder, header, recipe)
    for shard in writer.class_map.shards:
        own = numbers[shard_slices(shard, numbers.shape)]
        even = own % 2 == 0
        shares = [np.where(even, 60, 150), np.where(even, 180, 50)]
        writer.probability.write(shard, (np.stack(shares) * (own > 0)).astype(np.uint8))
        writer.instance.write(shard, own)
        writer.class_map.write(shard, np.where(own > 0, np.where(even, 9, 5), 0).astype(np.uint8))
    writer.finish()
    return LabelImage(folder, "prediction/a", header=header)


def _objects(label: LabelImage) -> ObjectTable:
    return ObjectTable.joined(list(objects_of(label, classes=(5, 9))))


def test_rows_are_in_the_order_of_numbers_also_where_one_goes_on_for_long(tmp_path: Path) -> None:
    """Object 1 goes through two rows of shards, 3 through four shards, 4 is in two pieces."""
    numbers = np.zeros((SIDE_PX, SIDE_PX), np.uint32)
    numbers[10:2055, 100:110] = 1
    numbers[50:60, 200:220] = 2
    numbers[2040:2056, 2030:2055] = 3
    numbers[2045:2050, 2040:2044] = 0
    numbers[300:302, 300:302] = 4
    numbers[2050:2053, 300:304] = 4
    found = _objects(_label(tmp_path / "label.zarr", numbers))
    areas = [(numbers == n).sum() for n in (1, 2, 3, 4)]
    assert found.area_um2.tolist() == [0.25 * a for a in areas]
    assert [g.area for g in found.geometry] == areas
    assert [g.geom_type for g in found.geometry] == ["Polygon"] * 3 + ["MultiPolygon"]
    assert len(found.geometry[2].interiors) == 1
    assert found.class_index.tolist() == [5, 9, 5, 9]
    np.testing.assert_allclose(found.probability, [0.75, 0.75, 0.75, 0.75])


def test_a_number_that_is_missing_is_told(tmp_path: Path) -> None:
    numbers = np.zeros((SIDE_PX, SIDE_PX), np.uint32)
    numbers[5:9, 5:9], numbers[20:25, 5:9] = 1, 3
    with pytest.raises(StoreError, match=r"one by one.*again"):
        _objects(_label(tmp_path / "label.zarr", numbers))
    assert len(_objects(_label(tmp_path / "none.zarr", np.zeros_like(numbers)))) == 0
