"""Counts, areas and densities of regions, beside brute force."""

from __future__ import annotations

import csv
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.errors import StoreError
from pathoai.inference.regions import Regions
from pathoai.inference.summary.class_map import ClassMap
from pathoai.inference.summary.counted_regions import CountedRegions
from pathoai.inference.summary.object_counts import count_objects
from pathoai.inference.summary.region_areas import measure_regions
from pathoai.inference.summary.summarise import region_table_path, summarise
from pathoai.provenance import result_software
from pathoai.store.objects import ObjectTable, write_objects
from pathoai.store.slide_store import SlideStore
from tests.pathoai.inference.summary.known_slide import (
    MODEL_SHA256,
    PIXEL_MM2,
    TISSUE_FACTOR,
    empty_map,
    predicted,
    squares,
    write_tissue,
)

KEYS = ("nucleus_lymphocyte", "nucleus_stromal")


def annotated(*outlines: shapely.Polygon) -> Regions:
    """Areas as the journal gives them."""
    ids = np.array([f"id-{at}" for at in range(len(outlines))], object)
    labels = np.array(["stroma"] * len(outlines), object)
    found = np.array(outlines, object)
    return Regions(found, {"source": "here", "sha256": "0"}, ids=ids, labels=labels)


@pytest.fixture
def store(four_shard_store: Path, tmp_path: Path) -> SlideStore:
    """Two fragments, one of which lies in all four shards; they come close, but do not touch."""
    store = SlideStore(Path(shutil.copytree(four_shard_store, tmp_path / four_shard_store.name)))
    mask = empty_map(store, TISSUE_FACTOR).astype(bool)
    mask[10:130, 90:140] = True
    mask[20:60, 20:88] = True
    mask[60, 88] = True  # by its corner a part of the one to the left
    write_tissue(store, mask)
    return store


