"""From the map of a network to numbered objects: one seed per summit, grown down to the rim.

Seeded watershed: Beucher S, Meyer F. The morphological approach to segmentation. 1993. A summit
counts where a saddle of some depth parts it from any higher one (h-maxima: Soille P. Morphological
image analysis. 2003). Heights are those of the network's map, which knows no sizes, and of the
foreground's own depth, which does: a large nucleus is rough, but has one deepest place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.inference.flooding import flooded


@dataclass(frozen=True, slots=True)
class InstancePolicy:
    """How objects are told apart.

    Args:
        foreground: Least probability of being any object.
        saddle: Least depth between two summits of the height that are two objects.
        depth_per_um: Height that each µm between a pixel and the foreground's rim adds to the map.
        smoothing_um: Deviation of the blur before summits are sought.
        largest_hole_um2: Larger holes stay: tissue between objects, not chromatin within one.
        smallest_um2: Smaller objects are noise: the nuclei of lymphocytes cover about 20 µm².
        least_mean: An object whose mean probability over its pixels is lower is a doubt, not an
            object: what is in focus is mostly certain, whatever its rim.
    """

    foreground: float = 0.5
    saddle: float = 0.1
    depth_per_um: float = 0.05
    smoothing_um: float = 0.5
    largest_hole_um2: float = 12.0
    smallest_um2: float = 8.0
    least_mean: float = 0.7

    def __post_init__(self) -> None:
        """Refuse thresholds that nothing, or everything, would pass."""
        if not 0 < self.saddle < math.inf:
            raise InvalidValueError("InstancePolicy.saddle", found=self.saddle, allowed="above 0")
        for name in ("foreground", "least_mean"):
            if not 0 <= getattr(self, name) < 1:
                raise InvalidValueError(
                    f"InstancePolicy.{name}", found=getattr(self, name), allowed="0 to below 1"
                )
        for name in ("depth_per_um", "smoothing_um", "largest_hole_um2", "smallest_um2"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InvalidValueError(
                    f"InstancePolicy.{name}", found=getattr(self, name), allowed="0 or more"
                )


_POLICY = InstancePolicy()
_ALMOST = 0.999  # float32 rounds the flooded map


def find_instances(
    foreground: NDArray[np.float32],
    maps: NDArray[np.float32],
    *,
    mpp: float,
    policy: InstancePolicy = _POLICY,
) -> NDArray[np.uint32]:
    """Number the objects of an image.

    Args:
        foreground: ``(H, W)`` float32, probability of being any object.
        maps: ``(1, H, W)`` float32, distance of :mod:`pathoai.models.instance_maps`.
        mpp: Scale, µm per pixel.
        policy: Thresholds.

    Returns:
        ``(H, W)`` uint32 from 1 upward, 0 outside objects.
    """
    from scipy import ndimage
    from skimage.morphology import remove_small_holes
    from skimage.segmentation import watershed

    mask = remove_small_holes(
        foreground > policy.foreground, max_size=int(policy.largest_hole_um2 / mpp**2)
    )
    depth_um = ndimage.distance_transform_edt(mask) * mpp
    height = maps[0] + np.float32(policy.depth_per_um) * depth_um.astype(np.float32)
    height = ndimage.gaussian_filter(height, policy.smoothing_um / mpp)
    summits = (height - flooded(height, policy.saddle) >= _ALMOST * policy.saddle) & mask
    seeds, count = ndimage.label(summits, np.ones((3, 3)))
    # A piece in which no summit shows is one object: nothing that was seen is dropped for that.
    pieces, _ = ndimage.label(mask)
    seeded = np.unique(pieces[seeds > 0])
    alone = mask & ~np.isin(pieces, seeded)
    seeds = np.where(alone, pieces + count, seeds)
    grown = watershed(-height, seeds, mask=mask)
    area_px = np.bincount(grown.ravel())
    total = np.bincount(grown.ravel(), weights=foreground.ravel())
    keep = area_px >= policy.smallest_um2 / mpp**2
    return _renumbered(grown, keep & (total >= policy.least_mean * area_px))


def _renumbered(numbers: NDArray[np.integer], keep: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Consecutive numbers of what is kept."""
    keep[0] = False
    new = np.where(keep, np.cumsum(keep), 0).astype(np.uint32)
    return np.asarray(new[numbers])


def classes_of_instances(
    numbers: NDArray[np.uint32], probabilities: NDArray[np.float32]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The class of each object, by the mean probability over its pixels.

    Args:
        numbers: ``(H, W)`` uint32, 1 to n.
        probabilities: ``(C, H, W)`` float32, background first.

    Returns:
        ``(n,)`` uint8 channel, 1 or more, and ``(n,)`` float32 its share of the probability of
        all classes but background.
    """
    count = int(numbers.max(initial=0))
    inside = numbers > 0
    where = numbers[inside] - 1
    sums = np.stack(
        [np.bincount(where, weights=p[inside], minlength=count) for p in probabilities[1:]]
    )
    winner = sums.argmax(0)
    share = sums.max(0) / np.maximum(sums.sum(0), 1e-12)
    return (winner + 1).astype(np.uint8), share.astype(np.float32)


def apart(numbers: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Objects with a line of one pixel between those that touch, ``(H, W)`` bool.

    Of two neighbours the one with the greater number gives up its rim, so that in a class map
    every object is one connected region.

    Args:
        numbers: ``(H, W)`` uint32, 0 outside objects.
    """
    keep = numbers > 0
    height, width = numbers.shape
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        here = np.s_[: height - dy, max(0, -dx) : width - max(0, dx)]
        there = np.s_[dy:, max(0, dx) : width + min(0, dx)]
        one, other = numbers[here], numbers[there]
        touch = (one != other) & (one > 0) & (other > 0)
        keep[here] &= ~(touch & (one > other))
        keep[there] &= ~(touch & (other > one))
    return keep
