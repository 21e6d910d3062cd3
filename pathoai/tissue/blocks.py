"""A picture block by block, so that neither all of it nor floating point planes of it ever exist.

What is kept of a whole slide is a byte or two for each pixel; all else has the size of a block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pathoai.tissue.planes import Value, empty_plane

_BLOCK_PX = 256
"""Small enough that a block's planes stay in the processor's cache."""
_BLOCK_PER_MARGIN = 4
_THREADS = 2
"""SciPy's filters run without the GIL; more blocks at once would cost memory."""

Place = tuple[slice, slice]
"""Rows and columns."""


class Picture(Protocol):
    """An image ``(H, W, 3)`` uint8 RGB: an array, or a slide that is read where it is looked at."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width and 3."""
        ...

    def __getitem__(self, place: Place, /) -> NDArray[np.uint8]:
        """The pixels ``(h, w, 3)`` uint8 of some rows and columns; called from several threads."""
        ...


@dataclass(frozen=True, eq=False)
class Block:
    """A part of a picture, and what lies around it.

    Args:
        pixels: ``(h, w, …)``, uint8 of a picture, as far around the block as was asked for.
        inner: Where the block itself lies in these pixels.
        place: Where it lies in the picture.
    """

    pixels: NDArray[Any]
    inner: Place
    place: Place
    _densities: dict[float, NDArray[np.float32]] = field(default_factory=dict, repr=False)

    def densities(self, sigma_px: float) -> NDArray[np.float32]:
        """Optical density (base 10) of red, green and blue, ``(3, h, w)`` float32.

        Args:
            sigma_px: Deviation of the blur before. For each, the work is done once.
        """
        found = self._densities.get(sigma_px)
        if found is None:
            # Whoever opens a store loads this module, and need not wait for half a second of SciPy.
            from scipy import ndimage

            smooth = [
                ndimage.gaussian_filter(self.pixels[..., c], sigma_px, output=np.float32)
                for c in range(3)
            ]
            light = np.stack([plane[self.inner] for plane in smooth])
            found = self._densities[sigma_px] = -np.log10((light + 1) / 256)
        return found


def look_at_blocks(
    look: Callable[[Block], None],
    picture: Picture | NDArray[Any],
    margin_px: int,
    where: NDArray[np.bool_] | None = None,
) -> None:
    """Show the blocks of a picture, several at once.

    Args:
        look: Is shown a block; called from several threads.
        picture: An image; or one plane of it, ``(H, W)``.
        margin_px: How much is wanted around a block; less is shown at the border of the picture.
        where: ``(H, W)`` bool: only blocks with any of these pixels are shown; all by default.
    """
    side = max(_BLOCK_PX, _BLOCK_PER_MARGIN * margin_px)

    def show(place: Place) -> None:
        if where is not None and not where[place].any():
            return
        wide, inner = zip(
            *(_widened(part, margin_px, n) for part, n in zip(place, picture.shape, strict=False)),
            strict=True,
        )
        look(Block(picture[wide], inner, place))

    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(show, _places(picture.shape[0], picture.shape[1], side)):
            """Errors are raised here."""


def _places(height: int, width: int, side: int) -> Iterator[Place]:
    for top in range(0, height, side):
        for left in range(0, width, side):
            yield (
                slice(top, min(top + side, height)),
                slice(left, min(left + side, width)),
            )


def _widened(part: slice, margin: int, length: int) -> tuple[slice, slice]:
    """A part with its margin, and where in it the part itself lies."""
    start = max(0, part.start - margin)
    return (
        slice(start, min(length, part.stop + margin)),
        slice(part.start - start, part.stop - start),
    )


def in_blocks(
    operation: Callable[[NDArray[Any]], NDArray[Any]],
    picture: Picture | NDArray[Any],
    margin_px: int,
    dtype: type[Value],
) -> NDArray[Value]:
    """Apply a local operation to a picture, a block at a time.

    Args:
        operation: From ``(h, w, …)`` to ``(h, w)``.
        picture: An image; or one plane of it, ``(H, W)``.
        margin_px: How far the operation looks: with that, blocks leave no seam.
        dtype: Of the result: half precision holds three digits, in half of the memory.

    Returns:
        ``(H, W)``.
    """
    whole = empty_plane(picture.shape[:2], dtype)

    def look(block: Block) -> None:
        found = operation(block.pixels)[block.inner]
        if found.any():  # many a slide has no ink
            whole[block.place] = found

    look_at_blocks(look, picture, margin_px)
    return whole
