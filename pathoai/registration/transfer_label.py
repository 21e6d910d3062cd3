"""A label of one slide of a pair, written as a label of the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import AlignmentError
from pathoai.geometry import Grid, Size
from pathoai.ontology import NOT_ASSESSED
from pathoai.progress import Advance, silent
from pathoai.provenance import sha256_of_json
from pathoai.registration.passage import Passage
from pathoai.registration.tile_quality import TileState
from pathoai.store.label_image import LabelImage, is_label_complete
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.shards import shard_slices, shards_of
from pathoai.store.slide_store import SlideStore
from pathoai.store.store_lock import locked

KIND = "transfer"
_BLOCK_PX = 512


def transferred_name(name: str) -> str:
    """What a label is called on the other slide; its own label of that name stays as it is."""
    return f"{KIND}/{name.replace('/', '.')}"


def transfer_label(
    label: LabelImage,
    source: SlideStore,
    target: SlideStore,
    passage: Passage,
    *,
    advance: Advance = silent,
) -> LabelImage:
    """Write a label's class map over the other slide of the pair.

    Each pixel gets the class at the place under its centre. Where the alignment is refused, where
    the other slide has no tissue to tell it by, and beyond the label, nothing was assessed (255).
    A killed run goes on.

    Args:
        label: Of the source.
        source: The slide that has it.
        target: Its twin, which gets it.
        passage: From the target to the source.
        advance: Told of shards done and shards in all.

    Returns:
        The label ``transfer/<kind>.<name>`` of the target, at about the same scale.

    Raises:
        AlignmentError: The slides are neighbouring sections: pixel by pixel nothing fits.
    """
    if passage.is_of_neighbours:
        raise AlignmentError(
            "a label is not carried between neighbouring sections: their cells are not the same",
            where=f"{source.slide_id} to {target.slide_id}",
            remedy="carry annotations of areas (without --label); they are proposals there",
        )
    name = transferred_name(label.name)
    about: dict[str, Any] = {
        **{k: v for k, v in label.about.items() if k in ("origin", "status", "method")},
        "description": f"label {label.name} of slide {source.slide_id}, carried by registration",
        "label_sha256": sha256_of_json({"about": label.about, "shards": label.shards}),
        "registration": passage.identity,
        "source_store_sha256": source.identity,
        "store_sha256": target.identity,
    }
    if not is_label_complete(target.path, name, about):
        factor = max(1, round(label.mpp / target.mpp))
        recipe = LabelRecipe(name, label.shown_classes, about, factor=factor)
        with locked(target.path):
            writer = LabelWriter(target.path, target.header, recipe)
            _write(label, writer, target.header.grid.coarser(factor), passage, advance)
    return target.label(name)


def _write(
    label: LabelImage, writer: LabelWriter, grid: Grid, passage: Passage, advance: Advance
) -> None:
    shape = writer.class_map.array.shape
    shards = list(shards_of(shape))
    for done, shard in enumerate(shards, start=1):
        if not writer.class_map.is_done(shard):
            rows, columns = shard_slices(shard, shape)
            writer.class_map.write(shard, _shard(label, passage, grid, rows, columns))
        advance(done, len(shards))
    writer.finish()


def _shard(
    label: LabelImage, passage: Passage, grid: Grid, rows: slice, columns: slice
) -> NDArray[np.uint8]:
    """A shard from small blocks: places of pixels take sixteen times the memory of classes."""
    out = np.empty((rows.stop - rows.start, columns.stop - columns.start), np.uint8)
    for top in range(0, out.shape[0], _BLOCK_PX):
        for left in range(0, out.shape[1], _BLOCK_PX):
            block = out[top : top + _BLOCK_PX, left : left + _BLOCK_PX]
            height, width = block.shape
            at = (columns.start + left, rows.start + top)
            block[:] = _block(label, passage, grid, at, Size(width, height))
    return out


def _block(
    label: LabelImage, passage: Passage, grid: Grid, at_px: tuple[int, int], size_px: Size
) -> NDArray[np.uint8]:
    """Classes at the places under the centres of a block's pixels."""
    x = (at_px[0] + np.arange(size_px.width) + 0.5) * grid.downsample_x
    y = (at_px[1] + np.arange(size_px.height) + 0.5) * grid.downsample_y
    points = np.stack(np.meshgrid(x, y), axis=-1)
    out = np.full(points.shape[:2], NOT_ASSESSED, np.uint8)
    trusted = passage.state_at(points) == TileState.BELIEVABLE
    own = label.grid()
    place = np.floor(passage.to_far_px(points) / (own.downsample_x, own.downsample_y))
    limit = (own.size_px.width, own.size_px.height)
    wanted = trusted & ((place >= 0) & (place < limit)).all(axis=-1)
    if not wanted.any():
        return out
    found = place[wanted].astype(np.int64)
    (left, top), (right, bottom) = found.min(axis=0).tolist(), found.max(axis=0).tolist()
    values = label.reader.read(left, top, Size(right - left + 1, bottom - top + 1))
    out[wanted] = values[found[:, 1] - top, found[:, 0] - left]
    return out
