"""What one shard sees of the objects near its border, which others see too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathoai.inference.blocks import Blocks, Window
from pathoai.inference.instances import InstancePolicy, find_instances
from pathoai.inference.patch import Patch
from pathoai.models.instance_maps import MAPS
from pathoai.store.shards import Shard

_POLICY = InstancePolicy()
# Σwp/Σw of the same p differs in its last bits with the tiles' places; a tie must not fall by that.
_STEPS = np.float32(4096)


def number_block(
    outputs: NDArray[np.float32], classes: int, *, mpp: float, policy: InstancePolicy = _POLICY
) -> NDArray[np.uint32]:
    """Number the objects that a block of blended outputs shows.

    Outputs are rounded to 1/4096, so that equal answers give equal objects however they were tiled.

    Args:
        outputs: ``(C, H, W)`` float32: probabilities of the classes, background first, then maps.
        classes: How many classes.
        mpp: Scale of the pixels, µm.
        policy: How objects are told apart.

    Returns:
        ``(H, W)`` uint32 from 1 upward, 0 outside objects. Each is connected by pixels that share
        an edge, so that its outline is one polygon, and none is smaller than the policy allows.
    """
    from skimage.measure import label

    # Not 1 - background: where no tile was, every probability is 0, and there is no object.
    foreground = _rounded(outputs[1:classes].sum(axis=0))
    found = find_instances(
        foreground, _rounded(outputs[classes : classes + len(MAPS)]), mpp=mpp, policy=policy
    )
    parts = label(found, connectivity=1)
    keep = np.bincount(parts.ravel()) >= smallest_px(mpp, policy)
    keep[0] = False
    return np.asarray(np.where(keep, np.cumsum(keep), 0).astype(np.uint32)[parts])


def smallest_px(mpp: float, policy: InstancePolicy = _POLICY) -> float:
    """Pixels of the smallest object."""
    return policy.smallest_um2 / mpp**2


def _rounded(outputs: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.rint(outputs * _STEPS) / _STEPS, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """An object as one shard sees it.

    Args:
        shard: Who sees it.
        number: Its number there.
        patch: Its pixels.
        owned: The middle of its window lies on the shard's own ground.
        cut: It reaches the end of what the shard sees, and may go on behind.
    """

    shard: Shard
    number: int
    patch: Patch
    owned: bool
    cut: bool

    @property
    def rank(self) -> tuple[bool, Shard, int]:
        """Whose word counts first where whole views differ; no two are alike."""
        return not self.owned, self.shard, self.number


def views_near_border(numbers: NDArray[np.uint32], shard: Shard, blocks: Blocks) -> Iterator[View]:
    """The objects of a shard's block that another shard may see too.

    Left out is what lies on others' ground altogether: who owns the ground decides about it.

    Args:
        numbers: ``(H, W)`` uint32 of :func:`number_block`, of what the shard sees.
        shard: Which one.
        blocks: All of them.
    """
    seen, ground = blocks.seen(shard), blocks.ground(shard)
    for number, window in _near_border(numbers, shard, blocks):
        rows, columns = _moved(window, seen)
        patch = Patch.of(rows.start, columns.start, numbers[window] == number)
        if patch.inside(ground).area_px:
            owned = _middle_in(rows, ground[0]) and _middle_in(columns, ground[1])
            yield View(shard, number, patch, owned, _reaches_end((rows, columns), seen, blocks))


def is_quiet(numbers: NDArray[np.uint32], shard: Shard, blocks: Blocks) -> NDArray[np.bool_]:
    """Which objects no other shard sees, ``(n + 1,)`` bool by their number; 0 is none.

    Args:
        numbers: As of :func:`views_near_border`.
        shard: Likewise.
        blocks: Likewise.
    """
    quiet = np.ones(int(numbers.max(initial=0)) + 1, np.bool_)
    quiet[0] = False
    quiet[[number for number, _ in _near_border(numbers, shard, blocks)]] = False
    return quiet


def _near_border(
    numbers: NDArray[np.uint32], shard: Shard, blocks: Blocks
) -> Iterator[tuple[int, Window]]:
    """Numbers whose window in the block another shard's block touches, and the windows."""
    from scipy import ndimage

    seen, quiet = blocks.seen(shard), blocks.quiet(shard)
    for number, window in enumerate(ndimage.find_objects(numbers.astype(np.int32)), start=1):
        placed = zip(_moved(window, seen), quiet, strict=True)
        if any(part.start < calm.start or part.stop > calm.stop for part, calm in placed):
            yield number, window


def _moved(window: Window, seen: Window) -> Window:
    """A window of a block in pixels of the raster."""
    rows, columns = (
        slice(part.start + whole.start, part.stop + whole.start)
        for part, whole in zip(window, seen, strict=True)
    )
    return rows, columns


def _middle_in(part: slice, ground: slice) -> bool:
    return bool(2 * ground.start <= part.start + part.stop < 2 * ground.stop)


def _reaches_end(window: Window, seen: Window, blocks: Blocks) -> bool:
    """True where a window touches an edge of what is seen that is not the raster's own."""
    return any(
        0 < whole.start == part.start or part.stop == whole.stop < length
        for part, whole, length in zip(window, seen, blocks.shape, strict=True)
    )
