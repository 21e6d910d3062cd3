"""Where on a slide an artefact lies: measured in batches on the device, kept as a label."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from pathoai.geometry import Grid, Size
from pathoai.ontology import NOT_ASSESSED, LabelClass
from pathoai.preprocess.stain.optical_density import optical_density
from pathoai.progress import Advance, silent
from pathoai.quality.air_bubble import find_air_bubbles
from pathoai.quality.artefacts import (
    AIR_BUBBLE,
    ARTEFACTS,
    BLOOD,
    BLUR,
    CLEAN,
    FOLD,
    GLASS_EDGE,
    LABEL,
    PEN,
)
from pathoai.quality.blood import find_blood
from pathoai.quality.blur import band_energies, find_blur
from pathoai.quality.cells import CellGrid, Measurements, cell_means
from pathoai.quality.fold import find_folds
from pathoai.quality.glass_edge import black_share, find_glass_edges
from pathoai.quality.pen import find_pen
from pathoai.quality.rim import rim_share
from pathoai.store.label_image import is_label_complete
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.shards import shard_slices, shards_of
from pathoai.store.slide_store import SlideStore

METHOD = "cells-2"
"""Raised when the same slide would be judged differently: old labels are then made anew."""

_BLOCK_CELLS = 32
_HALO_CELLS = 2
_BLOCKS_PER_BATCH = 8
_PLANES = 7


@dataclass(frozen=True, slots=True)
class QualityMap:
    """What is wrong where.

    Args:
        class_map: ``(H, W)`` uint8: 0 clean, else the index of an artefact's class; 255 where
            there is no tissue.
        grid: The raster of its cells.
        cell_um: Side of a cell, µm.
        not_assessed: Artefacts that the store is too coarse to show.
    """

    class_map: NDArray[np.uint8]
    grid: Grid
    cell_um: float
    not_assessed: tuple[LabelClass, ...] = ()

    def share(self, artefact: LabelClass) -> float:
        """Share of the tissue under an artefact, 0 to 1."""
        tissue = int((self.class_map != NOT_ASSESSED).sum())
        return float((self.class_map == artefact.index).sum()) / max(1, tissue)


def assess_quality(
    store: SlideStore, device: torch.device, *, advance: Advance = silent
) -> QualityMap:
    """Judge a slide, and keep the result as its label ``quality/artefacts``.

    A label made by the same method from the same pixels is read, not made again. Nothing is
    removed from the tissue: what to leave out is for whoever reads the map to decide.

    Args:
        store: The slide.
        device: Where pixels are measured.
        advance: Told of blocks done and blocks in all.

    Raises:
        StoreError: The store is coarser than 4 µm per pixel, or cannot be read.
    """
    cells = CellGrid.of(store.header)
    about = _about(store, cells)
    if not is_label_complete(store.path, LABEL, about):
        tissue = _tissue_cells(store, cells)
        measured = measure(store, cells, tissue, device, advance)
        _write(store, cells, about, classify(measured, tissue, cells))
    return read_quality(store)


def is_judged(store: SlideStore) -> bool:
    """Whether a slide has a quality map, and none of an older method."""
    if LABEL not in store.labels:
        return False
    return bool(store.label(LABEL).about.get("method", METHOD) == METHOD)


def read_quality(store: SlideStore) -> QualityMap:
    """The quality map of a slide that was judged before.

    Raises:
        StoreError: It was not, or not to the end.
    """
    label = store.label(LABEL)
    missing = tuple(a for a in ARTEFACTS if a.key in label.about["not_assessed"])
    return QualityMap(label.read_all(), label.grid(), label.mpp, missing)


def _about(store: SlideStore, cells: CellGrid) -> dict[str, Any]:
    return {
        "origin": "method",
        "method": METHOD,
        "cell_um": round(cells.cell_um, 4),
        "working_mpp": round(cells.working_mpp, 4),
        "not_assessed": [] if cells.shows_focus else [BLUR.key],
        "store_sha256": store.identity,
    }


def _tissue_cells(store: SlideStore, cells: CellGrid) -> NDArray[np.bool_]:
    """Cells at least half of which is tissue, or all that touch some where none is."""
    size = cells.grid.size_px
    y, x = np.mgrid[: size.height, : size.width]
    share = store.tissue.fraction(
        x.ravel() * cells.grid.downsample_x,
        y.ravel() * cells.grid.downsample_y,
        (cells.grid.downsample_x, cells.grid.downsample_y),
    ).reshape(size.height, size.width)
    half = share >= 0.5
    return half if half.any() else share > 0


def measure(
    store: SlideStore,
    cells: CellGrid,
    tissue: NDArray[np.bool_],
    device: torch.device,
    advance: Advance = silent,
) -> Measurements:
    """Measure every cell near tissue; the others stay 0.

    Args:
        store: The slide.
        cells: The grid.
        tissue: ``(H, W)`` bool, cells with tissue.
        device: Where.
        advance: Told of blocks done and blocks in all.
    """
    height, width = tissue.shape
    planes = np.zeros((_PLANES, height, width), np.float32)
    blocks = list(_blocks(tissue))
    for first in range(0, len(blocks), _BLOCKS_PER_BATCH):
        chosen = blocks[first : first + _BLOCKS_PER_BATCH]
        pixels = np.stack([_read(store, cells, at) for at in chosen])
        batch = torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))).to(device)
        found = measure_pixels(batch, cells).cpu().numpy()
        for (y, x), block in zip(chosen, found, strict=True):
            inner = block[:, _HALO_CELLS:-_HALO_CELLS, _HALO_CELLS:-_HALO_CELLS]
            planes[:, y : y + _BLOCK_CELLS, x : x + _BLOCK_CELLS] = inner[
                :, : height - y, : width - x
            ]
        advance(first + len(chosen), len(blocks))
    return Measurements.stacked(planes)


def measure_pixels(batch: torch.Tensor, cells: CellGrid) -> torch.Tensor:
    """All that is measured of a batch, on the device it is on.

    Args:
        batch: ``(N, 3, H, W)`` uint8 RGB; a cell is ``cells.cell_px * cells.detail`` pixels wide.
        cells: The grid.

    Returns:
        ``(N, 7, h, w)`` float32 for h × w cells, in the order of `Measurements`.
    """
    working_mpp, cell_px, detail = cells.working_mpp, cells.cell_px, cells.detail
    focus = band_energies(optical_density(batch), working_mpp / detail, cell_px * detail)
    if detail > 1:
        batch = functional.avg_pool2d(batch.float(), detail).round().to(torch.uint8)
    density = optical_density(batch)
    return torch.cat(
        [
            cell_means(density, cell_px),
            focus,
            rim_share(density, working_mpp, cell_px),
            black_share(density, cell_px),
        ],
        dim=1,
    )


def _blocks(tissue: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Top and left of the blocks that hold tissue, in cells."""
    for y in range(0, tissue.shape[0], _BLOCK_CELLS):
        for x in range(0, tissue.shape[1], _BLOCK_CELLS):
            if tissue[y : y + _BLOCK_CELLS, x : x + _BLOCK_CELLS].any():
                yield y, x


