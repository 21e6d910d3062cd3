"""Judges a finished alignment: squares are sought once more, from each slide on the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.errors import InvalidValueError
from pathoai.registration.match_slides import SlideMatches
from pathoai.registration.tile_quality import RegistrationQuality, TileState, tile_grid
from pathoai.registration.transform import PlacedSlide

_SQUARES_PER_TILE = 2


@dataclass(frozen=True, slots=True)
class TileRule:
    """When a tile is believed.

    Args:
        least_similarity: Correlation of the squares of both slides.
        largest_residual_um: How far squares may lie from where the transform has them.
        largest_residual_px: The same in pixels of the scale compared, where that is more.
        least_around: Share of the tile's neighbours that must hold, too.
    """

    least_similarity: float = 0.5
    largest_residual_um: float = 4.0
    largest_residual_px: float = 1.5
    least_around: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        shares = (self.least_similarity, self.least_around)
        if not all(0 <= s <= 1 for s in shares) or not self.largest_residual_um > 0:
            raise InvalidValueError(
                "a rule for tiles",
                found=f"{shares}, {self.largest_residual_um} µm",
                allowed="shares from 0 to 1, and a positive residual",
            )


def judge_tiles(matches: SlideMatches, slide: PlacedSlide, rule: TileRule) -> RegistrationQuality:
    """Say of each tile whether the alignment holds there.

    Args:
        matches: What was found through the finished transform, at its finest scale.
        slide: The fixed slide.
        rule: When to believe.

    Returns:
        Tiles of two squares along each axis. A tile's residual is the larger of two: how far its
        squares lie from where the transform has them, and how far squares of the other slide,
        sought independently on this one, come back from where they started.
    """
    tile_um = matches.step_um * _SQUARES_PER_TILE
    grid = tile_grid(slide, tile_um)
    ahead, back = (np.linalg.norm(shift, axis=-1) for shift in (matches.shift_um, matches.back_um))
    shape = (grid.size_px.height, grid.size_px.width)
    similarity = _mean(_squares_of_tiles(matches.similarity, shape))
    residual = _largest(_squares_of_tiles(np.maximum(ahead, back), shape))
    state = _states(similarity, residual, rule, matches.mpp)
    return RegistrationQuality(tile_um, grid, similarity, residual, state)


def _states(
    similarity: NDArray[np.float32], residual: NDArray[np.float32], rule: TileRule, mpp: float
) -> NDArray[np.uint8]:
    tissue = ~np.isnan(similarity)
    limit = max(rule.largest_residual_um, rule.largest_residual_px * mpp)
    with np.errstate(invalid="ignore"):
        holds = (similarity >= rule.least_similarity) & (residual <= limit)
    # Wrong tiles come in patches, and one within a patch that agrees by chance is no less wrong.
    around = _share_around(holds, tissue)
    believed = holds & (around >= rule.least_around)
    state = np.where(believed, TileState.BELIEVABLE, TileState.REFUSED)
    return np.where(tissue, state, TileState.NO_TISSUE).astype(np.uint8)


def _share_around(holds: NDArray[np.bool_], tissue: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of a tile's eight neighbours on tissue that hold; 1 where there are none."""
    ring = np.ones((3, 3))
    ring[1, 1] = 0
    sums = [
        ndimage.convolve(plane.astype(np.float64), ring, mode="constant")
        for plane in (holds & tissue, tissue)
    ]
    return np.asarray(np.where(sums[1] > 0, sums[0] / np.maximum(sums[1], 1), 1.0))


def _squares_of_tiles(squares: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """The squares of each tile, ``(R, C, 4)``, NaN where there is no tissue."""
    side = _SQUARES_PER_TILE
    rows, columns = (count * side for count in shape)
    padded = np.full((rows, columns), np.nan, np.float32)
    inside = squares[:rows, :columns]
    padded[: inside.shape[0], : inside.shape[1]] = inside
    cells = padded.reshape(shape[0], side, shape[1], side).transpose(0, 2, 1, 3)
    return cells.reshape(*shape, side * side)


def _largest(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """The largest number of each tile; NaN without any."""
    return np.asarray(np.fmax.reduce(cells, axis=-1))


def _mean(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of each tile's numbers; NaN without any."""
    known = ~np.isnan(cells)
    count = known.sum(axis=-1)
    total = np.where(known, cells, 0).sum(axis=-1)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return np.asarray(mean, np.float32)
