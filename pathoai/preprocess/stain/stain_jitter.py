"""Stain jitter: training images as other laboratories might have stained them.

Tellez D et al. Whole-slide mitosis detection in H&E breast histology using PHH3 as a reference.
IEEE Trans Med Imaging 2018: the amount of each stain is multiplied and added to at random.
Unmixing, changing and mixing are linear in optical density: one 3 × 3 matrix per image does all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.preprocess.stain.optical_density import change_density
from pathoai.preprocess.stain.stain_matrix import stain_matrix


@dataclass(frozen=True)  # no slots: jsonargparse reads defaults from __dict__
class StainJitter:
    """How much stains vary.

    Args:
        scale: Largest relative change of the amount of each stain, 0 to below 1.
        shift: Largest amount added to each stain, optical density (natural logarithm).

    Raises:
        InvalidValueError: A change that would wipe out or invert a stain.
    """

    scale: float = 0.15
    shift: float = 0.03

    def __post_init__(self) -> None:
        """Refuse changes that would wipe out or invert a stain."""
        if not 0 <= self.scale < 1 or not 0 <= self.shift <= 1:
            raise InvalidValueError(
                "stain jitter",
                found=f"scale {self.scale}, shift {self.shift}",
                allowed="scale from 0 to below 1, shift from 0 to 1",
            )

    def __call__(
        self,
        batch: torch.Tensor,
        generator: torch.Generator,
        matrix: NDArray[np.float64] | None = None,
    ) -> torch.Tensor:
        """Vary the stains of each image of a batch by itself.

        Args:
            batch: ``(N, 3, H, W)`` RGB, uint8, or floating point from 0 to 1, on any device.
            generator: Of the random numbers; one on the CPU gives the same on every device.
            matrix: As in `change_stains`.

        Returns:
            ``(N, 3, H, W)`` of the batch's type, on its device.
        """
        return change_stains(batch, *self.draw(len(batch), generator), matrix)

    def draw(self, count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Scales and shifts of so many images, ``(count, 3)`` float32 each, for `change_stains`.

        Args:
            count: Number of images.
            generator: Of the random numbers.
        """
        noise = torch.rand(2, count, 3, generator=generator, device=generator.device)
        noise = 2 * noise - 1
        return 1 + self.scale * noise[0], self.shift * noise[1]


def change_stains(
    batch: torch.Tensor,
    scale: torch.Tensor,
    shift: torch.Tensor,
    matrix: NDArray[np.float64] | None = None,
) -> torch.Tensor:
    """Multiply the amounts of two stains and the rest, and add to them.

    Args:
        batch: ``(N, 3, H, W)`` RGB, uint8, or floating point from 0 to 1, on any device.
        scale: ``(N, 3)``, a factor for each stain of each image.
        shift: ``(N, 3)``, optical density (natural logarithm).
        matrix: ``(3, 3)`` of `stain_matrix`; that of hematoxylin and eosin if left out.

    Returns:
        ``(N, 3, H, W)`` of the batch's type, on its device, clipped to black and white.

    Raises:
        InvalidValueError: The batch has another shape or type.
    """
    stains = torch.from_numpy(stain_matrix() if matrix is None else matrix)
    scale, shift = scale.double().cpu(), shift.double().cpu()
    mix = torch.linalg.inv(stains) @ (scale[:, :, None] * stains)
    return change_density(batch, mix, shift @ stains)
