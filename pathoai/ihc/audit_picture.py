"""One tile of an audit in four pictures: H&E, restained, what the label says, and its trust."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pathoai.geometry import Grid, Region, Size
from pathoai.ihc.trust import TRUST_CLASSES, Trust
from pathoai.ihc.warp import MovingCells, warped
from pathoai.ontology import NOT_ASSESSED, LabelClass
from pathoai.registration.transform import SlideTransform
from pathoai.store.label_image import LabelImage
from pathoai.store.slide_store import SlideStore

PANEL_PX = 256
CONTEXT = 2.0
"""A picture shows this many times the tile's side: what lies around helps to judge it."""
_QUALITY = 88
_TINT = 0.55
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)


@dataclass(frozen=True, eq=False)
class AuditedSlide:
    """An H&E slide whose label is audited, and what it was made of.

    Args:
        store: The H&E slide's.
        label: ``ihc/<marker>``.
        trust: ``trust/<marker>``.
        moving: The restained slide's.
        transform: From the H&E slide to that one.
    """

    store: SlideStore
    label: LabelImage
    trust: LabelImage
    moving: SlideStore
    transform: SlideTransform


def tile_pictures(
    slide: AuditedSlide, tile: Region, classes: tuple[LabelClass, ...], device: torch.device
) -> tuple[bytes, bytes, bytes, bytes]:
    """JPEG files of a tile: H&E, restained slide brought over it, label, trust.

    Args:
        slide: Where the tile lies.
        tile: Level-0 pixels of the H&E slide.
        classes: Of the label, with their colours.
        device: Where the restained slide is resampled.

    Raises:
        StoreError: A chunk of a slide or of a label is damaged.
    """
    mpp = slide.store.slide.mpp
    shown_um = CONTEXT * max(tile.width * mpp.x, tile.height * mpp.y)
    panel_mpp = shown_um / PANEL_PX
    grid = Grid.covering(slide.store.slide.size, mpp, panel_mpp)
    left, top = (
        round((start + length / 2) / downsample) - PANEL_PX // 2
        for start, length, downsample in (
            (tile.x, tile.width, grid.downsample_x),
            (tile.y, tile.height, grid.downsample_y),
        )
    )
    rows, columns = slice(top, top + PANEL_PX), slice(left, left + PANEL_PX)
    he = slide.store.read_grid(grid, left, top, Size(PANEL_PX, PANEL_PX))
    cells = MovingCells.of_window(slide.transform, grid, rows, columns)
    everywhere = np.ones((PANEL_PX, PANEL_PX), bool)
    restained = warped(slide.moving, cells, panel_mpp, everywhere, device)
    ihc = (restained.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    label = _values(slide.label, grid, rows, columns)
    shown = {one.index: one.rgb for one in classes}
    reasons = {one.index: one.rgb for one in TRUST_CLASSES if one.index != Trust.TRUSTED}
    trust = _values(slide.trust, grid, rows, columns)
    panels = (he, ihc, _tinted(he, label, shown), _tinted(he, trust, reasons))
    frame = _frame(tile, grid, left, top)
    one, two, three, four = (_jpeg(panel, frame, panel_mpp) for panel in panels)
    return one, two, three, four


def _values(label: LabelImage, grid: Grid, rows: slice, columns: slice) -> NDArray[np.uint8]:
    """A label at the pixel centres of a block of another raster, ``(h, w)`` uint8."""
    own = label.grid()
    y = np.floor((np.arange(rows.start, rows.stop) + 0.5) * grid.downsample_y / own.downsample_y)
    x = np.floor(
        (np.arange(columns.start, columns.stop) + 0.5) * grid.downsample_x / own.downsample_x
    )
    row, column = y.astype(np.int64), x.astype(np.int64)
    top, left = int(row[0]), int(column[0])
    # Beyond the label's edges nothing is stored, and the reader knows no negative places.
    block = np.full((int(row[-1]) - top + 1, int(column[-1]) - left + 1), np.uint8(NOT_ASSESSED))
    inside_top, inside_left = max(0, -top), max(0, -left)
    part = block[inside_top:, inside_left:]
    if part.size:
        size = Size(part.shape[1], part.shape[0])
        part[:] = label.reader.read(left + inside_left, top + inside_top, size)
    return block[np.ix_(row - top, column - left)]


def _tinted(
    he: NDArray[np.uint8], values: NDArray[np.uint8], colours: dict[int, tuple[int, int, int]]
) -> NDArray[np.uint8]:
    """Grey where a label says nothing to see, in its colours elsewhere; darker where unassessed."""
    grey = he.mean(axis=2, keepdims=True).repeat(3, axis=2)
    picture = 255 - 0.6 * (255 - grey)
    for index, rgb in colours.items():
        own = values == index
        picture[own] = (1 - _TINT) * picture[own] + _TINT * np.array(rgb)
    picture[values == NOT_ASSESSED] *= 0.55
    return np.asarray(picture, np.uint8)


def _frame(tile: Region, grid: Grid, left: int, top: int) -> tuple[float, float, float, float]:
    """The tile's edges in pixels of the picture."""
    return (
        tile.x / grid.downsample_x - left,
        tile.y / grid.downsample_y - top,
        tile.right / grid.downsample_x - left,
        tile.bottom / grid.downsample_y - top,
    )


def _jpeg(panel: NDArray[np.uint8], frame: tuple[float, float, float, float], mpp: float) -> bytes:
    picture = Image.fromarray(np.ascontiguousarray(panel))
    draw = ImageDraw.Draw(picture)
    # White within black: seen on any tissue.
    draw.rectangle(
        [value + d for value, d in zip(frame, (-1, -1, 1, 1), strict=True)], outline=_BLACK
    )
    draw.rectangle(frame, outline=_WHITE)
    length = scale_bar_um(mpp) / mpp
    draw.rectangle([8, PANEL_PX - 13, 10 + length, PANEL_PX - 7], fill=_WHITE)
    draw.rectangle([9, PANEL_PX - 12, 9 + length, PANEL_PX - 8], fill=_BLACK)
    file = io.BytesIO()
    picture.save(file, format="JPEG", quality=_QUALITY)
    return file.getvalue()


def scale_bar_um(mpp: float) -> float:
    """Length of the bar in a picture of that scale: the longest round one below a third of it."""
    room = PANEL_PX * mpp / 3
    return float(max(n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if n <= max(room, 1)))
