"""The last look before the first step: nothing that is tested was trained on."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import nn

from pathoai.errors import LeakError
from pathoai_training.data.tiles_dataset import TileColumns
from pathoai_training.splits.split import Split, SplitKind

_PROBE_MARGIN_PX = 64
_PROBE_WIDTH_PX = 64
_PROBES = 4
"""Images: where a unit is silent in one, it need not be in another."""


def check_no_leak(
    split: Split,
    tiles: Mapping[str, TileColumns],
    slide_ids: Sequence[str],
    *,
    guard_px: int = 0,
) -> None:
    """Look at the tiles themselves, not at how they were chosen.

    Args:
        split: Says what must be kept apart, and each slide's patient.
        tiles: Subset → its tiles.
        slide_ids: The slides that ``tiles`` count.
        guard_px: Area split: pixels at the tiles' scale that lie between training and the others.

    Raises:
        LeakError: Two subsets share a patient (patient split), a group (written split) or pixels
            (area split), or the guard is not kept.
    """
    if split.kind is not SplitKind.AREA:
        _check_groups(split, tiles, slide_ids)
        return
    for one, other in itertools.combinations(tiles, 2):
        gap_px = guard_px if "train" in (one, other) else 0
        _check_areas((one, other), (tiles[one], tiles[other]), slide_ids, gap_px)


def _check_groups(split: Split, tiles: Mapping[str, TileColumns], slide_ids: Sequence[str]) -> None:
    noun = "patient" if split.kind is SplitKind.PATIENT else "group of linked slides"
    group_of = dict(zip(split.slide_ids, split.groups, strict=True))
    seen: dict[str, str] = {}
    for subset, columns in tiles.items():
        for slide in np.unique(columns.slide):
            group = group_of[slide_ids[slide]]
            if seen.setdefault(group, subset) != subset:
                raise LeakError(
                    f"a {noun} is in two subsets",
                    where=f"slide {slide_ids[slide]}",
                    found=f"{seen[group]} and {subset}",
                    remedy="make the split again; report this, for it should never happen",
                )


def _check_areas(
    names: tuple[str, str],
    pair: tuple[TileColumns, TileColumns],
    slide_ids: Sequence[str],
    gap_px: int,
) -> None:
    """Squares of one size overlap where their corners are nearer than a side along both axes."""
    one, other = pair
    reach = max(one.size_px, other.size_px) + gap_px
    for slide in np.intersect1d(one.slide, other.slide):
        tree = cKDTree(one.origins_px[one.slide == slide])
        distance, _ = tree.query(other.origins_px[other.slide == slide], p=np.inf)
        if distance.min() < reach:
            raise LeakError(
                f"tiles of {names[0]} and {names[1]} lie too close",
                where=f"slide {slide_ids[slide]}",
                found=f"{distance.min() - reach + gap_px:g} px between them",
                allowed=f"{gap_px} px or more",
                remedy="make the split again; report this, for it should never happen",
            )


def check_guard(network: nn.Module, guard_px: int) -> None:
    """Refuse a guard that the network can look across.

    Found by trying: the gradient of one pixel's logits is nothing at every pixel farther away than
    the network sees. In double precision, where no convolution takes a shortcut that smears zeros.

    Args:
        network: Maps images ``(N, 3, H, W)`` to logits; sides must divide by a power of two up to
            64.
        guard_px: Pixels between training and test tiles.

    Raises:
        LeakError: It sees farther, or shows nothing of how far it sees.
    """
    reach_px = _reach_px(network, guard_px)
    if reach_px > guard_px:
        raise LeakError(
            "the network sees farther than the guard between training and test areas",
            where="data.guard_px",
            found=f"a guard of {guard_px} px; the network sees {reach_px} px or more",
            allowed=f"{reach_px} px or more",
            remedy=f"--set data.guard_px={max(2 * guard_px, reach_px)}",
        )


def _reach_px(network: nn.Module, at_least_px: int) -> int:
    """Largest distance along an axis at which a pixel of random images changes a logit.

    Along one axis after the other, in images as narrow as the network takes them: they are looked
    through in a fraction of the time of square ones.
    """
    length = 2 * (-(-(at_least_px + _PROBE_MARGIN_PX) // _PROBE_WIDTH_PX) * _PROBE_WIDTH_PX)
    probe = copy.deepcopy(network).cpu().double().eval()
    return max(
        _reach_in(probe, shape) for shape in ((_PROBE_WIDTH_PX, length), (length, _PROBE_WIDTH_PX))
    )


def _reach_in(probe: nn.Module, shape: tuple[int, int]) -> int:
    """The same from the middle of images of one shape."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(_PROBES, 3, *shape, generator=generator, dtype=torch.float64)
    images.requires_grad_()
    y, x = (side // 2 for side in shape)
    (gradient,) = torch.autograd.grad(probe(images)[:, :, y, x].sum(), images)
    seen = torch.nonzero(gradient.abs().sum((0, 1)))
    if not len(seen):
        raise LeakError(
            "the network says the same whatever it is shown, so how far it sees cannot be found",
            found=f"{_PROBES} images without a gradient",
            remedy="make it wider: --set model.arguments.width=8",
        )
    return int((seen - torch.tensor([y, x])).abs().max())
