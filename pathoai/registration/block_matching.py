"""Small squares of one slide sought on the other, near where a map says they are.

Normalised cross-correlation (Lewis 1995), of many squares at once by FFT.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.registration.affine_map import IDENTITY, AffineMap, apply
from pathoai.registration.structure import StructureImage

SIDE_PX = 32
REACH_PX = 16
_MOST_SQUARES = 256
_MOST_PLACES = 4096
_LEAST_TISSUE = 0.25
_INNER_TISSUE = 0.9
# Of the variance of all squares: what varies less is blank, and would correlate as noise does.
_FAINT = 0.02
_PEAK_PX = 3


@dataclass(frozen=True, eq=False)
class Matches:
    """Where squares of the fixed slide were found.

    Args:
        centres_um: ``(N, 2)`` float64, centres of the squares, µm of the fixed slide.
        shifts_um: ``(N, 2)`` float64: what lies at a centre lies, on the other slide, where the
            map sends centre + shift.
        similarity: ``(N,)`` float64, correlation there, -1 to 1.
        distinctness: ``(N,)`` float64, by how much it exceeds that of any other place, 0 to 2.
        inner: ``(N,)`` bool: nearly all tissue on both slides, so that it shows no outline.
        mpp: Scale of the pixels that were compared, µm.
        reach_um: How far a square was sought along each axis.
    """

    centres_um: NDArray[np.float64]
    shifts_um: NDArray[np.float64]
    similarity: NDArray[np.float64]
    distinctness: NDArray[np.float64]
    inner: NDArray[np.bool_]
    mpp: float
    reach_um: float

    def __len__(self) -> int:
        """How many squares were sought."""
        return len(self.centres_um)


@torch.no_grad()
def match_blocks(
    fixed: StructureImage,
    moving: StructureImage,
    affine: AffineMap,
    *,
    mpp: float,
    device: torch.device,
) -> Matches:
    """Seek squares of tissue of the fixed slide on the moving one.

    Args:
        fixed: Whose squares are sought.
        moving: Where.
        affine: µm of the fixed slide to µm of the moving one.
        mpp: Scale at which they are compared, µm of the fixed slide; no finer than either image.
        device: Where it is computed.

    Returns:
        One match for each square that lies on tissue of both slides.
    """
    scale = float(np.sqrt(abs(np.linalg.det(affine[:, :2]))))
    near, far = fixed.near(mpp), moving.near(mpp * scale)
    centres, inner = _centres(near, far, affine, mpp)
    if not len(centres):
        empty = np.empty((0, 2))
        return Matches(empty, empty, np.empty(0), np.empty(0), inner, mpp, REACH_PX * mpp)
    templates = sample(near, IDENTITY, centres, mpp, SIDE_PX, device)
    windows = sample(far, affine, centres, mpp, SIDE_PX + 2 * REACH_PX, device)
    faint = _FAINT * float(templates.var())
    scores = correlation(templates, windows, faint=faint)
    shift_px, similarity, distinctness = _peaks(scores)
    return Matches(centres, shift_px * mpp, similarity, distinctness, inner, mpp, REACH_PX * mpp)


def _centres(
    fixed: StructureImage, moving: StructureImage, affine: AffineMap, mpp: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Centres of squares with tissue on both slides, ``(N, 2)`` µm, and which are inner."""
    left, top, right, bottom = fixed.tissue_box_um
    side = SIDE_PX * mpp
    step = max(side / 2, float(np.sqrt((right - left) * (bottom - top) / _MOST_PLACES)))
    x, y = (
        (low + high) / 2 + step * (np.arange(count) - (count - 1) / 2)
        for low, high in ((left, right), (top, bottom))
        for count in (max(1, round((high - low) / step) - 1),)
    )
    centres = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    inner = np.stack(np.meshgrid(*[(np.arange(6) - 2.5) * side / 6] * 2), axis=-1).reshape(-1, 2)
    points = centres[:, None] + inner
    covered = np.minimum(
        _at(fixed, points).mean(axis=1), _at(moving, apply(affine, points)).mean(axis=1)
    )
    chosen = np.flatnonzero(covered >= _LEAST_TISSUE)
    if len(chosen) > _MOST_SQUARES:
        chosen = chosen[np.linspace(0, len(chosen) - 1, _MOST_SQUARES).astype(np.intp)]
    return np.asarray(centres[chosen], np.float64), covered[chosen] >= _INNER_TISSUE


