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

_NEIGHBOURHOOD = np.ones((3, 3))


@dataclass(frozen=True, slots=True)
class TileRule:
    """When a tile is believed.

    Args:
        least_similarity: Correlation of the squares of both slides.
        least_of_usual: The same as a share of what is usual for this pair: pairs differ by stain,
            and half a fold is still half alike.
        largest_residual_um: How far squares may lie from where the transform has them.
        largest_residual_px: The same in pixels of the scale compared, where that is more.
        patch: Share of a tile's neighbourhood (itself and eight) that must fail to make a patch,
            whose rim is refused, too.
    """

    least_similarity: float = 0.4
    least_of_usual: float = 0.8
    largest_residual_um: float = 2.5
    largest_residual_px: float = 1.5
    patch: float = 0.3

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        shares = (self.least_similarity, self.least_of_usual, self.patch)
        residuals = (self.largest_residual_um, self.largest_residual_px)
        if not all(0 <= share <= 1 for share in shares) or min(residuals) <= 0:
            raise InvalidValueError(
                "a rule for tiles",
                found=f"{shares}, residuals {residuals}",
                allowed="shares from 0 to 1, and positive residuals",
            )


def judge_tiles(matches: SlideMatches, slide: PlacedSlide, rule: TileRule) -> RegistrationQuality:
    """Say of each tile whether the alignment holds there.

    Args:
        matches: What was found through the finished transform, at its finest scale.
        slide: The fixed slide.
        rule: When to believe.

    Returns:
        A tile for each square that was sought. Its residual is the larger of two: how far its
        square lies from where the transform has it, and how far the square of the other slide,
        sought independently on this one, comes back from where it started.
    """
    ahead, back = (np.linalg.norm(v, axis=-1) for v in (matches.shift_um, matches.back_um))
    residual = np.asarray(np.maximum(ahead, back), np.float32)
    state = _states(matches, residual, rule)
    grid = tile_grid(slide, matches.step_um)
    return RegistrationQuality(matches.step_um, grid, matches.similarity, residual, state)


def _states(
    matches: SlideMatches, residual: NDArray[np.float32], rule: TileRule
) -> NDArray[np.uint8]:
    largest = max(rule.largest_residual_um, rule.largest_residual_px * matches.mpp)
    near = matches.tissue & (np.nan_to_num(residual, nan=np.inf) <= largest)
    similarity = np.nan_to_num(matches.similarity, nan=-1.0)
    usual = float(np.median(similarity[near])) if near.any() else 0.0
    alike = similarity >= max(rule.least_similarity, rule.least_of_usual * usual)
    fails = matches.tissue & ~(near & alike)
    # Wrong tiles come in patches, and their rim is half wrong; one that fails alone is chance.
    around = ndimage.correlate(fails.astype(np.float64), _NEIGHBOURHOOD, mode="constant") / 9
    rim = ndimage.binary_dilation(fails & (around >= rule.patch), _NEIGHBOURHOOD)
    state = np.where(fails | rim, TileState.REFUSED, TileState.BELIEVABLE)
    return np.where(matches.tissue, state, TileState.NO_TISSUE).astype(np.uint8)
