"""Objects a part at a time are those of the whole table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely

from pathoai.errors import StoreError
from pathoai.store.object_batches import object_batches
from pathoai.store.objects import ObjectTable, write_objects


@pytest.mark.parametrize("count", [0, 1, 40_000])
def test_parts_make_the_whole_in_its_order(tmp_path: Path, count: int) -> None:
    x = np.arange(count, dtype=float)
    table = ObjectTable(
        np.asarray(shapely.box(x, x, x + 2, x + 1), dtype=object),
        (x % 7).astype(np.uint8),
        (x / max(1, count)).astype(np.float32),
        x.astype(np.float32),
        {"origin": "model"},
    )
    path = tmp_path / "CODE" / "prediction.a.parquet"
    write_objects(path, table)
    parts = list(object_batches(path))
    assert sum(map(len, parts)) == count
    assert max(map(len, parts), default=0) <= 1 << 14
    for column in ("class_index", "probability", "area_um2") if count else ():
        found = np.concatenate([getattr(part, column) for part in parts])
        np.testing.assert_array_equal(found, getattr(table, column))
    if count:
        found = np.concatenate([part.geometry for part in parts])
        assert shapely.equals_exact(found, table.geometry).all()
        assert parts[-1].source == table.source


def test_no_table_and_a_damaged_one_are_errors_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "CODE" / "prediction.a.parquet"
    with pytest.raises(StoreError, match=r"CODE prediction\.a: no objects.*Remedy"):
        next(object_batches(path))
    path.parent.mkdir()
    path.write_bytes(b"PAR1 no table PAR1")
    with pytest.raises(StoreError, match=r"damaged object table.*Remedy") as raised:
        next(object_batches(path))
    assert str(tmp_path) not in str(raised.value)
