"""Who is trained on and who is tested on: by patient, or by area where there are too few patients.

Subsets follow from a hash of the patient's code (or the block's place) and a seed, so the same
study splits the same way everywhere, whatever the order of its slides.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai.atomic_file import write_text_atomically
from pathoai.errors import InvalidValueError, LeakError, StudyError
from pathoai.provenance import sha256_of_json
from pathoai.study.cohort import CohortRow
from pathoai.tiling.grid import TileGrid


class SplitKind(StrEnum):
    """What is kept apart."""

    PATIENT = "patient"
    AREA = "area"
    WRITTEN = "written"


STATEMENTS = {
    SplitKind.PATIENT: "tested on patients that training did not see",
    SplitKind.AREA: "tested on other areas of the slides it was trained on: "
    "this says nothing about other patients, scanners or laboratories",
}
SUBSETS = ("train", "validation", "test")
HELD_OUT_SHARE = 0.2
"""Share of the patients, or of a slide's tissue, in validation, and again in test."""
_AREA_REMEDY = "add slides; `--split area` tests on other areas of the same slides (it says less)"


@dataclass(frozen=True, slots=True)
class Split:
    """The subsets, in columns.

    Args:
        kind: What is kept apart.
        seed: What the hash was keyed with.
        slide_ids: Slide of each row.
        subsets: ``train``, ``validation`` or ``test``.
        groups: Patient split: code of the patient of each row, empty where not known. Written
            split: number of the group of each row.
        blocks: Area split: block row and column of each row.
        block_px: Area split: side of a block, in pixels at ``mpp``.
        mpp: Area split: scale of those pixels.
        name: Written split: its name.
        fold: Written split: which fold, from 1.
        written_sha256: Written split: hash of the whole of it.

    Raises:
        StudyError: Columns differ in length, or a subset has another name.
    """

    kind: SplitKind
    seed: int
    slide_ids: tuple[str, ...]
    subsets: tuple[str, ...]
    groups: tuple[str, ...] = ()
    blocks: tuple[tuple[int, int], ...] = ()
    block_px: int = 0
    mpp: float = 0.0
    name: str = ""
    fold: int = 0
    written_sha256: str = ""

    def __post_init__(self) -> None:
        """Refuse columns that do not fit together."""
        third = self.blocks if self.kind is SplitKind.AREA else self.groups
        if not len(self.slide_ids) == len(self.subsets) == len(third):
            raise StudyError("the columns of a split differ in length", found=len(third))
        if not set(self.subsets) <= set(SUBSETS):
            raise StudyError(
                "unknown subset", found=set(self.subsets) - set(SUBSETS), allowed=", ".join(SUBSETS)
            )

    @property
    def sha256(self) -> str:
        """SHA-256 of the split's content; of a written split, of all its folds."""
        return self.written_sha256 or sha256_of_json(asdict(self))

    @property
    def is_locked(self) -> bool:
        """True where training may not look at the test: only ``evaluate`` opens it."""
        return self.kind is SplitKind.WRITTEN

    @property
    def statement(self) -> str:
        """What was measured after training on this split says, in one line."""
        if self.kind is SplitKind.WRITTEN:
            return (
                f"measured on the validation slides of split {self.name}, fold {self.fold}, on "
                "which it was also calibrated: only `pathoai evaluate` opens the test"
            )
        return STATEMENTS[self.kind]

    @property
    def learnt_from(self) -> list[str]:
        """Slides of which something is in training or validation: the model knows them."""
        pairs = zip(self.slide_ids, self.subsets, strict=True)
        return sorted({slide_id for slide_id, subset in pairs if subset != "test"})

    def subset_of_slide(self) -> dict[str, str]:
        """Slide id → subset, of a split that keeps slides whole."""
        return dict(zip(self.slide_ids, self.subsets, strict=True))

    def block_map(self, slide_id: str, shape: tuple[int, int]) -> NDArray[np.int8]:
        """Area split: subset of each block of a slide.

        Args:
            slide_id: Of the slide.
            shape: Rows and columns of blocks that cover the slide.

        Returns:
            ``shape`` int8: position in :data:`SUBSETS`, -1 for blocks without tissue.
        """
        found = np.full(shape, -1, np.int8)
        for slide, subset, (row, column) in zip(
            self.slide_ids, self.subsets, self.blocks, strict=True
        ):
            if slide == slide_id:
                found[row, column] = SUBSETS.index(subset)
        return found

    def write(self, folder: Path) -> Path:
        """Write the split as JSON, named by kind and hash; a written one is there already."""
        if self.kind is SplitKind.WRITTEN:
            return folder / f"{self.name}.json"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.kind}-{self.sha256[:12]}.json"
        write_text_atomically(path, json.dumps(asdict(self), indent=1, sort_keys=True) + "\n")
        return path

    @classmethod
    def read(cls, path: Path) -> Split:
        """A split from its JSON file.

        Raises:
            StudyError: The file is no split.
        """
        try:
            raw: dict[str, Any] = json.loads(path.read_text("utf8"))
            columns = {
                "slide_ids": tuple(raw["slide_ids"]),
                "subsets": tuple(raw["subsets"]),
                "groups": tuple(raw["groups"]),
                "blocks": tuple((int(row), int(column)) for row, column in raw["blocks"]),
            }
            return cls(**raw | columns | {"kind": SplitKind(raw["kind"])})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StudyError("malformed split", where=path.name, found=str(error)) from error


