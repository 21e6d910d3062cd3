"""Is a mask what painting the outlines of its slide gives, pixel by pixel?"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import AnnotationError
from pathoai.geometry import Grid
from pathoai.ontology import NOT_ASSESSED
from pathoai.strict_json import read_json
from pathoai_annotations.formats.annotation_format import WritingContext
from pathoai_annotations.formats.raster_grid import Paint, painted, touched_tiles
from pathoai_annotations.package.finding import Finding
from pathoai_annotations.slide_frame import SlideFrame

if TYPE_CHECKING:  # zarr is heavy, and packages without masks need none
    import zarr

    from pathoai.store.shards import Shard

_ANOTHER = "the mask is not that of the outlines"
_TEXT = "zarr.json"


@dataclass(frozen=True, slots=True)
class _Level:
    """An array of a mask: its folder in the store, and what it holds."""

    name: str
    folder: Path
    array: zarr.Array[Any]

    def file(self, shard: Shard) -> Path:
        return self.folder / "c" / str(shard[0]) / str(shard[1])

    def is_filled(self, shard: Shard) -> bool:
        return not self.file(shard).is_file()


@dataclass(slots=True)
class MaskCheck:
    """The check of one mask; of level 0, one shard at a time is in memory.

    Args:
        store: Its folder.
        where: Its name in the bag.
        paints: What must be painted, the first being number 1.
        grid: The raster.
        frame: Of the slide.
        context: How the mask was written.
    """

    store: Path
    where: str
    paints: Sequence[Paint]
    grid: Grid
    frame: SlideFrame
    context: WritingContext
    seen: Counter[int] = field(default_factory=Counter)
    """Pixels of each number that can be seen; filled by the run, whatever it finds."""

    def run(self) -> list[Finding]:
        """Compare everything; of each array, one difference is told."""
        from pathoai_annotations.formats.ngff_label import zarr_fails

        findings: list[Finding] = []
        try:
            with zarr_fails(self.where):
                maps, numbers = self._opened()
                findings.extend(self._finest(maps[0], numbers[0]))
                for levels in (maps, numbers):
                    findings.extend(self._coarser(levels))
                findings.extend(self._texts())
                findings.extend(self._other_files([*maps, *numbers]))
        except AnnotationError:
            findings.append(Finding("the mask cannot be read", self.where))
        return findings

    def _opened(self) -> tuple[list[_Level], list[_Level]]:
        """The levels of classes and of numbers, as the writer makes them.

        Raises:
            AnnotationError: There are others.
        """
        from pathoai.store.label_image import INSTANCE

        return self._levels("", np.dtype(np.uint8), NOT_ASSESSED), self._levels(
            f"{INSTANCE}/", np.dtype(np.uint32), 0
        )

    def _levels(self, group: str, kind: np.dtype[Any], fill: int) -> list[_Level]:
        import zarr

        from pathoai.store.pyramid import level_factors

        levels = []
        for number, factor in enumerate(level_factors(self.grid.size_px)):
            folder = self.store / f"{group}{number}"
            array, size = zarr.open_array(folder, mode="r"), self.grid.size_px.scaled_down(factor)
            found = (array.shape, array.dtype, array.fill_value, array.attrs.asdict())
            if found != ((size.height, size.width), kind, fill, {}):
                raise AnnotationError("a level is not what it must be", where=self.where)
            levels.append(_Level(f"{group}{number}", folder, array))
        return levels

    def _finest(self, classes: _Level, numbers: _Level) -> Iterator[Finding]:
        """Paint again, shard by shard, and compare."""
        from pathoai.store.shards import SHARD_PX, shard_slices, shards_of

        ontology = self.context.ontology
        indices = [ontology[paint.annotation.label].index for paint in self.paints]
        value_of = np.array([NOT_ASSESSED, *indices], np.uint8)
        outlines = [paint.geometry for paint in self.paints]
        touched = dict(touched_tiles(outlines, self.grid, SHARD_PX)) if outlines else {}
        is_same = {classes.name: True, numbers.name: True}
        for shard in shards_of(numbers.array.shape):
            here = touched.get(shard, [])
            if not here and classes.is_filled(shard) and numbers.is_filled(shard):
                continue
            part = shard_slices(shard, numbers.array.shape)
            shapes = [(outlines[i], i + 1) for i in here]
            wanted = painted(shapes, self.grid, part, np.uint32(0))
            visible, counts = np.unique(wanted[wanted > 0], return_counts=True)
            self.seen.update(dict(zip(visible.tolist(), counts.tolist(), strict=True)))
            for level, pixels in ((classes, value_of[wanted]), (numbers, wanted)):
                is_same[level.name] &= np.array_equal(_read(level, part), pixels)
        for name in (name for name, same in is_same.items() if not same):
            yield Finding(_ANOTHER, f"{self.where}/{name}")

    def _coarser(self, levels: Sequence[_Level]) -> Iterator[Finding]:
        """Each level holds the top left pixel of each square of the level below."""
        from pathoai.store.pyramid import first_of_block
        from pathoai.store.shards import shard_slices, shards_of

        for below, level in pairwise(levels):
            for row, column in shards_of(level.array.shape):
                children = [(2 * row + y, 2 * column + x) for y in (0, 1) for x in (0, 1)]
                if level.is_filled((row, column)) and all(map(below.is_filled, children)):
                    continue
                rows, columns = shard_slices((row, column), level.array.shape)
                source = (
                    slice(2 * rows.start, min(2 * rows.stop, below.array.shape[0])),
                    slice(2 * columns.start, min(2 * columns.stop, below.array.shape[1])),
                )
                wanted = first_of_block(_read(below, source), 2)
                if not np.array_equal(_read(level, (rows, columns)), wanted):
                    yield Finding(
                        "a coarser level of the mask is not that of the level below",
                        f"{self.where}/{level.name}",
                    )
                    break

    def _texts(self) -> Iterator[Finding]:
        """Compare what the groups say: classes, colours, annotations, scale."""
        from pathoai.store.label_image import INSTANCE
        from pathoai_annotations.formats.ome_zarr_writing import label_texts

        texts = label_texts(self.paints, self.seen, self.grid, self.frame, self.context)
        for name, text in zip((_TEXT, f"{INSTANCE}/{_TEXT}"), texts, strict=True):
            said = read_json(self.store / name)
            known = {"attributes", "zarr_format", "node_type"}
            if set(said) != known or said["attributes"] != json.loads(json.dumps(text)):
                yield Finding(
                    "the mask says other than the classes and annotations", f"{self.where}/{name}"
                )

    def _other_files(self, levels: Sequence[_Level]) -> Iterator[Finding]:
        from pathoai.store.label_image import INSTANCE
        from pathoai.store.shards import shards_of

        known = {self.store / _TEXT, self.store / INSTANCE / _TEXT}
        for level in levels:
            known.add(level.folder / _TEXT)
            known.update(level.file(shard) for shard in shards_of(level.array.shape))
        if any(path.is_file() and path not in known for path in self.store.rglob("*")):
            yield Finding("a file that is no part of the mask", self.where)


def _read(level: _Level, part: tuple[slice, slice]) -> NDArray[Any]:
    return np.asarray(level.array[part])
