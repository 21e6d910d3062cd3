"""What is neither glass nor tissue, by its colour: pen ink, and the black around the glass.

Optical densities of layers add (Beer and Lambert), and no stain of histology absorbs red much more
than green: hematoxylin has the ratio 0.9, at most 1.2 on any scanner. Blue and green inks have 1.3
and more, even diluted. Tissue under ink falls back below it, and stays tissue: it is for quality
control to report, since whoever marked it had a reason.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pathoai.tissue.blocks import Block, Picture, in_blocks, look_at_blocks
from pathoai.tissue.fragments import dilated
from pathoai.tissue.pieces import Pieces

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
# What a pixel may be, as bits.
_COOL, _WARM, _DENSE, _BLACK = 1, 2, 4, 8


class ForeignColours:
    """Ink and black, gathered block by block; known once every block was shown.

    Args:
        shape: Height and width of the picture.
        mpp: Its scale, µm per pixel.
    """

    def __init__(self, shape: tuple[int, ...], mpp: float) -> None:
        """Nothing is known yet."""
        self._mpp = mpp
        self._marks = np.zeros(shape[:2], np.uint8)
        self._cool: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []

    @property
    def margin_px(self) -> int:
        """How much of the picture must be shown around a block."""
        return int(4 * _SMOOTHING_UM / self._mpp) + 1

    def look(self, block: Block) -> None:
        """See a block; from several threads."""
        red, green, blue = densities = block.densities(_SMOOTHING_UM / self._mpp)
        least, most = densities.min(axis=0), densities.max(axis=0)
        cool = (red > _RED_PER_GREEN * green) & (red > _DILUTE_OD)
        warm = (
            (red < _RED_INK_RED_PER_GREEN * green)
            & (blue > _RED_INK_BLUE_PER_GREEN * green)
            & (green > _DENSE_OD)
        )
        dense = (cool & (red > _DENSE_OD)) | (warm & (green > _RED_INK_DENSE_OD))
        black = (least > _BLACK_OD) & (least > _BLACK_LEAST_PER_MOST * most)
        marks = cool * _COOL | warm * _WARM | dense * _DENSE | black * _BLACK
        if marks.any():
            self._marks[block.place] = marks
        if cool.any():
            ratio = red[cool] / np.maximum(green[cool], np.float32(0.01))
            corner = [[part.start] for part in block.place]
            self._cool.append((np.stack(np.nonzero(cool)) + corner, ratio))

    def ink_on_glass(self, rim_px: int = 0) -> NDArray[np.bool_]:
        """Blue, green and red pen ink that has no tissue under it, ``(H, W)`` bool.

        Args:
            rim_px: How much around it is taken for ink as well.
        """
        self._forget_tissue_under_ink()
        strokes = Pieces((self._marks & (_COOL | _WARM)) > 0, corners=True)
        dense_px = strokes.totals((self._marks & _DENSE) > 0)
        ink = strokes.selected(dense_px * self._mpp**2 >= _SMALLEST_STROKE_UM2)

        def with_rim(part: NDArray[np.bool_]) -> NDArray[np.bool_]:
            return dilated(part, rim_px)

        return in_blocks(with_rim, ink, rim_px, np.bool_)

    def black(self, rim_px: int = 0) -> NDArray[np.bool_]:
        """The black around the glass, black ink and grains of carbon, ``(H, W)`` bool.

        Args:
            rim_px: How much around it is taken for black as well.
        """

        def with_rim(marks: NDArray[np.uint8]) -> NDArray[np.bool_]:
            return dilated((marks & _BLACK) > 0, rim_px)

        return in_blocks(with_rim, self._marks, rim_px, np.bool_)

    def _forget_tissue_under_ink(self) -> None:
        """Take back marks whose red per green is far from that of the purest ink."""
        if not self._cool:
            return
        y, x = np.concatenate([place for place, _ in self._cool], axis=1)
        ratio = np.concatenate([ratio for _, ratio in self._cool])
        alone = ratio[(self._marks[y, x] & _DENSE) > 0]
        purest = float(np.quantile(alone, _PUREST)) if alone.size else 0.0
        mixed = ratio <= _RATIO_OVER_TISSUE * purest
        self._marks[y[mixed], x[mixed]] &= _BLACK
        self._cool.clear()


def ink_on_glass(picture: Picture, mpp: float) -> NDArray[np.bool_]:
    """Blue, green and red pen ink that has no tissue under it, ``(H, W)`` bool.

    Args:
        picture: ``(H, W, 3)`` uint8.
        mpp: Its scale, µm per pixel.
    """
    colours = ForeignColours(picture.shape, mpp)
    look_at_blocks(colours.look, picture, colours.margin_px)
    return colours.ink_on_glass()
