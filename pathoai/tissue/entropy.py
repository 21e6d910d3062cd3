"""Tissue by its texture: glass is even and tissue is not, however pale its stain.

Shannon CE. A mathematical theory of communication. Bell Syst Tech J 1948. The entropy is that of
grey levels within a window, counted from the window's own mean: shadows, lamps and vignettes have
none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.tissue.blocks import Block, Picture, Place, in_blocks, look_at_blocks
from pathoai.tissue.fragments import closed
from pathoai.tissue.otsu import Bounds, above_threshold
from pathoai.tissue.pieces import Pieces
from pathoai.tissue.planes import empty_plane
from pathoai.tissue.saturation import margin_of, saturation

_LEVELS_EACH_SIDE = 6
# Within three deviations on each side lie 99.7 % of normal noise: 0.03 bits.
_STEP_PER_NOISE = 6.0
# Louder than this is no camera: the picture is tissue all over.
_LOUDEST_NOISE = 3.0
_QUIETEST = 0.05
_FILLED_IN = 0.01
_SAMPLED = 3
# Of the colour of the slide's typical fragment: dust has a tenth, the palest tissue a half.
_LEAST_COLOUR = 0.2


@dataclass(frozen=True, slots=True)
class LocalEntropy:
    """Otsu's threshold on local entropy.

    Args:
        bounds: Of the threshold, bits; a window split in half by one edge has about 1 bit.
        window_um: Half the side of the window.
        step: Grey levels per level of the histogram, at least; on a noisy picture, as many as
            keep the noise of the glass within one.
        smoothing_um: Deviation of the blur before, against camera noise.
    """

    bounds: Bounds
    window_um: float
    step: float
    smoothing_um: float = 2.0
    dtype = np.uint8

    def margin_px(self, mpp: float) -> int:
        """How much of the picture must be shown around a block."""
        return 0

    def signal(self, block: Block, mpp: float) -> NDArray[np.uint8]:
        """The darkest channel of a block, ``(h, w)`` uint8."""
        return np.asarray(block.pixels[block.inner].min(axis=2))

    def find(
        self,
        signal: NDArray[np.uint8],
        foreign: NDArray[np.bool_],
        picture: Picture,
        mpp: float,
    ) -> NDArray[np.bool_]:
        """Where there is texture, ``(H, W)`` bool.

        Args:
            signal: ``(H, W)`` uint8, of all blocks.
            foreign: ``(H, W)`` bool: ink and the like, neither glass nor tissue.
            picture: ``(H, W, 3)`` uint8, whose colours tell dust.
            mpp: Scale of all, µm per pixel.
        """
        reach = max(1, round(self.window_um / mpp))
        sigma = self.smoothing_um / mpp
        step = max(self.step, _STEP_PER_NOISE * _noise(signal, sigma, reach))

        entropy = _textured(signal, sigma, reach, step)
        mask = above_threshold(entropy, self.bounds, foreign)
        del entropy  # a plane of the whole picture: the next one takes its place
        return without_dust(mask, picture, sigma)


def _noise(darkest: NDArray[np.uint8], sigma_px: float, reach_px: int) -> float:
    """Deviation of the noise where the picture is quietest, grey levels."""

    def of_block(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        grey = ndimage.gaussian_filter(pixels, sigma_px, output=np.float32)
        side = 2 * reach_px + 1
        deviation = grey - ndimage.uniform_filter(grey, side)
        return np.asarray(ndimage.uniform_filter(deviation**2, side), dtype=np.float32)

    variance = in_blocks(of_block, darkest, 3 * reach_px + margin_of(sigma_px), np.float16)
    # What a file fills in where nothing was scanned has no noise at all, and says nothing.
    sample = variance[::_SAMPLED, ::_SAMPLED].astype(np.float32)
    real = sample[sample > _FILLED_IN]
    if not real.size:
        return 0.0
    return min(float(np.sqrt(np.quantile(real, _QUIETEST))), _LOUDEST_NOISE)


def _textured(
    darkest: NDArray[np.uint8], sigma_px: float, reach_px: int, step: float
) -> NDArray[np.float16]:
    """Entropy of the windows about all that is darker than the glass beside it, ``(H, W)``."""
    entropy = empty_plane(darkest.shape, np.float16)

    def look(block: Block) -> None:
        grey = ndimage.gaussian_filter(block.pixels, sigma_px, output=np.float32)
        # A window sees tissue from afar: what is as bright as the glass beside it is glass.
        dark = grey < ndimage.maximum_filter(grey, 2 * reach_px + 1) - step
        dark = closed(dark, reach_px)[block.inner]
        if dark.any():
            found = local_entropy(grey, reach_px, step, block.inner)
            entropy[block.place] = np.where(dark, found, np.float32(0))

    look_at_blocks(look, darkest, 4 * reach_px + margin_of(sigma_px))
    return entropy


def local_entropy(
    grey: NDArray[np.float32], reach_px: int, step: float, inner: Place | None = None
) -> NDArray[np.float32]:
    """Entropy of the deviations from the mean, within a square window.

    Args:
        grey: ``(H, W)`` float32.
        reach_px: Half the side of the window.
        step: Grey levels per level of the histogram.
        inner: Rows and columns that are wanted; all of them by default.

    Returns:
        ``(h, w)`` float32, bits, 0 to log2(13).
    """
    side = 2 * reach_px + 1
    deviation = grey - ndimage.uniform_filter(grey, side)
    limit = _LEVELS_EACH_SIDE
    level = np.clip(np.round(deviation / step), -limit, limit).astype(np.int8)
    rows, columns = inner or (slice(0, grey.shape[0]), slice(0, grey.shape[1]))
    level = np.pad(level, reach_px, mode="symmetric")[
        rows.start : rows.stop + 2 * reach_px, columns.start : columns.stop + 2 * reach_px
    ]
    shares = np.arange(1, side**2 + 1) / side**2
    bits = np.append(0, -shares * np.log2(shares)).astype(np.float32)
    entropy = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.float32)
    for value in range(-limit, limit + 1):
        alike = level == value
        if alike.any():
            entropy += bits[_counts(alike, side)]
    return entropy


def _counts(mask: NDArray[np.bool_], side: int) -> NDArray[np.unsignedinteger]:
    """How many pixels are set in each square window that lies in a mask."""
    wide = np.uint16 if side**2 < 2**16 else np.uint32
    counted: NDArray[np.unsignedinteger] = mask.astype(wide)
    # Rows that lie together in memory add up five times as fast as rows that do not.
    down: NDArray[np.unsignedinteger] = np.ascontiguousarray(_sums_down(counted, side).T)
    counts: NDArray[np.unsignedinteger] = np.ascontiguousarray(_sums_down(down, side).T)
    return counts


def _sums_down(plane: NDArray[np.unsignedinteger], length: int) -> NDArray[np.unsignedinteger]:
    """Sums of a number of pixels along the first axis, put together from windows that double."""
    last = len(plane) - length + 1
    found = np.zeros((last, *plane.shape[1:]), plane.dtype)
    start, window = 0, 1
    while True:
        if length & window:
            found += plane[start : start + last]
            start += window
        if start == length:
            return found
        plane = plane[:-window] + plane[window:]
        window *= 2


def without_dust(mask: NDArray[np.bool_], picture: Picture, sigma_px: float) -> NDArray[np.bool_]:
    """Leave out fragments that have no colour beside the others: dust, air, scratches.

    Fragments of one slide share one stain, so they are compared with each other and never with a
    number: on a slide that is pale all over, nothing is lost.
    """
    pieces = Pieces(mask, corners=True)
    if pieces.count < 2:
        return mask
    area = pieces.area_px[1:]
    colour = pieces.totals(saturation(picture, sigma_px, mask))[1:] / area
    order = np.argsort(colour)
    middle = int(np.searchsorted(np.cumsum(area[order]), area.sum() / 2))
    return pieces.selected(np.append(False, colour >= _LEAST_COLOUR * colour[order[middle]]))
