"""Objects as GeoParquet: round trip, columns any tool reads, damage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely

from pathoai.errors import InvalidValueError, StoreError
from pathoai.store.objects import (
    ObjectTable,
    read_objects,
    write_object_batches,
    write_objects,
)


def _table(count: int) -> ObjectTable:
    rng = np.random.default_rng(0)
    outlines = np.empty(count, dtype=object)
    for index in range(count):
        x, y = rng.integers(0, 100_000, 2)
        outer = shapely.box(x, y, x + 20, y + 30)
        outlines[index] = outer.difference(shapely.box(x + 5, y + 5, x + 8, y + 9))
    return ObjectTable(
        outlines,
        rng.integers(1, 200, count).astype(np.uint8),
        rng.random(count).astype(np.float32),
        (rng.random(count) * 100).astype(np.float32),
        {"origin": "model", "model": "a", "model_sha256": "0" * 64},
    )


@pytest.mark.parametrize("count", [0, 1, 57])
def test_objects_are_read_as_they_were_written(tmp_path: Path, count: int) -> None:
    path, table = tmp_path / "objects" / "CODE" / "prediction.a.parquet", _table(count)
    write_objects(path, table)
    found = read_objects(path)
    assert len(found) == count
    assert found.geometry.shape == (count,)
    assert shapely.equals_exact(found.geometry, table.geometry).all()
    for column in ("class_index", "probability", "area_um2"):
        np.testing.assert_array_equal(getattr(found, column), getattr(table, column))
        assert getattr(found, column).dtype == getattr(table, column).dtype
    assert found.source == table.source
    assert [f.name for f in path.parent.iterdir()] == [path.name]


def test_a_table_may_be_written_a_part_at_a_time(tmp_path: Path) -> None:
    path, table = tmp_path / "a.parquet", _table(57)
    rows = [slice(0, 20), slice(20, 20), slice(20, 57)]
    assert write_object_batches(path, (_rows(table, part) for part in rows)) == 57
    found = read_objects(path)
    assert shapely.equals_exact(found.geometry, table.geometry).all()
    np.testing.assert_array_equal(found.probability, table.probability)
    assert found.source == table.source

    def breaks() -> Iterator[ObjectTable]:
        yield _table(3)
        raise RuntimeError("in the middle")

    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="in the middle"):
        write_object_batches(path, breaks())
    assert path.read_bytes() == before
    assert [f.name for f in tmp_path.iterdir()] == [path.name]


def _rows(table: ObjectTable, rows: slice) -> ObjectTable:
    return ObjectTable(
        table.geometry[rows],
        table.class_index[rows],
        table.probability[rows],
        table.area_um2[rows],
        table.source,
    )


def test_the_file_is_geoparquet_with_readable_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_objects(path, _table(3))
    plain = pq.read_table(path)
    assert plain.column_names == ["geometry", "class_index", "probability", "area_um2"]
    assert [str(t) for t in plain.schema.types] == ["binary", "uint8", "float", "float"]
    geo = json.loads(plain.schema.metadata[b"geo"])
    assert geo["version"] == "1.1.0"
    assert geo["columns"][geo["primary_column"]]["encoding"] == "WKB"
    assert shapely.from_wkb(plain["geometry"][0].as_py()).geom_type == "Polygon"


def test_no_objects_file_is_refused_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"CODE prediction\.a.*pathoai predict"):
        read_objects(tmp_path / "CODE" / "prediction.a.parquet")


def test_a_damaged_file_gives_our_error_wherever_it_was_hit(tmp_path: Path) -> None:
    path = tmp_path / "CODE" / "a.parquet"
    write_objects(path, _table(20))
    whole = path.read_bytes()
    rng = np.random.default_rng(3)
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole[: rng.integers(1, len(whole) + 1)])
        damaged[rng.integers(len(damaged))] ^= 0xFF
        path.write_bytes(damaged)
        try:
            read_objects(path)
        except StoreError as error:
            refused += 1
            message = str(error)
    assert refused > 100
    assert "CODE a" in message
    assert str(tmp_path) not in message


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").touch()
    with pytest.raises(StoreError, match="damaged"):
        read_objects(tmp_path / "a.parquet")


def test_columns_that_do_not_fit_are_refused() -> None:
    table = _table(2)
    with pytest.raises(InvalidValueError, match="length"):
        ObjectTable(table.geometry[:1], table.class_index, table.probability, table.area_um2, {})
    for wrong in (-0.1, 1.1, np.nan):
        with pytest.raises(InvalidValueError, match="0 to 1"):
            ObjectTable(
                table.geometry,
                table.class_index,
                np.array([wrong, 0.5], np.float32),
                table.area_um2,
                {},
            )
