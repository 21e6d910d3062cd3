from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathoai.errors import InvalidValueError, LeakError, StudyError
from pathoai.geometry import Grid, Size
from pathoai.study.cohort import CohortRow
from pathoai.tiling.grid import TileGrid
from pathoai.tiling.spec import TileSpec
from pathoai_training.splits.split import (
    SUBSETS,
    Split,
    SplitKind,
    split_by_area,
    split_by_patient,
    tiles_in_area,
)


def rows_of(patients: list[int]) -> list[CohortRow]:
    """A slide for each patient named; 0 is a slide without a patient."""
    return [
        CohortRow(f"S{i:015d}", patient_id=f"P{p:015d}" if p else "")
        for i, p in enumerate(patients)
    ]


def grid_of(columns: int, rows: int, *, size_px: int = 8, stride_px: int = 8) -> TileGrid:
    spec = TileSpec(size_px, 0.5, size_px - stride_px, 0.0)
    width, height = columns * size_px, rows * size_px
    x, y = np.arange(0, width, stride_px), np.arange(0, height, stride_px)
    origins = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    grid = Grid(Size(width, height), 1.0, 1.0)
    return TileGrid(spec, grid, origins, np.ones(len(origins), np.float32))


patients = st.lists(st.integers(0, 12), min_size=1, max_size=40)
seeds = st.integers(0, 3)


@given(patients, seeds)
def test_a_patient_is_in_one_subset_only(numbers: list[int], seed: int) -> None:
    if len(set(numbers)) < 3:
        with pytest.raises(LeakError, match="--split area"):
            split_by_patient(rows_of(numbers), seed=seed)
        return
    split = split_by_patient(rows_of(numbers), seed=seed)
    subsets: dict[str, set[str]] = {}
    for group, subset in zip(split.groups, split.subsets, strict=True):
        subsets.setdefault(group, set()).add(subset)
    assert all(len(found) == 1 for found in subsets.values())
    assert set(split.subsets) == set(SUBSETS)


@given(patients.filter(lambda p: len(set(p)) >= 3), seeds, st.randoms(use_true_random=False))
def test_the_order_of_slides_does_not_matter(numbers: list[int], seed: int, random: Random) -> None:
    rows = rows_of(numbers)
    shuffled = random.sample(rows, len(rows))
    assert split_by_patient(rows, seed=seed) == split_by_patient(shuffled, seed=seed)


def test_another_seed_splits_otherwise_and_shares_are_kept() -> None:
    rows = rows_of(list(range(1, 101)))
    first, second = (split_by_patient(rows, seed=s) for s in (0, 1))
    assert first.subsets != second.subsets
    counts = {subset: first.subsets.count(subset) for subset in SUBSETS}
    assert counts == {"train": 60, "validation": 20, "test": 20}


def test_slides_without_a_patient_are_one_group() -> None:
    with pytest.raises(LeakError, match="state no patient and count as one"):
        split_by_patient(rows_of([0] * 9 + [1]), seed=0)


lattices = st.tuples(st.integers(2, 12), st.integers(2, 12), st.integers(1, 3))


@given(lattices, seeds, st.integers(0, 20))
def test_no_pixel_and_no_guard_is_shared_between_areas(
    lattice: tuple[int, int, int], seed: int, guard_px: int
) -> None:
    columns, rows, block_tiles = lattice
    sparse, dense = grid_of(columns, rows), grid_of(columns, rows, stride_px=3)
    if (-(-columns // block_tiles)) * (-(-rows // block_tiles)) < 3:
        with pytest.raises(LeakError, match="block_tiles=1"):
            split_by_area({"S": sparse}, block_tiles=block_tiles, seed=seed)
        return
    split = split_by_area({"S": sparse}, block_tiles=block_tiles, seed=seed)
    assert set(split.subsets) == set(SUBSETS)
    painted = np.zeros((rows * 8 + 8, columns * 8 + 8), np.int8)
    held_out = 0
    for mark, subset in enumerate(("validation", "test"), start=1):
        origins = tiles_in_area(sparse, split, "S", subset, guard_px)
        held_out += len(origins)
        for x, y in origins:
            assert not painted[y : y + 8, x : x + 8].any()
            painted[y : y + 8, x : x + 8] = mark
    for x, y in tiles_in_area(dense, split, "S", "train", guard_px):
        around = painted[max(0, y - guard_px) : y + 8 + guard_px]
        assert not around[:, max(0, x - guard_px) : x + 8 + guard_px].any()
    assert held_out == sum(
        (split.block_map("S", (20, 20))[y // split.block_px, x // split.block_px] > 0)
        for x, y in sparse.origins_px
    )


def test_each_subset_of_an_area_split_has_its_share_of_tissue() -> None:
    split = split_by_area({"S": grid_of(40, 40)}, block_tiles=2, seed=0)
    counts = [split.subsets.count(subset) / 400 for subset in SUBSETS]
    assert counts == pytest.approx([0.6, 0.2, 0.2], abs=0.01)


def test_blocks_hold_at_least_a_tile() -> None:
    with pytest.raises(InvalidValueError, match="block size"):
        split_by_area({"S": grid_of(4, 4)}, block_tiles=0, seed=0)


@pytest.mark.parametrize("kind", [SplitKind.PATIENT, SplitKind.AREA])
def test_a_split_survives_its_file(kind: SplitKind, tmp_path: Path) -> None:
    split = (
        split_by_patient(rows_of([1, 2, 3, 0]), seed=1)
        if kind is SplitKind.PATIENT
        else split_by_area({"S": grid_of(6, 6)}, block_tiles=2, seed=1)
    )
    path = split.write(tmp_path / "splits")
    assert Split.read(path) == split
    assert Split.read(path).sha256 == split.sha256
    assert str(kind) in path.name


@pytest.mark.parametrize(
    "text",
    ["[]", "{", "{}", '{"kind": "patient", "slide_ids": [], "subsets": [], "groups": []}'],
)
def test_malformed_splits_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    path.write_text(text, "utf8")
    with pytest.raises(StudyError, match="malformed split"):
        Split.read(path)


def test_contradicting_columns_are_refused() -> None:
    with pytest.raises(StudyError, match="differ in length"):
        Split(SplitKind.PATIENT, 0, ("A",), ("train",), groups=())
    with pytest.raises(StudyError, match="unknown subset"):
        Split(SplitKind.PATIENT, 0, ("A",), ("tain",), groups=("P",))