def brute_counts(
    numbers: NDArray[np.integer], centres: NDArray[np.float64], values: NDArray[np.uint8]
) -> dict[tuple[int, int], int]:
    found: dict[tuple[int, int], int] = {}
    for (x, y), value in zip(centres.tolist(), values.tolist(), strict=True):
        number = int(numbers[int(y // TISSUE_FACTOR), int(x // TISSUE_FACTOR)])
        found[number, value] = found.get((number, value), 0) + 1
    return found


def test_every_object_lies_in_one_fragment_or_on_glass(store: SlideStore, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    centres = rng.uniform([0, 0], [2290, 2090], (3000, 2))
    values = rng.choice(np.array([23, 24], np.uint8), 3000)
    class_map = empty_map(store)
    class_map[:, :300] = 255
    class_map[700:900, 1500:2200] = 23
    rows = summarise(predicted(store, tmp_path, class_map, centres, values, KEYS)).rows
    numbers, count = ndimage.label(store.tissue.mask, np.ones((3, 3)))
    assert count == 2
    assert [(r["kind"], r["region"]) for r in rows] == [
        ("tissue", "all"),
        ("fragment", "1"),
        ("fragment", "2"),
        ("glass", "all"),
    ]
    expected = brute_counts(numbers, centres, values)
    tissue = numbers.repeat(TISSUE_FACTOR, 0).repeat(TISSUE_FACTOR, 1)
    tissue = tissue[: class_map.shape[0], : class_map.shape[1]]
    for row, number in zip(rows[1:], (1, 2, 0), strict=True):
        counts = [expected.get((number, value), 0) for value in (23, 24)]
        assert [row[f"{key}_count"] for key in KEYS] == counts
        assert row["objects"] == sum(counts)
        if number == 0:
            assert row["area_mm2"] is None
            assert row["objects_per_mm2"] is None
            continue
        mm2 = ((tissue == number) & (class_map != 255)).sum() * PIXEL_MM2
        assert row["area_mm2"] == round(mm2, 6)
        own = ((tissue == number) & (class_map == 23)).sum() * PIXEL_MM2
        assert row["nucleus_lymphocyte_mm2"] == round(own, 6)
        assert row["objects_per_mm2"] == round(sum(counts) / mm2, 4)
        assert row["nucleus_stromal_per_mm2"] == round(counts[1] / mm2, 4)
    assert sum(row["objects"] for row in rows[1:]) == len(centres)
    assert rows[0]["objects"] == rows[1]["objects"] + rows[2]["objects"]
    assert rows[0]["area_mm2"] == pytest.approx(rows[1]["area_mm2"] + rows[2]["area_mm2"])
    first, second = rows[1], rows[2]
    assert [first[k] for k in ("x", "y", "width", "height")] == [1440, 160, 800, 1920]
    assert [second[k] for k in ("x", "y", "width", "height")] == [320, 320, 1104, 656]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_annotated_areas_are_those_of_a_search_over_all_pixels(
    store: SlideStore, tmp_path: Path, data: st.DataObject
) -> None:
    """Any triangle, on a coarse map so that every pixel can be asked; also across shards."""
    numbers = data.draw(st.lists(st.floats(-200, 2400), min_size=6, max_size=6))
    triangle = shapely.Polygon(np.reshape(numbers, (3, 2)))
    rng = np.random.default_rng(len(numbers))
    centres = rng.uniform([0, 0], [2290, 2090], (300, 2))
    values = np.full(300, 23, np.uint8)
    path = tmp_path / "objects.parquet"
    ones = np.ones(300, np.float32)
    write_objects(path, ObjectTable(squares(centres), values, ones, ones, {"origin": "model"}))
    regions = CountedRegions.of(store, annotated(triangle))
    class_map = ClassMap.of(store, None)
    areas, counts = measure_regions(class_map, regions), count_objects(path, regions)
    assert counts.annotated[0, 23] == sum(triangle.intersects(shapely.Point(c)) for c in centres)
    rows, columns = np.nonzero(store.tissue.mask)
    points = shapely.points((columns + 0.5) * TISSUE_FACTOR, (rows + 0.5) * TISSUE_FACTOR)
    inside = shapely.contains_properly(triangle, points).sum()
    # A centre just on the edge belongs to the one or to the other.
    touching = shapely.intersects(triangle, points).sum()
    assert inside <= areas.annotated[0].sum() <= touching


def test_areas_of_two_readers_are_counted_each_for_itself(
    store: SlideStore, tmp_path: Path
) -> None:
    """The map is fine, and both lie over the borders of shards."""
    class_map = empty_map(store)
    class_map[:, 2100:] = 255
    outlines = (shapely.box(1600, 1500, 2200, 2080), shapely.box(1700, 1500, 2200, 2080))
    elsewhere = shapely.box(0, 1500, 400, 1900)
    centres = np.array([[1650.0, 1600], [1800, 1600], [1800, 2060]])
    slide = predicted(
        store,
        tmp_path,
        class_map,
        centres,
        np.full(3, 23, np.uint8),
        KEYS,
        annotated=annotated(*outlines, elsewhere),
    )
    *_, first, second, third = summarise(slide).rows
    assert [first["kind"], first["region"], first["class"]] == ["annotation", "id-0", "stroma"]
    assert (first["objects"], second["objects"], third["objects"]) == (3, 2, 0)
    assert first["area_mm2"] == round(500 * 580 * PIXEL_MM2, 6)
    assert second["area_mm2"] == round(400 * 580 * PIXEL_MM2, 6)
    assert third["area_mm2"] == 0
    assert third["objects_per_mm2"] is None


def test_without_a_map_all_tissue_counts(store: SlideStore, tmp_path: Path) -> None:
    centres, values = np.array([[1500.0, 500]]), np.array([23], np.uint8)
    rows = summarise(predicted(store, tmp_path, None, centres, values, KEYS)).rows
    assert rows[0]["area_mm2"] == round(store.tissue.mask.sum() * (TISSUE_FACTOR**2) * PIXEL_MM2, 6)
    assert rows[0]["objects"] == 1
    assert not [key for key in rows[0] if key.endswith("_mm2") and key[:-4] in KEYS]


def test_the_table_is_the_rows_with_identity_and_versions(
    store: SlideStore, tmp_path: Path
) -> None:
    centres, values = np.array([[1500.0, 500], [5, 5]]), np.array([23, 24], np.uint8)
    slide = predicted(store, tmp_path, empty_map(store), centres, values, KEYS)
    summary = summarise(slide)
    path = region_table_path(slide.objects)
    assert path.name == "prediction.known.regions.csv"
    summary.write_table(path)
    before = path.read_bytes()
    summarise(slide).write_table(path)
    assert path.read_bytes() == before
    table = list(csv.DictReader(path.read_text("utf8").splitlines()))
    assert len(table) == len(summary.rows) == 4
    identity = {
        "slide_id": store.slide_id,
        "model": "known",
        "model_sha256": MODEL_SHA256,
        "store_sha256": store.identity,
        **result_software(),
    }
    for read, row in zip(table, summary.rows, strict=True):
        assert {k: read[k] for k in identity} == identity
        for key, value in row.items():
            assert read[key] == ("" if value is None else str(value))


def test_memory_does_not_grow_with_the_objects(store: SlideStore, tmp_path: Path) -> None:
    """Of 200,000 objects, a twelfth at a time."""
    count, path = 200_000, tmp_path / "many.parquet"
    rng = np.random.default_rng(2)
    points = np.asarray(shapely.points(rng.uniform(0, 2000, (count, 2))))
    ones = np.ones(count, np.float32)
    values = np.full(count, 23, np.uint8)
    write_objects(path, ObjectTable(points, values, ones, ones, {"origin": "model"}))
    regions = CountedRegions.of(store)
    tracemalloc.start()
    found = count_objects(path, regions)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.fragments.sum() == count
    assert peak < 30e6


def test_a_damaged_table_is_refused(store: SlideStore, tmp_path: Path) -> None:
    slide = predicted(store, tmp_path, None, np.empty((0, 2)), np.empty(0, np.uint8), KEYS)
    slide.objects.write_bytes(b"PAR1")
    with pytest.raises(StoreError, match="damaged object table"):
        summarise(slide)
