"""Varies a batch as it was drawn; what is expensive is done by operations that can be exchanged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch

from pathoai.models.turns import turned
from pathoai.preprocess.stain.stain_jitter import change_stains
from pathoai_training.augmentation.variation import ColourChange, Variation, Views, Warp
from pathoai_training.augmentation.warped import warped_places, warped_plane


class ImageOperations(Protocol):
    """What computes pixels of images ``(N, 3, S, S)`` uint8; gives new ones of that shape."""

    def warp(self, images: torch.Tensor, places_px: torch.Tensor) -> torch.Tensor:
        """Images seen at other places, linear between pixels, mirrored beyond their edges.

        Args:
            images: ``(N, 3, S, S)`` uint8.
            places_px: ``(N, S, S, 2)`` float32 x and y of each pixel's source, 0 the centre of the
                first.
        """

    def recolour(self, images: torch.Tensor, change: ColourChange) -> torch.Tensor:
        """Images of other brightness, then contrast, then saturation, then hue (in HSV)."""

    def blur(self, images: torch.Tensor, sigma_px: torch.Tensor) -> torch.Tensor:
        """Images under a Gaussian, each its own, mirrored about their outermost pixels."""

    def add_noise(self, images: torch.Tensor, levels: torch.Tensor, seed: int) -> torch.Tensor:
        """Images with Gaussian noise of these standard deviations, in grey levels."""


def vary(
    batch: Sequence[torch.Tensor], variation: Variation, views: Views, operations: ImageOperations
) -> tuple[torch.Tensor, ...]:
    """Vary the items of a batch.

    Args:
        batch: Images ``(N, 3, S, S)`` uint8, or ``(N, V, 3, S, S)`` where each item has several
            views, which are varied alike; then planes ``(N, …, S, S)`` that lie on the nearest
            view and move with it; then what is no plane ``(N,)``, and stays. Planes of uint8 are
            classes (255 where a warp brings in what lies outside), of other integers numbers of
            objects, and of floats depths inside objects, 0 outside both. A depth that is relative
            to its object's largest does not change when objects are turned and resized, so maps
            are moved and not computed again.
        variation: What was drawn for it.
        views: What the items are.
        operations: What computes the images.

    Returns:
        All of them, same shapes and types, on the same device.
    """
    if variation.symmetry is not None:
        which = variation.symmetry
        batch = [turned(part, which) if part.ndim > 2 else part for part in batch]
    images, *planes = batch
    # Tiles are items of a single view.
    stacked = images if images.ndim == 5 else images[:, None]
    if variation.warp is not None:
        stacked, planes = _warped(stacked, planes, variation.warp, views, operations)
    stacked = _recoloured(stacked, variation, views, operations)
    return stacked.view(images.shape), *planes


def _warped(
    stacked: torch.Tensor,
    planes: Sequence[torch.Tensor],
    warp: Warp,
    views: Views,
    operations: ImageOperations,
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Images, and the planes that lie on their nearest view, of those items that are moved."""
    chosen, device = warp.chosen, stacked.device
    if not len(chosen):
        return stacked, list(planes)
    here, out, moved = chosen.to(device), stacked.clone(), list(planes)
    for view, mpp in enumerate(views.mpps):
        places_px = warped_places(warp, chosen, views.size_px, mpp, device)
        out[here, view] = operations.warp(stacked[here, view], places_px)
        if view == 0:
            moved = [_moved(plane, here, places_px) for plane in planes]
    return out, moved


def _moved(plane: torch.Tensor, here: torch.Tensor, places_px: torch.Tensor) -> torch.Tensor:
    """A plane, warped at some of its items; what is no plane stays."""
    if plane.ndim < 3:
        return plane
    return _at(plane, here, lambda part: warped_plane(part, places_px))


def _recoloured(
    stacked: torch.Tensor, variation: Variation, views: Views, operations: ImageOperations
) -> torch.Tensor:
    """Other stains, colours, focus and noise; all views of an item alike."""
    count, view_count = stacked.shape[:2]
    flat = stacked.flatten(0, 1)
    item = torch.arange(count).repeat_interleave(view_count)
    if (stains := variation.stains) is not None:
        flat = change_stains(flat, stains.scale[item], stains.shift[item])
    if (colour := variation.colour) is not None:
        change = colour[item]
        flat = _at(
            flat, change.chosen, lambda part: operations.recolour(part, change[change.chosen])
        )
    if variation.blur_um is not None:
        sigma_px = variation.blur_um[item] / torch.tensor(views.mpps).repeat(count)
        chosen = torch.nonzero(sigma_px).squeeze(1)
        flat = _at(flat, chosen, lambda part: operations.blur(part, sigma_px[chosen]))
    if (noise := variation.noise) is not None:
        levels = noise.levels[item]
        chosen = torch.nonzero(levels).squeeze(1)
        flat = _at(
            flat, chosen, lambda part: operations.add_noise(part, levels[chosen], noise.seed)
        )
    return flat.view(stacked.shape)


def _at(
    whole: torch.Tensor,
    chosen: torch.Tensor,
    operation: Callable[[torch.Tensor], torch.Tensor],
) -> torch.Tensor:
    """A batch in which some items are changed, at positions ``(M,)``; it is not written to."""
    if not len(chosen):
        return whole
    if len(chosen) == len(whole):
        return operation(whole)
    here, out = chosen.to(whole.device), whole.clone()
    out[here] = operation(whole[here])
    return out
