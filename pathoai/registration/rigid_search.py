"""Where one section lies on another slide, from nothing: any turn, mirrored or not, any place.

Both slides are shrunk until the tissue spans a hundred pixels or two. The moving one is turned in
small steps, mirrored and not, and correlated with the fixed one at all places at once by FFT; local
contrast is made alike before, so that nuclei count as much as the outline. What correlates best is
then judged by squares of tissue, each sought by itself (`affine.refine_at`): correlation alone
cannot tell the same section from one with a similar outline. SIFT with RANSAC on the same
planes was measured beside it: as good on generated twins at twice the time, and lost on all of six
real pairs of neighbouring sections, of which this search aligns all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.registration.affine import refine_affine
from pathoai.registration.affine_map import IDENTITY, AffineMap, about, turn
from pathoai.registration.agreement import Evidence
from pathoai.registration.believable import is_believable
from pathoai.registration.block_matching import sample
from pathoai.registration.structure import StructureImage

_BATCH = 12
# Nats: where so much speaks for one candidate, the others need not be looked at.
_CERTAIN = 60.0
_SCALE_STEP = 1.15
_LARGEST_SCALE = 4.0
_SMOOTHING_PX = 1.0
_SURROUNDINGS_PX = 8.0
# Of the tissue's own variance: fainter contrast than that is noise, and stays faint.
_FAINT = 0.1


@dataclass(frozen=True)
class Effort:
    """How closely one scale is searched.

    Args:
        across_px: The tissue spans about as many pixels.
        step_degrees: Between two turns.
        candidates: How many of what correlates best are judged.
    """

    across_px: int
    step_degrees: float
    candidates: int


STATED = Effort(across_px=144, step_degrees=4.0, candidates=8)
"""At the scale that the slides state."""
UNSTATED = Effort(across_px=96, step_degrees=6.0, candidates=3)
"""At each of the twenty others, which must be far more certain anyway."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A similarity that correlates better than its neighbours.

    Args:
        affine: µm of the fixed slide to µm of the moving one.
        correlation: Of both slides' local contrast under it, -1 to 1.
    """

    affine: AffineMap
    correlation: float


def find_start(
    fixed: StructureImage, moving: StructureImage, *, device: torch.device
) -> tuple[AffineMap, Evidence]:
    """The similarity that carries the fixed slide's tissue to the moving slide's.

    Scales as the slides state them are believed first. Where nothing is believable at that, ×0.25
    to ×4 of it is searched; a scale that no slide states takes far more evidence.

    Args:
        fixed: The slide whose frame the map starts from.
        moving: The slide it leads to.
        device: Where it is computed.

    Returns:
        Affine map, µm of the fixed slide to µm of the moving one, and what speaks for it. The
        evidence may be weak: whether to believe it is for `believable` to say.
    """
    best = IDENTITY, Evidence(())
    for found in _judged(fixed, moving, 1.0, device):
        best = max(best, found, key=_strength)
        if _strength(best) >= _CERTAIN:
            break
    if is_believable(best[1]):
        return best
    for scale in _other_scales(fixed, moving):
        for found in _judged(fixed, moving, scale, device):
            if is_believable(found[1]) and _strength(found) >= _CERTAIN:
                return found
    return best


def _strength(found: tuple[AffineMap, Evidence]) -> float:
    return found[1].best.strength


def _other_scales(fixed: StructureImage, moving: StructureImage) -> list[float]:
    """Scales but 1, from the one that makes the areas of tissue equal outwards."""
    likely = np.log(np.sqrt(moving.tissue_um2 / fixed.tissue_um2))
    steps = int(np.log(_LARGEST_SCALE) / np.log(_SCALE_STEP) + 0.5)
    others = [_SCALE_STEP**step for step in range(-steps, steps + 1) if step]
    return sorted(others, key=lambda scale: abs(np.log(scale) - likely))


def _judged(
    fixed: StructureImage, moving: StructureImage, scale: float, device: torch.device
) -> Iterator[tuple[AffineMap, Evidence]]:
    """The candidates of one scale, refined a little, the best correlated first."""
    effort = STATED if scale == 1 else UNSTATED
    mpp = _coarse_mpp(fixed, moving, scale, effort)
    near, far = fixed.near(mpp / 2), moving.near(mpp / 2 * scale)
    for candidate in candidates(fixed, moving, scale, effort, device=device):
        yield refine_affine(near, far, candidate.affine, device=device, finest_mpp=mpp / 2)


def _coarse_mpp(
    fixed: StructureImage, moving: StructureImage, scale: float, effort: Effort
) -> float:
    """The scale at which both are correlated, µm of the fixed slide per pixel."""
    extent = max(fixed.extent_um, moving.extent_um / scale)
    return max(extent / effort.across_px, fixed.mpp, moving.mpp / scale)


def candidates(
    fixed: StructureImage,
    moving: StructureImage,
    scale: float,
    effort: Effort,
    *,
    device: torch.device,
) -> list[Candidate]:
    """The similarities of one scale that correlate best, the best first.

    Args:
        fixed: As in `find_start`.
        moving: Likewise.
        scale: µm of the moving slide per µm of the fixed one.
        effort: How closely to search.
        device: Where it is computed.
    """
    mpp = _coarse_mpp(fixed, moving, scale, effort)
    search = _Search.of(fixed, moving, scale, mpp, device)
    found = []
    for mirrored in (False, True):
        degrees = np.arange(0.0, 360.0, effort.step_degrees)
        tried = search.correlate(degrees, mirrored=mirrored)
        heights = np.array([one.correlation for one in tried])
        peaks = (heights >= np.roll(heights, 1)) & (heights > np.roll(heights, -1))
        found += [tried[at] for at in np.flatnonzero(peaks)]
    return sorted(found, key=lambda one: -one.correlation)[: effort.candidates]


@dataclass(frozen=True, eq=False)
class _Search:
    """Correlates turned copies of one image with another, at one scale."""

    spectrum: torch.Tensor
    norm: float
    size: tuple[int, int]
    corner_um: NDArray[np.float64]
    contrast: StructureImage
    middle_um: NDArray[np.float64]
    side_px: int
    mpp: float
    scale: float
    device: torch.device

    @classmethod
    def of(
        cls,
        fixed: StructureImage,
        moving: StructureImage,
        scale: float,
        mpp: float,
        device: torch.device,
    ) -> _Search:
        """Prepare what all turns share."""
        contrast = local_contrast(moving.near(mpp * scale))
        left, top, right, bottom = contrast.tissue_box_um
        middle = np.array([left + right, top + bottom]) / 2
        side = int(np.hypot(right - left, bottom - top) / (scale * mpp)) + 2 * int(_SURROUNDINGS_PX)
        own = _on_scale(local_contrast(fixed.near(mpp)), mpp, device)
        height, width = own.plane.shape
        size = (_fast(height + side), _fast(width + side))
        return cls(
            spectrum=torch.fft.rfft2(own.plane, s=size),
            norm=float(own.plane.norm()),
            size=size,
            corner_um=own.corner_um,
            contrast=contrast,
            middle_um=middle,
            side_px=side,
            mpp=mpp,
            scale=scale,
            device=device,
        )

    @torch.no_grad()
    def correlate(self, degrees: NDArray[np.float64], *, mirrored: bool) -> list[Candidate]:
        """The best place of each turn."""
        linears = [turn(angle, mirrored=mirrored, scale=self.scale) for angle in degrees]
        found: list[Candidate] = []
        for first in range(0, len(linears), _BATCH):
            some = linears[first : first + _BATCH]
            planes = torch.cat([self._turned(linear) for linear in some])
            product = self.spectrum * torch.fft.rfft2(planes, s=self.size).conj()
            scores = torch.fft.irfft2(product, s=self.size).flatten(1)
            heights, places = scores.max(dim=1)
            heights /= planes.flatten(1).norm(dim=1).clamp_min(1e-6) * self.norm
            found += [
                self._candidate(linear, int(place), float(height))
                for linear, place, height in zip(some, places, heights, strict=True)
            ]
        return found

    def _turned(self, linear: NDArray[np.float64]) -> torch.Tensor:
        """The moving slide's tissue on the fixed slide's raster, ``(1, side, side)``."""
        affine = about(linear, np.zeros(2), self.middle_um)
        return sample(self.contrast, affine, np.zeros((1, 2)), self.mpp, self.side_px, self.device)

    def _candidate(self, linear: NDArray[np.float64], place: int, correlation: float) -> Candidate:
        """The similarity of a turn that is found at a place of the correlation."""
        shift = np.array([place % self.size[1], place // self.size[1]], np.float64)
        # Beyond the fixed image's own size, the correlation has wrapped around.
        size = np.array([self.size[1], self.size[0]])
        shift = np.where(shift > size - self.side_px, shift - size, shift)
        middle = self.corner_um + (shift + self.side_px / 2) * self.mpp
        return Candidate(about(linear, middle, self.middle_um), correlation)


@dataclass(frozen=True, eq=False)
class _Plane:
    plane: torch.Tensor
    corner_um: NDArray[np.float64]


def _on_scale(image: StructureImage, mpp: float, device: torch.device) -> _Plane:
    """The box about the tissue, with what surrounds it, at just one scale."""
    left, top, right, bottom = image.tissue_box_um
    margin = _SURROUNDINGS_PX * mpp
    middle = np.array([[left + right, top + bottom]]) / 2
    side = int((max(right - left, bottom - top) + 2 * margin) / mpp)
    plane = sample(image, np.eye(2, 3), middle, mpp, side, device)[0]
    return _Plane(plane, middle[0] - side * mpp / 2)


def local_contrast(image: StructureImage) -> StructureImage:
    """How far each pixel lies above what surrounds it, in deviations of what surrounds it.

    Args:
        image: Any; contrast is that of its own pixels.
    """
    values = ndimage.gaussian_filter(image.values, _SMOOTHING_PX, mode="constant")
    mean = ndimage.gaussian_filter(values, _SURROUNDINGS_PX, mode="constant")
    square = ndimage.gaussian_filter(values**2, _SURROUNDINGS_PX, mode="constant")
    variance = np.maximum(square - mean**2, 0)
    faint = _FAINT * float(variance[image.tissue].mean()) + 1e-9
    contrast = (values - mean) / np.sqrt(variance + faint)
    return StructureImage(contrast.astype(np.float32), image.tissue, image.mpp, image.of)


def _fast(length: int) -> int:
    """A length from there on whose Fourier transform is quick."""
    from scipy import fft

    return int(fft.next_fast_len(length, real=True))