def _rank(*parts: object) -> str:
    """A place in an order that depends on nothing but the parts."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


def _dealt(weights: Mapping[Any, float], order: Sequence[Any]) -> dict[Any, str]:
    """Deal groups to test, then validation, until each has its share; the rest is for training.

    Each subset gets at least one group where there are three.
    """
    share = HELD_OUT_SHARE * sum(weights.values())
    subset, filled, dealt = "test", 0.0, {}
    for left, group in zip(range(len(order), 0, -1), order, strict=True):
        # As many groups must be left as there are subsets still empty.
        still_empty = {"test": 2, "validation": 1, "train": 0}[subset]
        if subset != "train" and filled > 0 and (filled >= share or left <= still_empty):
            subset, filled = ("validation", 0.0) if subset == "test" else ("train", 0.0)
        dealt[group] = subset
        filled += weights[group]
    return dealt


def split_by_patient(rows: Sequence[CohortRow], *, seed: int) -> Split:
    """Deal whole patients to the subsets.

    Slides without a patient are one group: nothing shows that they are of different patients.

    Raises:
        LeakError: Fewer than three patients; the remedy names the split by area.
    """
    patients = sorted({row.patient_id for row in rows}, key=lambda p: _rank(seed, p))
    if len(patients) < len(SUBSETS):
        unknown = sum(not row.patient_id for row in rows)
        raise LeakError(
            "too few patients for training, validation and test",
            found=f"{len(patients)} patients or groups in {len(rows)} labelled slides"
            + (f" ({unknown} slides state no patient and count as one)" if unknown else ""),
            allowed=f"{len(SUBSETS)} or more",
            remedy=_AREA_REMEDY,
        )
    dealt = _dealt(dict.fromkeys(patients, 1.0), patients)
    ordered = sorted(rows, key=lambda row: row.slide_id)
    return Split(
        SplitKind.PATIENT,
        seed,
        tuple(row.slide_id for row in ordered),
        tuple(dealt[row.patient_id] for row in ordered),
        groups=tuple(row.patient_id for row in ordered),
    )


def split_by_area(grids: Mapping[str, TileGrid], *, block_tiles: int, seed: int) -> Split:
    """Cut each slide into square blocks of tiles and deal the blocks.

    Args:
        grids: Slide id → its tiles, which must not overlap.
        block_tiles: Side of a block, in tiles.
        seed: Of the hash.

    Raises:
        InvalidValueError: Blocks smaller than a tile.
        LeakError: A slide has tissue in fewer than three blocks.
    """
    if block_tiles < 1:
        raise InvalidValueError("block size", found=block_tiles, allowed="1 tile or more")
    rows: list[tuple[str, str, tuple[int, int]]] = []
    for slide_id, grid in sorted(grids.items()):
        weights = _block_weights(grid, block_tiles * grid.spec.size_px)
        if len(weights) < len(SUBSETS):
            raise LeakError(
                "too little tissue for three areas",
                where=slide_id,
                found=f"{len(weights)} blocks of {block_tiles} × {block_tiles} tiles",
                allowed=f"{len(SUBSETS)} or more",
                remedy="smaller blocks: --set data.block_tiles=1",
            )
        order = sorted(weights, key=lambda block: _rank(seed, slide_id, *block))
        dealt = _dealt(weights, order)
        rows += [(slide_id, dealt[block], block) for block in sorted(weights)]
    spec = next(iter(grids.values())).spec
    return Split(
        SplitKind.AREA,
        seed,
        tuple(slide_id for slide_id, _, _ in rows),
        tuple(subset for _, subset, _ in rows),
        blocks=tuple(block for _, _, block in rows),
        block_px=block_tiles * spec.size_px,
        mpp=spec.mpp,
    )


def _block_weights(grid: TileGrid, block_px: int) -> dict[tuple[int, int], float]:
    """Block row and column → tissue in it, in tiles."""
    places = grid.origins_px[:, ::-1] // block_px
    blocks, which = np.unique(places, axis=0, return_inverse=True)
    weights = np.bincount(which.ravel(), weights=grid.tissue_fraction)
    return {
        (int(row), int(column)): float(weight)
        for (row, column), weight in zip(blocks, weights, strict=True)
    }


def tiles_in_area(
    grid: TileGrid, split: Split, slide_id: str, subset: str, guard_px: int
) -> NDArray[np.int64]:
    """Origins of a slide's tiles that belong to a subset of an area split.

    Training tiles lie anywhere at least the guard away from the blocks of the others; tiles of
    the others lie inside their blocks.

    Args:
        grid: The candidates.
        split: By area.
        slide_id: Of the slide.
        subset: Which subset.
        guard_px: Pixels kept free, at the tiles' scale.

    Returns:
        ``(N, 2)`` int64 x and y.
    """
    size, block = grid.spec.size_px, split.block_px
    shape = (-(-grid.grid.size_px.height // block), -(-grid.grid.size_px.width // block))
    blocks = split.block_map(slide_id, shape)
    if subset != "train":
        column, row = (grid.origins_px // block).T
        return np.asarray(grid.origins_px[blocks[row, column] == SUBSETS.index(subset)])
    held_out = np.zeros((shape[0] + 1, shape[1] + 1), np.int64)
    held_out[1:, 1:] = (blocks > 0).cumsum(0).cumsum(1)
    first = np.maximum((grid.origins_px - guard_px) // block, 0)
    last = -(-(grid.origins_px + size + guard_px) // block)
    x0, y0 = first.T
    x1, y1 = np.minimum(last, [shape[1], shape[0]]).T
    touched = held_out[y1, x1] - held_out[y0, x1] - held_out[y1, x0] + held_out[y0, x0]
    return np.asarray(grid.origins_px[touched == 0])
