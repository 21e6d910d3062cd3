"""The last look before the first step: nothing that is tested was trained on."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import nn

from pathoai.errors import LeakError
from pathoai_training.split import Split, SplitKind
from pathoai_training.tiles_dataset import TileColumns

_PROBE_MARGIN_PX = 64


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
        LeakError: Two subsets share a patient (patient split) or pixels (area split), or the
            guard is not kept.
    """
    if split.kind is SplitKind.PATIENT:
        _check_patients(split, tiles, slide_ids)
        return
    for one, other in itertools.combinations(tiles, 2):
        gap_px = guard_px if "train" in (one, other) else 0
        _check_areas((one, other), (tiles[one], tiles[other]), slide_ids, gap_px)


def _check_patients(
    split: Split, tiles: Mapping[str, TileColumns], slide_ids: Sequence[str]
) -> None:
    patient_of = dict(zip(split.slide_ids, split.groups, strict=True))
    seen: dict[str, str] = {}
    for subset, columns in tiles.items():
        for slide in np.unique(columns.slide):
            patient = patient_of[slide_ids[slide]]
            if seen.setdefault(patient, subset) != subset:
                raise LeakError(
                    "a patient is in two subsets",
                    where=f"slide {slide_ids[slide]}",
                    found=f"{seen[patient]} and {subset}",
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


def check_guard(model: nn.Module, guard_px: int) -> None:
    """Refuse a guard that the network can look across.

    Found by trying: everything farther than the guard from one pixel is replaced, and the logits
    of that pixel must stay.

    Args:
        model: Maps ``(N, 3, H, W)`` uint8 to logits; sides must divide by a power of two up to 64.
        guard_px: Pixels between training and test tiles.

    Raises:
        LeakError: The logits changed.
    """
    side = 2 * (-(-(guard_px + _PROBE_MARGIN_PX) // 64) * 64)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (2, 3, side, side), generator=generator, dtype=torch.uint8)
    centre = side // 2
    near = slice(centre - guard_px, centre + guard_px + 1)
    images[1, :, near, near] = images[0, :, near, near]
    was_training = model.training
    device = next(model.parameters()).device
    with torch.no_grad():
        model.eval()
        logits = model(images.to(device))[:, :, centre, centre]
        model.train(was_training)
    # Other sums in another order change the last bits, a look across the guard far more.
    if not torch.allclose(logits[0], logits[1], rtol=1e-5, atol=1e-6):
        raise LeakError(
            "the network sees farther than the guard between training and test areas",
            found=f"{guard_px} px",
            remedy="a wider one, e.g. --set data.guard_px=" + str(2 * guard_px or 64),
        )