def _read(store: SlideStore, cells: CellGrid, at: tuple[int, int]) -> NDArray[np.uint8]:
    """The pixels of a block and what lies around it."""
    side = _BLOCK_CELLS + 2 * _HALO_CELLS
    y, x = at
    region = cells.grid.region(x - _HALO_CELLS, y - _HALO_CELLS, side, side)
    side_px = side * cells.cell_px * cells.detail
    return store.read_region(region, Size(side_px, side_px))


def classify(
    measured: Measurements, tissue: NDArray[np.bool_], cells: CellGrid
) -> NDArray[np.uint8]:
    """The class of each cell, ``(H, W)`` uint8.

    Where several artefacts meet, what hides the tissue most is named: ink, then glass, bubbles,
    folds, blood, blur.
    """
    pen = find_pen(measured, tissue)
    rest = tissue & ~pen
    found = [
        (FOLD, find_folds(measured, rest, cells.cell_um)),
        (BLOOD, find_blood(measured, rest, cells.cell_um)),
        (AIR_BUBBLE, find_air_bubbles(measured, rest, cells.cell_um)),
        (GLASS_EDGE, find_glass_edges(measured, tissue, cells.cell_um)),
        (PEN, pen),
    ]
    if cells.shows_focus:
        found.insert(0, (BLUR, find_blur(measured, rest, cells.cell_um)))
    class_map = np.full(tissue.shape, CLEAN, np.uint8)
    for artefact, mask in found:
        class_map[mask] = artefact.index
    class_map[~tissue] = NOT_ASSESSED
    return class_map


def _write(
    store: SlideStore, cells: CellGrid, about: dict[str, Any], class_map: NDArray[np.uint8]
) -> None:
    recipe = LabelRecipe(LABEL, ARTEFACTS, about, factor=cells.factor)
    writer = LabelWriter(store.path, store.header, recipe)
    for shard in shards_of(class_map.shape):
        rows, columns = shard_slices(shard, class_map.shape)
        writer.class_map.write(shard, class_map[rows, columns])
    writer.finish()
