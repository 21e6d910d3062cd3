"""What shards saw, on disk: whole or not there, and nobody else's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pathoai.errors import StoreError
from pathoai.inference.blocks import Blocks
from pathoai.inference.kept_blocks import KeptBlocks

_BLOCKS = Blocks((40, 50), 4, 32)


def test_what_is_kept_comes_back_until_it_is_damaged(tmp_path: Path) -> None:
    kept = KeptBlocks(tmp_path / "a", "key", _BLOCKS)
    kept.begin()
    rows, columns = _BLOCKS.seen((1, 0))
    numbers = np.random.default_rng(0).integers(0, 2**32, (12, 36), np.uint32)
    assert numbers.shape == (rows.stop - rows.start, columns.stop - columns.start)
    assert not kept.has((1, 0))
    kept.write((1, 0), numbers)
    kept.begin()  # another run
    assert kept.has((1, 0))
    np.testing.assert_array_equal(kept.read((1, 0)), numbers)
    (file,) = (tmp_path / "a" / "key").iterdir()
    data = bytearray(file.read_bytes())
    for damaged in (data[:-1], data[:40], b"", bytes(data[:50]) + b"x" + data[51:]):
        file.write_bytes(damaged)
        assert not kept.has((1, 0))
        with pytest.raises(StoreError, match=r"shard 1/0.*lost before.*run the command again"):
            kept.read((1, 0))


def test_another_key_throws_away_what_was_kept(tmp_path: Path) -> None:
    old, new = (KeptBlocks(tmp_path / "a", key, _BLOCKS) for key in ("old", "new"))
    old.begin()
    old.write((0, 0), np.zeros((36, 36), np.uint32))
    new.begin()
    assert not old.has((0, 0))
    assert not new.has((0, 0))
    new.forget()
    new.forget()
    assert not (tmp_path / "a").exists()
