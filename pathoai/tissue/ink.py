"""What is neither glass nor tissue, by its colour: pen ink, and the black around the glass.

Optical densities of layers add (Beer and Lambert), and no stain of histology absorbs red much more
than green: hematoxylin has the ratio 0.9, at most 1.2 on any scanner. Blue and green inks have 1.3
and more, even diluted. Tissue under ink falls back below it, and stays tissue: it is for quality
control to report, since whoever marked it had a reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathoai.tissue.blocks import Block, Picture, Place, in_blocks, look_at_blocks
from pathoai.tissue.fragments import dilated
from pathoai.tissue.pieces import Pieces
from pathoai.tissue.planes import empty_plane

_SMOOTHING_UM = 4.0
_RED_PER_GREEN = 1.28
# Tissue under ink has at most this much of the ratio of the ink alone.
_RATIO_OVER_TISSUE = 0.85
_PUREST = 0.95
# Red ink has the hue of eosin and blood. Only what is denser than either counts, and lets
# through almost all red.
_RED_INK_RED_PER_GREEN = 0.16
_RED_INK_BLUE_PER_GREEN = 0.75
_RED_INK_DENSE_OD = 0.8
_DILUTE_OD = 0.05
_DENSE_OD = 0.3
_SMALLEST_STROKE_UM2 = 2_000.0
# Carbon, coal and the slide's rim absorb all colours alike; the darkest stain does not.
_BLACK_OD = 0.6
_BLACK_LEAST_PER_MOST = 0.78


class ForeignColours:
    """Ink and black, gathered block by block; known once every block was shown.

    Args:
        shape: Height and width of the picture.
        mpp: Its scale, µm per pixel.
    """

    def __init__(self, shape: tuple[int, ...], mpp: float) -> None:
        """Nothing is known yet."""
        self._shape = shape[:2]
        self._mpp = mpp
        self._black = empty_plane(self._shape, np.bool_)
        self._inks: list[_InkPixels] = []

    @property
    def margin_px(self) -> int:
        """How much of the picture must be shown around a block."""
        return int(4 * _SMOOTHING_UM / self._mpp) + 1

    def look(self, block: Block) -> None:
        """See a block; from several threads."""
        densities = block.densities(_SMOOTHING_UM / self._mpp)
        least, most = densities.min(axis=0), densities.max(axis=0)
        black = (least > _BLACK_OD) & (least > _BLACK_LEAST_PER_MOST * most)
        if black.any():
            self._black[block.place] = black
        inks = _InkPixels.of(densities, block.place)
        if inks.ratio.size:
            self._inks.append(inks)

    def ink_on_glass(self, rim_px: int = 0) -> NDArray[np.bool_]:
        """Blue, green and red pen ink that has no tissue under it, ``(H, W)`` bool.

        Args:
            rim_px: How much around it is taken for ink as well.
        """
        ink = empty_plane(self._shape, np.bool_)
        if not self._inks:
            return ink
        found = _InkPixels.joined(self._inks).alone()
        ink[tuple(found.place)] = True
        strokes = Pieces(ink, corners=True)
        ink[tuple(found.place)] = found.dense
        dense_px = strokes.totals(ink)
        ink = strokes.selected(dense_px * self._mpp**2 >= _SMALLEST_STROKE_UM2)
        return _with_rim(ink, rim_px)

    def black(self, rim_px: int = 0) -> NDArray[np.bool_]:
        """The black around the glass, black ink and grains of carbon, ``(H, W)`` bool.

        Args:
            rim_px: How much around it is taken for black as well.
        """
        return _with_rim(self._black, rim_px)


@dataclass(frozen=True, eq=False)
class _InkPixels:
    """Pixels of the colour of ink: few, so that they are listed.

    Args:
        place: ``(2, N)`` int32, rows and columns in the picture.
        cool: ``(N,)`` bool: blue or green, else red.
        dense: ``(N,)`` bool: not diluted.
        ratio: ``(N,)`` float32: red per green.
    """

    place: NDArray[np.int32]
    cool: NDArray[np.bool_]
    dense: NDArray[np.bool_]
    ratio: NDArray[np.float32]

    @classmethod
    def of(cls, densities: NDArray[np.float32], place: Place) -> _InkPixels:
        """Those of a block, given its densities ``(3, h, w)`` float32."""
        red, green, blue = densities
        cool = (red > _RED_PER_GREEN * green) & (red > _DILUTE_OD)
        warm = (
            (red < _RED_INK_RED_PER_GREEN * green)
            & (blue > _RED_INK_BLUE_PER_GREEN * green)
            & (green > _DENSE_OD)
        )
        rows, columns = np.nonzero(cool | warm)
        red, green, cool = red[rows, columns], green[rows, columns], cool[rows, columns]
        return cls(
            np.array([rows + place[0].start, columns + place[1].start], np.int32),
            cool,
            np.where(cool, red > _DENSE_OD, green > _RED_INK_DENSE_OD),
            red / np.maximum(green, np.float32(0.01)),
        )

    @classmethod
    def joined(cls, parts: Sequence[_InkPixels]) -> _InkPixels:
        """Those of all parts."""
        return cls(
            np.concatenate([part.place for part in parts], axis=1),
            np.concatenate([part.cool for part in parts]),
            np.concatenate([part.dense for part in parts]),
            np.concatenate([part.ratio for part in parts]),
        )

    def alone(self) -> _InkPixels:
        """Without the blue and green whose red per green is far from that of the purest."""
        pure = self.ratio[self.cool & self.dense]
        least = _RATIO_OVER_TISSUE * float(np.quantile(pure, _PUREST)) if pure.size else 0.0
        keep = ~self.cool | (self.ratio > least)
        return _InkPixels(self.place[:, keep], self.cool[keep], self.dense[keep], self.ratio[keep])


def _with_rim(mask: NDArray[np.bool_], rim_px: int) -> NDArray[np.bool_]:
    def dilate(part: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return dilated(part, rim_px)

    return in_blocks(dilate, mask, rim_px, np.bool_)


def ink_on_glass(picture: Picture, mpp: float) -> NDArray[np.bool_]:
    """Blue, green and red pen ink that has no tissue under it, ``(H, W)`` bool.

    Args:
        picture: ``(H, W, 3)`` uint8.
        mpp: Its scale, µm per pixel.
    """
    colours = ForeignColours(picture.shape, mpp)
    look_at_blocks(colours.look, picture, colours.margin_px)
    return colours.ink_on_glass()
