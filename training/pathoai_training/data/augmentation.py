"""Augmentation of whole batches on their device: the dihedral group and the strength of stains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from pathoai.preprocess.stain.stain_jitter import StainJitter


@dataclass(frozen=True)  # no slots: jsonargparse reads defaults from __dict__
class Augmentation:
    """What is varied in training.

    Args:
        dihedral: Turn by quarters and mirror: tissue has no up.
        stain_scale: Largest relative change of the amount of each stain, 0 to below 1.
        stain_shift: Largest amount added to each stain, optical density.
    """

    dihedral: bool = True
    stain_scale: float = 0.15
    stain_shift: float = 0.03

    def __post_init__(self) -> None:
        """Refuse changes that would wipe out or invert a stain."""
        StainJitter(self.stain_scale, self.stain_shift)

    def __call__(
        self, batch: Sequence[torch.Tensor], generator: torch.Generator
    ) -> tuple[torch.Tensor, ...]:
        """Vary a batch.

        Args:
            batch: Images ``(N, 3, S, S)`` uint8, or ``(N, V, 3, S, S)`` where each item has several
                views, which are varied alike; and any planes ``(N, …, S, S)`` that lie on them.
            generator: Of the random numbers, on the CPU.

        Returns:
            All of them, same shapes and types, on the same device.
        """
        if self.dihedral:
            which = torch.randint(8, (len(batch[0]),), generator=generator)
            batch = [_turned(plane, which) for plane in batch]
        images, *planes = batch
        if self.stain_scale or self.stain_shift:
            images = _stained(images, StainJitter(self.stain_scale, self.stain_shift), generator)
        return images, *planes


def _turned(plane: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
    """Each square of a batch by its own symmetry; all of one symmetry at once, not one by one."""
    turned = torch.empty_like(plane)
    for element in which.unique().tolist():
        chosen = torch.nonzero(which == element).squeeze(1).to(plane.device)
        turned[chosen] = dihedral(plane[chosen], element)
    return turned


def _stained(images: torch.Tensor, jitter: StainJitter, generator: torch.Generator) -> torch.Tensor:
    """Images of other stains; the views of an item are one tall image, so that they stay alike."""
    if images.ndim == 4:
        return jitter(images, generator)
    views = images.transpose(1, 2)
    return jitter(views.flatten(2, 3), generator).reshape(views.shape).transpose(1, 2)


def dihedral(square: torch.Tensor, element: int) -> torch.Tensor:
    """One of the eight symmetries of a square, of the last two axes.

    Args:
        square: ``(…, S, S)``.
        element: 0 to 7; the first four are turns, the others turns of the mirror image.
    """
    mirrored = square.flip(-1) if element >= 4 else square
    return torch.rot90(mirrored, element % 4, (-2, -1))
