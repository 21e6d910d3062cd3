"""From amounts of stain to what is positive, and where that is in doubt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.ihc.recipe import MarkerRecipe, MarkerTarget
from pathoai.ihc.threshold import StainThreshold

_Mask = NDArray[np.bool_]
# Of a nucleus, stained or not: stain this near to a positive one belongs to it.
_NUCLEUS_RIM_UM = 1.0
# Of the least that may be stain: beside another chromogen, which blurs over it, less may be, too.
_BESIDE = 0.5


@dataclass(frozen=True, eq=False)
class Extracted:
    """What the stain says of a window; both arrays ``(H, W)``.

    Args:
        positive: uint8, 1 + position of the recipe's target, 0 for none.
        doubtful: bool, where the stain lies near the threshold, or is left out by a rule of size.
    """

    positive: NDArray[np.uint8]
    doubtful: _Mask


def extract(
    amounts: NDArray[np.float32],
    recipe: MarkerRecipe,
    thresholds: tuple[StainThreshold, ...],
    mpp: float,
    nuclei: _Mask | None = None,
) -> Extracted:
    """The positive areas of a window.

    Of two chromogens a pixel has the one that is the stronger, each against its threshold; where
    there is some of the other, too, that is in doubt.

    Args:
        amounts: ``(C, H, W)`` float32 of the chromogens, optical density.
        recipe: Of the marker.
        thresholds: Of the slide, one for each target.
        mpp: Scale of the window, µm per pixel.
        nuclei: ``(H, W)`` bool, nuclei of the H&E slide, apart from each other; for targets that
            snap to them.
    """
    parts = zip(amounts, recipe.targets, thresholds, strict=True)
    relative = np.stack([_smoothed(amount, t, mpp) / s.od for amount, t, s in parts])
    strongest = relative.argmax(axis=0)
    possible = np.array([_BESIDE * t.surely_less / t.od for t in thresholds])
    positive = np.zeros(amounts.shape[1:], np.uint8)
    doubtful = (relative > possible[:, None, None]).sum(axis=0) > 1
    for place, (target, threshold) in enumerate(zip(recipe.targets, thresholds, strict=True)):
        own = np.where(strongest == place, relative[place], 0)
        more, less = (
            own > od / threshold.od for od in (threshold.surely_more, threshold.surely_less)
        )
        if target.snap_to_nuclei and nuclei is not None:
            mask, doubt = _snapped((more, own > 1, less), nuclei, target.least_share, mpp)
        else:
            mask, doubt = _cleaned((more, own > 1, less), target, mpp)
        positive[mask & (positive == 0)] = place + 1
        doubtful |= doubt
    return Extracted(positive, doubtful)


def _smoothed(amount: NDArray[np.float32], target: MarkerTarget, mpp: float) -> NDArray[np.float32]:
    if not target.smoothing_um:
        return amount
    return np.asarray(ndimage.gaussian_filter(amount, target.smoothing_um / mpp))


def _cleaned(
    stain: tuple[_Mask, _Mask, _Mask], target: MarkerTarget, mpp: float
) -> tuple[_Mask, _Mask]:
    """The area by the recipe's rules of size, and where it is in doubt.

    Args:
        stain: Surely stained, stained, and possibly stained.
        target: The rules.
        mpp: Scale, µm per pixel.
    """
    from skimage import morphology

    more, raw, less = stain
    mask = _closed(raw, target.closing_um / mpp)
    if target.largest_hole_um2:
        size = int(target.largest_hole_um2 / mpp**2)
        mask = morphology.remove_small_holes(mask, max_size=size)
    if target.smallest_um2:
        size = int(target.smallest_um2 / mpp**2)
        mask = morphology.remove_small_objects(mask, max_size=size)
    doubtful = ((less & ~more) | (raw & ~mask)) & ~(mask & ~raw)
    if target.widest_um:
        doubtful |= ndimage.distance_transform_edt(mask) > target.widest_um / (2 * mpp)
    return mask, doubtful


def _closed(mask: _Mask, radius_px: float) -> _Mask:
    """Gaps up to twice the radius closed; by distances, whose cost does not grow with it."""
    if radius_px < 1 or not mask.any():
        return mask
    wide = ndimage.distance_transform_edt(~mask) <= radius_px
    # What lies beyond the window counts as stained, else its edge would eat into the mask.
    inside = np.pad(wide, 1, constant_values=True)
    return np.asarray(ndimage.distance_transform_edt(inside)[1:-1, 1:-1] > radius_px) | mask


def _snapped(
    stain: tuple[_Mask, _Mask, _Mask], nuclei: _Mask, least_share: float, mpp: float
) -> tuple[_Mask, _Mask]:
    """Nuclei enough of which is stained, and those of which that is in doubt.

    Args:
        stain: As in `_cleaned`.
        nuclei: Nuclei of the H&E slide.
        least_share: Of a nucleus' area.
        mpp: Scale, µm per pixel.
    """
    number, count = ndimage.label(nuclei)
    area = np.maximum(np.bincount(number.ravel(), minlength=count + 1), 1)
    surely, usual, possibly = (
        np.bincount(number[part], minlength=count + 1) / area >= least_share for part in stain
    )
    for found in (surely, usual, possibly):
        found[0] = False
    mask = usual[number]
    # Stain beside every nucleus: of one that was not seen in H&E, or of a shift.
    rim = _NUCLEUS_RIM_UM / mpp
    near = ndimage.distance_transform_edt(~mask) <= rim if mask.any() else mask
    return np.asarray(mask), np.asarray((possibly & ~surely)[number] | (stain[2] & ~near))
