"""Squares of a whole slide sought on the other, window by window, where there is tissue."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.geometry import Size
from pathoai.look_ahead import in_order
from pathoai.progress import Advance, silent
from pathoai.registration.local_match import MARGIN_PX, STEP_PX, match_windows
from pathoai.registration.slide_windows import WindowPair
from pathoai.registration.transform import SlideTransform

_STEPS_PER_WINDOW = 48
_LEAST_TISSUE = 0.25
_AHEAD = 2


@dataclass(frozen=True, eq=False)
class SlideMatches:
    """Matches on a lattice over the fixed slide.

    The first square's centre lies half a step from the slide's top left, along both axes.

    Args:
        mpp: Scale at which squares were compared, µm.
        reach_px: How far they were sought, in pixels of that scale.
        shift_um: ``(R, C, 2)`` float32: what the fixed slide shows at p, the moving one shows where
            the transform carries p + shift; NaN without tissue.
        back_um: ``(R, C, 2)`` float32: the same, sought from the moving slide.
        similarity: ``(R, C)`` float32, -1 to 1.
        distinct: ``(R, C)`` float32, fall of the similarity one pixel away.
        tissue: ``(R, C)`` bool, squares of tissue of the fixed slide.
    """

    mpp: float
    reach_px: int
    shift_um: NDArray[np.float32]
    back_um: NDArray[np.float32]
    similarity: NDArray[np.float32]
    distinct: NDArray[np.float32]
    tissue: NDArray[np.bool_]

    @property
    def step_um(self) -> float:
        """Distance of neighbours."""
        return STEP_PX * self.mpp

    @property
    def disagreement_um(self) -> NDArray[np.float32]:
        """How far the way there and the way back end from where they began, ``(R, C)``."""
        return np.asarray(np.linalg.norm(self.shift_um + self.back_um, axis=-1))

    @property
    def at_limit(self) -> NDArray[np.bool_]:
        """Squares that were found as far away as was looked: perhaps they lie farther still."""
        furthest = np.maximum(np.abs(self.shift_um), np.abs(self.back_um)).max(axis=-1)
        return np.asarray(furthest >= (self.reach_px - 0.5) * self.mpp)


def match_slides(
    windows: WindowPair,
    transform: SlideTransform,
    *,
    reach_px: int,
    device: torch.device,
    coupled: bool = False,
    advance: Advance = silent,
) -> SlideMatches:
    """Seek each square of tissue near where the transform has it.

    Args:
        windows: Both slides, and the scale.
        transform: What is known so far.
        reach_px: How far to look along either axis, in pixels of that scale.
        device: Where it is computed.
        coupled: Let neighbouring squares have a say in which of several peaks is meant.
        advance: Told of windows done and windows in all.
    """
    tissue = _tissue(windows, transform)
    rows, columns = tissue.shape
    vectors = np.full((2, rows, columns, 2), np.nan, np.float32)
    numbers = np.full((2, rows, columns), np.nan, np.float32)
    places = list(_windows(tissue))

    def read(place: tuple[slice, slice]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        row, column = place
        height, width = row.stop - row.start, column.stop - column.start
        rim = MARGIN_PX + reach_px
        size = Size(width * STEP_PX + 2 * rim, height * STEP_PX + 2 * rim)
        return windows.read(
            transform, column.start * STEP_PX - rim, row.start * STEP_PX - rim, size
        )

    # What is read ahead is a few windows, whatever the slide's size.
    with (
        ThreadPoolExecutor(_AHEAD) as pool,
        closing(in_order(pool, read, places, depth=_AHEAD)) as read_,
    ):
        for done, (place, pair) in enumerate(zip(places, read_, strict=True), start=1):
            ours, theirs = (torch.from_numpy(plane).to(device) for plane in pair)
            match = match_windows(ours, theirs, reach_px, coupled=coupled)
            shown = tissue[place]
            found = [torch.stack([match.shift_px, match.back_px]) * windows.mpp]
            found.append(torch.stack([match.similarity, match.distinct]))
            for plane, values in zip((vectors, numbers), found, strict=True):
                plane[:, place[0], place[1]][:, shown] = values.cpu().numpy()[:, shown]
            advance(done, len(places))
    return SlideMatches(
        windows.mpp, reach_px, vectors[0], vectors[1], numbers[0], numbers[1], tissue
    )


def _tissue(windows: WindowPair, transform: SlideTransform) -> NDArray[np.bool_]:
    """Squares of the lattice with tissue of the fixed slide, ``(R, C)`` bool."""
    slide, step = transform.fixed, STEP_PX * windows.mpp
    columns, rows = (max(1, int(np.ceil(side / step - 1e-6))) for side in slide.size_um)
    y, x = np.mgrid[:rows, :columns]
    side = step / slide.mpp.x, step / slide.mpp.y
    share = windows.fixed.tissue.fraction(x.ravel() * side[0], y.ravel() * side[1], side)
    return np.asarray(share.reshape(rows, columns) >= _LEAST_TISSUE)


def _windows(tissue: NDArray[np.bool_]) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the windows that hold tissue, in squares of the lattice."""
    for top in range(0, tissue.shape[0], _STEPS_PER_WINDOW):
        for left in range(0, tissue.shape[1], _STEPS_PER_WINDOW):
            rows = slice(top, min(top + _STEPS_PER_WINDOW, tissue.shape[0]))
            columns = slice(left, min(left + _STEPS_PER_WINDOW, tissue.shape[1]))
            if tissue[rows, columns].any():
                yield rows, columns
