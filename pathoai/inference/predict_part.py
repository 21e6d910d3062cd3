"""A part of a slide predicted in memory, e.g. what a reader looks at; nothing is written.

Tiles, blending and what is made of them are those of a whole slide (`predict_slide`), so what is
said of a pixel is the same as if all of the slide had been predicted.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

import numpy as np
import shapely
import torch
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.geometry import Grid, Region
from pathoai.inference.blending import BlendedBlock, blending_window
from pathoai.inference.find_objects import SMALLEST_OBJECT_UM2
from pathoai.inference.label_outlines import at_level_0
from pathoai.inference.label_raster import label_raster, tissue_tiles
from pathoai.inference.object_planes import MARGIN_UM, visible
from pathoai.inference.object_sums import ObjectSums
from pathoai.inference.predict_slide import prediction_name, tile_computing
from pathoai.inference.predictor import Predictor
from pathoai.inference.tile_plan import Block
from pathoai.inference.views import number_block
from pathoai.ontology import NOT_ASSESSED
from pathoai.preprocess.torch_threads import all_threads, undivided
from pathoai.progress import Advance, silent
from pathoai.store.objects import ObjectTable
from pathoai.store.slide_store import SlideStore
from pathoai.vector.block_outlines import Frame, outline_block
from pathoai.vector.pixel_regions import find_regions

MOST_PIXELS = 1 << 24
"""Pixels of a part at the model's scale, its margin included: 4096 × 4096."""


@dataclass(frozen=True)
class PartPrediction:
    """What a model says of a part of a slide.

    Args:
        grid: The raster of the model over the slide.
        x_px: Left edge of the part in it.
        y_px: Top edge likewise.
        class_map: ``(H, W)`` uint8, values of the ontology; 255 where no tile was.
        probability: ``(K, H, W)`` uint8 of each class but background, 255 for certainty.
        objects: Those whose middle lies in the part, level-0 pixels.
    """

    grid: Grid
    x_px: int
    y_px: int
    class_map: NDArray[np.uint8]
    probability: NDArray[np.uint8]
    objects: ObjectTable

    @property
    def region(self) -> Region:
        """Where the part lies, level-0 pixels."""
        height, width = self.class_map.shape
        return self.grid.region(self.x_px, self.y_px, width, height)


def predict_part(
    store: SlideStore,
    predictor: Predictor,
    region: Region,
    *,
    threads: int | None = None,
    advance: Advance = silent,
) -> PartPrediction:
    """Predict what lies in a rectangle; objects are seen whole up to 32 µm beyond it.

    Args:
        store: The slide's.
        predictor: The model.
        region: Level-0 pixels; what lies off the slide is left out.
        threads: That compute, on a CPU, or else read; None takes as many as torch does.
        advance: Told of tiles done and tiles in all; may raise, to stop.

    Raises:
        InvalidValueError: The region lies off the slide, or is too large to be held in memory.
        ModelError: The study has another ontology.
        StoreError: A chunk of the store cannot be decoded.
    """
    grid = label_raster(store, predictor.bundle)
    inner = _block(grid, region, 0)
    around = _block(grid, region, round(MARGIN_UM / predictor.bundle.spec.mpp))
    _refuse_too_large(around, store.slide_id, predictor.bundle.spec.mpp)
    outputs, seen = _blended(store, predictor, around, threads or all_threads(), advance)
    said = _said(predictor, outputs, seen)
    within = tuple(
        slice(own.start - wide.start, own.stop - wide.start)
        for own, wide in zip(inner, around, strict=True)
    )
    return PartPrediction(
        grid,
        inner[1].start,
        inner[0].start,
        said.class_map[within],
        said.probability[:, *within],
        _objects(store, predictor, said, grid, around, inner),
    )


def _refuse_too_large(around: Block, slide_id: str, mpp: float) -> None:
    height, width = (part.stop - part.start for part in around)
    if height * width > MOST_PIXELS:
        raise InvalidValueError(
            "the region is too large to be predicted at once",
            where=slide_id,
            found=f"{width} × {height} px at {mpp:g} µm",
            allowed=f"{MOST_PIXELS:,} pixels",
            remedy="zoom in, or predict the whole slide",
        )


def _block(grid: Grid, region: Region, margin_px: int) -> Block:
    """Rows and columns of the pixels that a region touches, as far as the raster goes."""
    edges = (
        (region.y / grid.downsample_y, region.bottom / grid.downsample_y, grid.size_px.height),
        (region.x / grid.downsample_x, region.right / grid.downsample_x, grid.size_px.width),
    )
    rows, columns = (
        slice(max(0, int(np.floor(a)) - margin_px), min(length, int(np.ceil(b)) + margin_px))
        for a, b, length in edges
    )
    if rows.start >= rows.stop or columns.start >= columns.stop:
        raise InvalidValueError("the region does not lie on the slide", found=region)
    return rows, columns


