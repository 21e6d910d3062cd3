"""Augmentation of whole batches on their device: the dihedral group and the strength of stains.

Stain jitter: Tellez D et al. Whole-slide mitosis detection in H&E breast histology using PHH3 as a
reference. IEEE Trans Med Imaging 2018 (jitter of hematoxylin, eosin and residual amounts).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from pathoai.errors import InvalidValueError
from pathoai.preprocess.stain import optical_density, stain_matrix


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
        if not 0 <= self.stain_scale < 1 or not 0 <= self.stain_shift <= 1:
            raise InvalidValueError(
                "stain jitter",
                found=f"scale {self.stain_scale}, shift {self.stain_shift}",
                allowed="scale from 0 to below 1, shift from 0 to 1",
            )

    def __call__(
        self, images: torch.Tensor, targets: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Vary a batch.

        Args:
            images: ``(N, 3, S, S)`` uint8.
            targets: ``(N, S, S)``.
            generator: Of the random numbers, on the CPU.

        Returns:
            Both, same shapes and types, on the same device.
        """
        if self.dihedral:
            which = torch.randint(8, (len(images),), generator=generator).tolist()
            images = torch.stack([dihedral(x, k) for x, k in zip(images, which, strict=True)])
            targets = torch.stack([dihedral(x, k) for x, k in zip(targets, which, strict=True)])
        if self.stain_scale or self.stain_shift:
            noise = 2 * torch.rand(2, len(images), 3, generator=generator) - 1
            scale, shift = 1 + self.stain_scale * noise[0], self.stain_shift * noise[1]
            images = change_stains(images, scale.to(images.device), shift.to(images.device))
        return images, targets


def dihedral(square: torch.Tensor, element: int) -> torch.Tensor:
    """One of the eight symmetries of a square, of the last two axes.

    Args:
        square: ``(…, S, S)``.
        element: 0 to 7; the first four are turns, the others turns of the mirror image.
    """
    mirrored = square.flip(-1) if element >= 4 else square
    return torch.rot90(mirrored, element % 4, (-2, -1))


def change_stains(images: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Multiply the amounts of hematoxylin, eosin and the rest, and add to them.

    Args:
        images: ``(N, 3, H, W)`` uint8 RGB.
        scale: ``(N, 3)`` float32, a factor for each stain of each image.
        shift: ``(N, 3)`` float32, optical density.

    Returns:
        ``(N, 3, H, W)`` uint8.
    """
    stains = stain_matrix()
    forward = stains.to(images.device, torch.float32)
    backward = torch.linalg.inv(stains).to(images.device, torch.float32)
    # Unmixing, scaling and mixing are linear: one 3 × 3 matrix per image does all three.
    mix = torch.einsum("cs,ns,sd->ncd", backward, scale, forward)
    density = torch.einsum("nchw,ncd->ndhw", optical_density(images), mix)
    density = density + (shift @ forward)[:, :, None, None]
    return (256 * torch.exp(-density) - 1).round_().clamp_(0, 255).to(torch.uint8)
