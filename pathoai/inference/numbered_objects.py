"""The table of a label whose objects are numbered: row i is the object of number i + 1."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray

from pathoai.geometry import Size
from pathoai.inference.blocks import Blocks
from pathoai.inference.object_sums import ObjectSums
from pathoai.store.label_image import LabelImage
from pathoai.store.objects import ObjectTable
from pathoai.store.shards import Shard
from pathoai.vector.polygonise import outline_numbers, unite

_BATCH = 1 << 14


def numbered_objects(label: LabelImage, *, classes: tuple[int, ...]) -> Iterator[ObjectTable]:
    """The objects of a slide's label, in the order of their numbers, at most 16384 at once.

    Class and probability are read off the stored probabilities, areas are counted: the same label
    gives the same table, whoever makes it and when. Two rows of shards are held, as bytes.

    Args:
        label: With numbered objects, probabilities and blocks of shards.
        classes: Values in the class map of the label's probability channels.

    Yields:
        One table or more, empty where there is no object; outlines in level-0 pixels.
    """
    height, width = label.instances().shape
    blocks = Blocks((height, width), 0)
    found = _Found(label, np.array(classes, np.uint8), ObjectSums(len(classes)))
    for row in range(blocks.rows):
        for column in range(blocks.columns):
            found.add((row, column), blocks)
        last = row + 1 == blocks.rows
        yield from found.complete(height if last else blocks.ground((row, 0))[0].stop, last=last)


@dataclass
class _Found:
    """What was met so far, and not handed out yet."""

    label: LabelImage
    values: NDArray[np.uint8]
    sums: ObjectSums
    given: int = 0
    whole: dict[int, bytes] = field(default_factory=dict)
    pieces: dict[int, list[shapely.Polygon]] = field(default_factory=lambda: defaultdict(list))

    def add(self, shard: Shard, blocks: Blocks) -> None:
        """Look at one shard."""
        rows, columns = blocks.ground(shard)
        size = Size(columns.stop - columns.start, rows.stop - rows.start)
        block = self.label.instance_reader.read(columns.start, rows.start, size)
        if not block.any():
            return
        self.sums.add(block, np.asarray(self.label.probability()[:, rows, columns]))
        numbers, outlines = outline_numbers(block, (columns.start, rows.start))
        x0, y0, x1, y1 = shapely.bounds(outlines).T
        inside = (x0 > columns.start) & (y0 > rows.start) & (x1 < columns.stop) & (y1 < rows.stop)
        self._keep_whole(numbers[inside], outlines[inside])
        for number, outline in zip(numbers[~inside].tolist(), outlines[~inside], strict=True):
            self.pieces[number].append(outline)

    def _keep_whole(self, numbers: NDArray[np.int64], outlines: NDArray[np.object_]) -> None:
        grid = self.label.grid()
        scale = np.array([grid.downsample_x, grid.downsample_y])
        placed = shapely.transform(shapely.simplify(outlines, 0), lambda xy: xy * scale)
        self.whole |= zip(numbers.tolist(), shapely.to_wkb(placed).tolist(), strict=True)

    def complete(self, bottom: int, *, last: bool) -> Iterator[ObjectTable]:
        """What no later shard adds to, in its order.

        Args:
            bottom: Where the last row of shards ends.
            last: No other follows.
        """
        ended = [
            number
            for number, pieces in self.pieces.items()
            if last or max(piece.bounds[3] for piece in pieces) < bottom
        ]
        outlines = np.empty(len(ended), dtype=object)
        outlines[:] = [unite(np.array(self.pieces.pop(number), object)) for number in ended]
        self._keep_whole(np.array(ended, np.int64), outlines)
        end = min(self.pieces, default=self.sums.count + 1) - 1
        for start in range(self.given, end, _BATCH):
            yield self._table(slice(start, min(start + _BATCH, end)))
        self.given = max(self.given, end)
        if last and not end:
            yield self._table(slice(0, 0))

    def _table(self, rows: slice) -> ObjectTable:
        outlines = [self.whole.pop(number) for number in range(rows.start + 1, rows.stop + 1)]
        scale = self.label.pixel_mpp
        return ObjectTable(
            np.asarray(shapely.from_wkb(np.array(outlines, object)), object),
            self.values[self.sums.channel(rows)],
            self.sums.share(rows),
            (self.sums.area_px(rows) * (scale.x * scale.y)).astype(np.float32),
            {"label": self.label.name} | self.label.about,
        )