def _at(image: StructureImage, points_um: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether there is tissue at points ``(..., 2)``."""
    places = np.floor(points_um / image.mpp).astype(np.intp)
    height, width = image.tissue.shape
    inside = (places >= 0).all(axis=-1) & (places < [width, height]).all(axis=-1)
    columns = np.clip(places[..., 0], 0, width - 1)
    rows = np.clip(places[..., 1], 0, height - 1)
    return np.asarray(image.tissue[rows, columns] & inside)


def sample(
    image: StructureImage,
    affine: AffineMap,
    centres_um: NDArray[np.float64],
    mpp: float,
    side_px: int,
    device: torch.device,
) -> torch.Tensor:
    """Squares of another slide's raster, read from this one linearly; 0 outside of it.

    Args:
        image: What is read.
        affine: µm of the raster to µm of the image.
        centres_um: ``(N, 2)``, centres of the squares in µm of the raster.
        mpp: Scale of the raster.
        side_px: Side of the squares.
        device: Where it is computed.

    Returns:
        ``(N, side_px, side_px)`` float32 on the device.
    """
    offsets = (np.arange(side_px) - (side_px - 1) / 2) * mpp
    height, width = image.values.shape
    # From µm to grid_sample's -1 to 1, which are edges of the image as µm are.
    scale = 2 / (np.array([width, height]) * image.mpp)
    middles = apply(affine, centres_um) * scale - 1
    places = np.empty((len(centres_um), side_px, side_px, 2), np.float32)
    for axis in range(2):
        across, down = np.multiply.outer(affine[axis, :2] * scale[axis], offsets)
        rows = middles[:, axis, None] + down
        np.add(rows[..., None], across, out=places[..., axis], casting="same_kind")
    grid = torch.from_numpy(places).to(device)
    plane = torch.from_numpy(image.values).to(device)
    found = torch.nn.functional.grid_sample(
        plane[None, None], grid.view(1, -1, side_px, 2), align_corners=False
    )
    return found.view(len(centres_um), side_px, side_px)


def correlation(templates: torch.Tensor, windows: torch.Tensor, *, faint: float) -> torch.Tensor:
    """Pearson's correlation of squares with every place of a window each.

    Args:
        templates: ``(N, B, B)``.
        windows: ``(N, P, P)``.
        faint: Added to both variances: what varies less is noise.

    Returns:
        ``(N, P - B + 1, P - B + 1)``.
    """
    side = templates.shape[-1]
    centred = templates - templates.mean(dim=(1, 2), keepdim=True)
    # Without their mean, windows keep the digits that their variance needs.
    windows = windows - windows.mean(dim=(1, 2), keepdim=True)
    size = windows.shape[-2:]
    spectrum = torch.fft.rfft2(windows) * torch.fft.rfft2(centred, s=size).conj()
    places = windows.shape[-1] - side + 1
    products = torch.fft.irfft2(spectrum, s=size)[:, :places, :places] / side**2
    mean, square = (_box_means(plane, side) for plane in (windows, windows.square()))
    spread = (square - mean.square()).clamp_min(0) + faint
    own = centred.square().mean(dim=(1, 2), keepdim=True) + faint
    return torch.div(products, (spread * own).clamp_min(1e-12).sqrt())


def _box_means(planes: torch.Tensor, side: int) -> torch.Tensor:
    """Means over all squares of a side that lie within ``(N, H, W)`` planes."""
    return _sums(_sums(planes, side, dim=1), side, dim=2) / side**2


def _sums(planes: torch.Tensor, length: int, *, dim: int) -> torch.Tensor:
    """Sums of a number of neighbours along an axis, put together from sums that double."""
    last = planes.shape[dim] - length + 1
    found = torch.zeros_like(planes.narrow(dim, 0, last))
    start, window = 0, 1
    while True:
        if length & window:
            found += planes.narrow(dim, start, last)
            start += window
        if start == length:
            return found
        shorter = planes.shape[dim] - window
        planes = planes.narrow(dim, 0, shorter) + planes.narrow(dim, window, shorter)
        window *= 2


def _peaks(
    scores: torch.Tensor,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Shift ``(N, 2)`` in pixels, height ``(N,)`` and distinctness ``(N,)`` of the highest peak."""
    count, side = len(scores), scores.shape[-1]
    best = scores.view(count, -1).argmax(dim=1)
    rows, columns = best // side, best % side
    height = scores.view(count, -1).gather(1, best[:, None])[:, 0]
    axis = torch.arange(side, device=scores.device)
    near = ((axis - rows[:, None]).abs() <= _PEAK_PX)[:, :, None]
    near = near & ((axis - columns[:, None]).abs() <= _PEAK_PX)[:, None, :]
    second = scores.masked_fill(near, -1.0).view(count, -1).amax(dim=1)
    shift = torch.stack(
        [_between(scores, rows, columns, (0, 1)), _between(scores, rows, columns, (1, 0))], dim=1
    )
    shift += torch.stack([columns, rows], dim=1) - (side - 1) / 2
    return (
        shift.double().cpu().numpy(),
        height.double().cpu().numpy(),
        (height - second).double().cpu().numpy(),
    )


def _between(
    scores: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, step: tuple[int, int]
) -> torch.Tensor:
    """Where a parabola through a peak and its neighbours is highest, -0.5 to 0.5 px."""
    last, at = scores.shape[-1] - 1, torch.arange(len(scores), device=scores.device)
    below, here, above = (
        scores[
            at, (rows + sign * step[0]).clamp(0, last), (columns + sign * step[1]).clamp(0, last)
        ]
        for sign in (-1, 0, 1)
    )
    bend = (2 * here - below - above).clamp_min(1e-6)
    return ((above - below) / (2 * bend)).clamp(-0.5, 0.5)
