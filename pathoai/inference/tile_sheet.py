"""The tiles that weighed most in a grade, side by side on one picture."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pathoai.store.features import SlideFeatures
from pathoai.store.grid_tiles import grid_tiles
from pathoai.store.slide_store import SlideStore

COLUMNS = 5
TILE_PX = 192
"""Of a tile on the sheet; larger ones are shrunk, smaller ones enlarged."""
GAP_PX, WORDS_PX = 8, 16
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


def draw_tile_sheet(
    store: SlideStore, features: SlideFeatures, weights: NDArray[np.float64], tiles: int
) -> bytes:
    """Draw the heaviest tiles, from left to right and from top to bottom.

    Args:
        store: The slide.
        features: Of its tiles.
        weights: ``(N,)``, of the tiles.
        tiles: How many are shown at most.

    Returns:
        A PNG: each tile with its rank and its share of all weight; the same slide gives the same
        bytes.

    Raises:
        StoreError: A chunk cannot be decoded.
    """
    order = np.argsort(-weights, kind="stable")[:tiles]
    pixels = grid_tiles(store, features.grid, features.origins_px[order], features.spec.size_px)
    rows, step = -(-len(order) // COLUMNS), TILE_PX + GAP_PX
    size = (min(COLUMNS, len(order)) * step + GAP_PX, rows * (step + WORDS_PX) + GAP_PX)
    sheet = Image.new("RGB", size, _WHITE)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(WORDS_PX - 4)
    for at, (tile, index) in enumerate(zip(pixels, order.tolist(), strict=True)):
        x = GAP_PX + at % COLUMNS * step
        y = GAP_PX + at // COLUMNS * (step + WORDS_PX)
        words = f"{at + 1}: {100 * weights[index]:.3g} %"
        draw.text((x, y), words, fill=_BLACK, font=font)
        small = Image.fromarray(tile).resize((TILE_PX, TILE_PX), Image.Resampling.LANCZOS)
        sheet.paste(small, (x, y + WORDS_PX))
    picture = io.BytesIO()
    sheet.save(picture, format="PNG", optimize=True)
    return picture.getvalue()
