"""How much of a chromogen is positive on one slide: adaptive, bounded, and only on evidence.

Per tile, an adaptive threshold finds stain in tiles that have none; so there is one for a slide.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai.ihc.recipe import MarkerTarget

# A background of Gaussian spread has one pixel in a thousand million beyond this.
_SPREADS_ABOVE_BACKGROUND = 6.0
_MAD_TO_DEVIATION = 1.4826
_LEAST_PIXELS = 20
# Noise falls off just above where the search begins; a stain has a density of its own.
_LEAST_CONTRAST = 1.5
_MOST_ROUNDS = 50
# Not the median: of rims and lines most pixels are blurred edges, paler than the stain is.
_FULL_PERCENT = 65.0


@dataclass(frozen=True, slots=True)
class StainThreshold:
    """From which amount a chromogen counts on one slide.

    Args:
        od: The threshold, optical density, natural logarithm.
        surely_less: Below this a pixel is negative without doubt.
        surely_more: Above this it is positive without doubt.
        background_od: Amount in unstained tissue.
        positive_od: Amount in stained tissue; 0 where none was seen.
        positive_share: Of the sampled tissue, 0 to 1.
        seen: False where the sample shows no stain that stands out: then the threshold is the
            recipe's highest, which a slide without stain does not reach.
    """

    od: float
    surely_less: float
    surely_more: float
    background_od: float
    positive_od: float
    positive_share: float
    seen: bool

    def to_dict(self) -> dict[str, Any]:
        """For JSON, rounded as what is written beside a label is."""
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}


def threshold_of(amounts: NDArray[np.floating[Any]], target: MarkerTarget) -> StainThreshold:
    """The threshold of a chromogen on a slide.

    Half way between unstained and stained tissue, because a blurred edge is at its true place where
    it is half as dark. After Ridler TW, Calvard S. Picture thresholding using an iterative
    selection method. IEEE Trans Syst Man Cybern 1978, with a median and a percentile for means.

    Args:
        amounts: ``(M,)`` of the chromogen in a sample of the whole slide's tissue, optical density.
        target: Bounds of the recipe.
    """
    background, spread = _background(amounts, target.lowest_od)
    first = max(target.lowest_od, background + _SPREADS_ABOVE_BACKGROUND * spread)
    above = amounts[amounts > first]
    share = len(above) / max(1, len(amounts))
    positive = float(np.median(above)) if len(above) else 0.0
    seen = len(above) >= _LEAST_PIXELS and positive >= _LEAST_CONTRAST * first
    if not seen:
        od = target.highest_od
        return StainThreshold(
            od, target.lowest_od, od * (1 + target.in_doubt), background, positive, share, False
        )
    od = _half_way(above, background, (first, max(first, target.highest_od)))
    less, more = od * (1 - target.in_doubt), od * (1 + target.in_doubt)
    return StainThreshold(od, less, more, background, positive, share, True)


def _background(amounts: NDArray[np.floating[Any]], lowest: float) -> tuple[float, float]:
    """Amount in unstained tissue, and its deviation, both robust; 0 where all is stained."""
    below = amounts[amounts < lowest]
    if not len(below):
        return 0.0, 0.0
    middle = float(np.median(below))
    return middle, _MAD_TO_DEVIATION * float(np.median(np.abs(below - middle)))


def _half_way(
    above: NDArray[np.floating[Any]], background: float, bounds: tuple[float, float]
) -> float:
    """The threshold that lies half way between background and what is above it."""
    od = bounds[0]
    for _ in range(_MOST_ROUNDS):
        kept = above[above > od]
        if not len(kept):
            return od
        better = float(np.clip((background + np.percentile(kept, _FULL_PERCENT)) / 2, *bounds))
        if abs(better - od) < 1e-4:
            return better
        od = better
    return od
