"""The planes of a label whose objects are numbered: kept by shard, put together at the end.

A shard alone knows neither the numbers of its objects nor the class of one that goes on behind its
border. So while shards are predicted only probabilities are written, and what shards saw is kept
beside the store. When all are there the numbers are written, and then, from what is stored by
then, the class map: a table made from the stored label says the same as its map.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai.inference.blocks import Blocks, Window
from pathoai.inference.instances import apart
from pathoai.inference.kept_blocks import KeptBlocks
from pathoai.inference.object_sums import ObjectSums
from pathoai.inference.paint_objects import paint_objects
from pathoai.inference.views import number_block, smallest_px
from pathoai.ontology import NOT_ASSESSED
from pathoai.provenance import sha256_of_json
from pathoai.store.label_image import group_name
from pathoai.store.label_writer import LabelWriter
from pathoai.store.shards import Shard

MARGIN_UM = 32.0
"""More than most nuclei measure: what is cut on one side is seen whole from another."""
UNSEEN = np.uint32(2**32 - 1)
"""In what is kept: no tile was there."""
_HALO_PX = 64


class ObjectPlanes:
    """The numbers and the class map of a label under construction.

    Args:
        writer: Of a label with numbered objects and probabilities; what shards saw lies beside its
            store meanwhile.
        values: ``(C,)`` uint8, value in the class map of each class of the outputs, background's
            first.
        mpp: Scale of the label's pixels, µm.
    """

    def __init__(self, writer: LabelWriter, values: NDArray[np.uint8], mpp: float) -> None:
        """Go on with what an interrupted run kept, if there is any."""
        self._writer, self._values, self._mpp = writer, values, mpp
        height, width = writer.class_map.array.shape
        self.blocks = Blocks((height, width), round(MARGIN_UM / mpp))
        name = group_name(writer.name)
        made = {"about": writer.about, "made_on": writer.made_on}
        key = sha256_of_json({**made, "shape": [height, width], "mpp": mpp})
        folder = writer.store_path.with_name(f".{writer.store_path.stem}.{name}.objects")
        self._kept = KeptBlocks(folder, key[:16], self.blocks)
        self._complete = all(
            plane.is_done(shard)
            for plane in (writer.instance, writer.class_map)
            for shard in self.blocks.shards
        )

    def is_kept(self, shard: Shard) -> bool:
        """True where nothing more has to be computed of a shard's objects."""
        return self._complete or self._kept.has(shard)

    def keep(self, shard: Shard, outputs: NDArray[np.float32], seen: NDArray[np.bool_]) -> None:
        """Keep what a shard sees.

        Args:
            shard: Which one.
            outputs: ``(C, H, W)`` float32, blended, of ``blocks.seen(shard)``: probabilities of the
                classes, then maps.
            seen: ``(H, W)`` bool, where any tile was.
        """
        numbers = number_block(outputs, len(self._values), mpp=self._mpp)
        self._kept.begin()
        self._kept.write(shard, np.where(seen, numbers, UNSEEN))

    def keep_nothing(self, shard: Shard) -> None:
        """Keep that there was no tile on a shard and its margin."""
        rows, columns = self.blocks.seen(shard)
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        self._kept.begin()
        self._kept.write(shard, np.full(shape, UNSEEN))

    def finish(self, beat: Callable[[], None]) -> None:
        """Write numbers and class map, once all shards are kept and their probabilities written.

        Args:
            beat: Called after each shard, so that it can stop us.
        """
        if not self._complete:
            channel = self._write_numbers(beat)
            for shard in self.blocks.shards:
                if not self._writer.class_map.is_done(shard):
                    self._writer.class_map.write(shard, self._classes(shard, channel))
                beat()
        self._kept.forget()

    def _write_numbers(self, beat: Callable[[], None]) -> NDArray[np.int64]:
        """The channel of each object, ``(n,)``."""
        sums = ObjectSums(len(self._values) - 1)
        for shard, numbers in paint_objects(self._numbers, self.blocks, smallest_px(self._mpp)):
            if not self._writer.instance.is_done(shard):
                self._writer.instance.write(shard, numbers)
            rows, columns = self.blocks.ground(shard)
            sums.add(numbers, np.asarray(self._writer.probability.array[:, rows, columns]))
            beat()
        return sums.channel(slice(0, sums.count))

    def _numbers(self, shard: Shard) -> NDArray[np.uint32]:
        kept = self._kept.read(shard)
        return np.where(kept == UNSEEN, np.uint32(0), kept)

    def _classes(self, shard: Shard, channel: NDArray[np.int64]) -> NDArray[np.uint8]:
        around, inner = _with_halo(self.blocks.ground(shard), self.blocks.shape)
        numbers: NDArray[Any] = np.asarray(self._writer.instance.array[around])
        value = np.concatenate([np.zeros(1, np.uint8), self._values[1:][channel]])
        named = np.where(visible(numbers), value[numbers], np.uint8(0))[inner]
        seen = self._kept.read(shard)[self.blocks.within(shard)] != UNSEEN
        return np.where(seen, named, np.uint8(NOT_ASSESSED))


def visible(numbers: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Objects with a line between those that touch, ``(H, W)`` bool; as :func:`apart`.

    An object that is nothing but rim keeps its pixels: a class map shows every object.

    Args:
        numbers: ``(H, W)`` uint32, 0 outside objects.
    """
    keep = apart(numbers)
    lost = np.zeros(int(numbers.max(initial=0)) + 1, np.bool_)
    lost[numbers] = True
    lost[numbers[keep]] = False
    lost[0] = False
    return keep | lost[numbers] if lost.any() else keep


def _with_halo(ground: Window, shape: tuple[int, int]) -> tuple[Window, Window]:
    """A shard's ground with what lies around it, and where the ground lies in that.

    Lines between objects need one pixel; an object that vanishes in them is seen to its end.
    """
    rows, columns = (
        slice(max(0, own.start - _HALO_PX), min(length, own.stop + _HALO_PX))
        for own, length in zip(ground, shape, strict=True)
    )
    inner_rows, inner_columns = (
        slice(own.start - wide.start, own.stop - wide.start)
        for own, wide in zip(ground, (rows, columns), strict=True)
    )
    return (rows, columns), (inner_rows, inner_columns)
