"""The levels of a label's pyramid: where it is damaged they show nothing, and one line says so.

An error while napari draws would come again with every frame.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import zarr
from napari.utils.notifications import show_warning
from numpy.typing import NDArray

from napari_pathoai.picture.chunk_cache import ChunkCache
from napari_pathoai.picture.pyramid import LazyLevel, Span, exact_shapes
from pathoai.errors import StoreError
from pathoai.ontology import NOT_ASSESSED
from pathoai.store.label_image import LabelImage


class DamageNotice:
    """Tells once that a label is damaged, however many levels and planes of it are."""

    def __init__(self) -> None:
        """Nothing is told yet."""
        self._is_told = False

    def tell(self, error: StoreError) -> None:
        """Show the error, in one line."""
        if not self._is_told:
            self._is_told = True
            self._show(error)

    def _show(self, error: StoreError) -> None:
        show_warning(str(error))


class LabelLevel(LazyLevel):
    """A level of a class map, or of one channel of its probabilities: ``(y, x)``.

    Args:
        label: The label.
        level: Index of the level.
        shape: Shape shown to napari.
        cache: Where decoded chunks are kept.
        channel: Of the probabilities; the class map where None.
        notice: Told where the label is damaged.
    """

    def __init__(
        self,
        label: LabelImage,
        level: int,
        shape: tuple[int, int],
        cache: ChunkCache,
        *,
        channel: int | None = None,
        notice: DamageNotice | None = None,
    ) -> None:
        """Open the level; nothing is read."""
        self._array: zarr.Array[Any] = (
            label.array(level) if channel is None else label.probability(level)
        )
        stored = (self._array.shape[-2], self._array.shape[-1])
        super().__init__(stored, shape, NOT_ASSESSED if channel is None else 0, cache)
        self._label = label
        self._lead = () if channel is None else (channel,)
        self._notice = notice or DamageNotice()

    def _fetch(self, rows: Span, columns: Span) -> NDArray[np.uint8]:
        try:
            return self._stored_pixels(rows, columns)
        except StoreError as error:
            self._notice.tell(error)
        return self._what_is_whole(rows, columns)

    def _stored_pixels(self, rows: Span, columns: Span) -> NDArray[np.uint8]:
        with self._label.reading():
            found = self._array[(*self._lead, slice(*rows), slice(*columns))]
        return np.asarray(found, dtype=np.uint8)

    def _what_is_whole(self, rows: Span, columns: Span) -> NDArray[np.uint8]:
        """The chunks that can be read, and nothing in place of the others."""
        out = np.full((rows[1] - rows[0], columns[1] - columns[0]), self._fill, np.uint8)
        side = self._chunk_px
        for top in range(rows[0], rows[1], side):
            for left in range(columns[0], columns[1], side):
                bottom, right = min(top + side, rows[1]), min(left + side, columns[1])
                here = np.s_[
                    top - rows[0] : bottom - rows[0], left - columns[0] : right - columns[0]
                ]
                with suppress(StoreError):
                    out[here] = self._stored_pixels((top, bottom), (left, right))
        return out


def label_levels(label: LabelImage, notice: DamageNotice | None = None) -> list[LabelLevel]:
    """The class map of a label, finest level first."""
    return _levels(label, None, notice)


def probability_levels(
    label: LabelImage, channel: int, notice: DamageNotice | None = None
) -> list[LabelLevel]:
    """One channel of a label's probabilities (255 for certainty), finest level first."""
    return _levels(label, channel, notice)


def _levels(
    label: LabelImage, channel: int | None, notice: DamageNotice | None
) -> list[LabelLevel]:
    cache, told = ChunkCache(), notice or DamageNotice()
    shapes = exact_shapes(label.grid().size_px, label.factors)
    return [
        LabelLevel(label, level, shape, cache, channel=channel, notice=told)
        for level, shape in enumerate(shapes)
    ]
