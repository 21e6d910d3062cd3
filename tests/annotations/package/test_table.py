from __future__ import annotations

from itertools import chain

import pytest

from pathoai.errors import InvalidValueError
from pathoai_annotations.package.table import TABLES, Column, Table
from pathoai_annotations.package.tier import Tier


def test_references_point_to_keys_of_tables_that_are_there() -> None:
    by_name = {table.name: table for table in TABLES}
    assert len(by_name) == len(TABLES) == len({table.path for table in TABLES})
    for name, column in chain.from_iterable(t.references.values() for t in TABLES):
        assert by_name[name].key == (column,)


def test_every_column_is_described_and_every_measure_has_its_unit() -> None:
    for table in TABLES:
        assert len(set(table.header)) == len(table.columns)
        for column in table.columns:
            assert column.description
            assert column.unit or (not column.name.endswith("_px") and "mpp" not in column.name)


def test_a_key_that_is_no_column_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="no such column in table t"):
        Table("t", "t.csv", "", (Column("a", "string", ""),), ("b",))


def test_tiers_say_who_may_use_them() -> None:
    assert [tier.is_published for tier in Tier] == [False, True, True]
    assert [tier.access.is_free for tier in Tier] == [False, False, True]
    assert len({tier.access.duo for tier in Tier}) == 3