def _blended(
    store: SlideStore, predictor: Predictor, around: Block, threads: int, advance: Advance
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    lattice = tissue_tiles(store, predictor.bundle)
    part = lattice.touching(around)
    tiles = np.argwhere(lattice.wanted[part]) + np.array([part[0].start, part[1].start])
    places = [(x, y) for x, y in lattice.origins_px(tiles).tolist()]
    window = torch.from_numpy(blending_window(lattice.size_px)).to(predictor.device)
    block = BlendedBlock(predictor.ensemble.outputs, around, window)
    computing = tile_computing(store, predictor, threads)
    advance(0, len(places))
    with undivided(), closing(computing.outputs(places)) as outputs:
        for done, (place, output) in enumerate(zip(places, outputs, strict=True), start=1):
            block.add(*place, output)
            advance(done, len(places))
    found, seen = block.finish()
    return found.cpu().numpy(), seen.cpu().numpy()


@dataclass(frozen=True)
class _Said:
    """Of a block: its class map, probabilities, and what its objects are made of."""

    class_map: NDArray[np.uint8]
    probability: NDArray[np.uint8]
    regions: NDArray[np.uint8] | NDArray[np.uint32]
    ignore: tuple[int, ...]


def _said(predictor: Predictor, outputs: NDArray[np.float32], seen: NDArray[np.bool_]) -> _Said:
    """As `finish_shard`, and, where objects are told apart, `ObjectPlanes` name pixels."""
    values = np.array(predictor.bundle.class_indices(predictor.ontology), np.uint8)
    probability = np.round(outputs[1 : len(values)] * 255).astype(np.uint8)
    if not predictor.tells_objects_apart:
        named = values[outputs[: len(values)].argmax(axis=0)]
        class_map = np.where(seen, named, np.uint8(NOT_ASSESSED))
        others = tuple(sorted(set(range(256)) - set(values[1:].tolist())))
        return _Said(class_map, probability, class_map, others)
    numbers = number_block(outputs, len(values), mpp=predictor.bundle.spec.mpp)
    sums = ObjectSums(len(values) - 1)
    sums.add(numbers, probability)
    value = np.concatenate([np.zeros(1, np.uint8), values[1:][sums.channel(slice(0, sums.count))]])
    named = np.where(visible(numbers), value[numbers], np.uint8(0))
    class_map = np.where(seen, named, np.uint8(NOT_ASSESSED))
    return _Said(class_map, probability, numbers, (0,))


def _objects(
    store: SlideStore,
    predictor: Predictor,
    said: _Said,
    grid: Grid,
    around: Block,
    inner: Block,
) -> ObjectTable:
    bundle = predictor.bundle
    values = np.array(bundle.class_indices(predictor.ontology)[1:], np.uint8)
    pixel_um2 = grid.downsample_x * grid.downsample_y * store.header.slide_mpp.pixel_area_um2
    height, width = said.regions.shape
    found = outline_block(
        find_regions(said.regions, said.ignore),
        Frame(0, 0, width, height, (height, width)),
        weights=said.probability,
        smallest_px=SMALLEST_OBJECT_UM2 / pixel_um2,
    ).whole
    offset = np.array([around[1].start, around[0].start])
    outlines = np.asarray(shapely.transform(found.outline, lambda xy: xy + offset), object)
    keep = _is_inside(outlines, inner)
    sums = found.sums.of(keep)
    if predictor.tells_objects_apart:
        channel = sums.weight.argmax(axis=1)
        share = sums.weight.max(axis=1, initial=0) / np.maximum(sums.weight.sum(axis=1), 1)
    else:
        channel_of = np.zeros(256, np.int64)
        channel_of[values] = np.arange(len(values))
        channel = channel_of[sums.value]
        share = sums.weight[np.arange(len(sums)), channel] / np.maximum(sums.area_px, 1) / 255
    return ObjectTable(
        at_level_0(outlines[keep], grid),
        values[channel],
        share.astype(np.float32),
        (sums.area_px * pixel_um2).astype(np.float32),
        {"label": prediction_name(bundle.name)} | predictor.about(store),
    )


def _is_inside(outlines: NDArray[np.object_], inner: Block) -> NDArray[np.bool_]:
    """Objects whose middle lies in the part: of neighbouring parts each has its own."""
    left, top, right, bottom = shapely.bounds(outlines).reshape(-1, 4).T
    x, y = (left + right) / 2, (top + bottom) / 2
    rows, columns = inner
    in_rows, in_columns = (rows.start <= y) & (y < rows.stop), columns.start <= x
    return np.asarray(in_rows & in_columns & (x < columns.stop), np.bool_)
