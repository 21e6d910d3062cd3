"""The section of a recipe that says what is varied in training, and its draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch

from pathoai.errors import InvalidValueError
from pathoai.preprocess.stain.stain_jitter import StainJitter
from pathoai_training.augmentation.amounts import SECTION, Affine, Blur, Colour, Elastic, Noise
from pathoai_training.augmentation.torch_operations import TorchOperations
from pathoai_training.augmentation.variation import StainChange, Variation, Views, Warp
from pathoai_training.augmentation.vary import vary

Where = Literal["batch", "loader"]
"""Who computes: torch, whole batches on their device, or albumentations in the loader's workers."""


@dataclass(frozen=True)  # no slots: jsonargparse reads defaults from __dict__
class Augmentation:
    """What is varied in training, in this order; amounts of 0 leave alone.

    What is drawn follows from seed and step, and is the same wherever it is computed. What a warp
    brings in from outside a tile is its mirror image, and counts as not assessed.

    Args:
        dihedral: Turn by quarters and mirror: tissue has no up.
        affine: Turn, resize, shear and shift.
        elastic: Bend.
        stain_scale: Largest relative change of the amount of each stain, 0 to below 1.
        stain_shift: Largest amount added to each stain, optical density.
        colour: Light and hue.
        blur: Out of focus.
        noise: Of the camera.
        where: ``batch``: whole batches on their device, by torch; ``loader``: by albumentations,
            where the tiles are read (``data.workers``).
    """

    dihedral: bool = True
    affine: Affine = field(default_factory=Affine)
    elastic: Elastic = field(default_factory=Elastic)
    stain_scale: float = 0.15
    stain_shift: float = 0.03
    colour: Colour = field(default_factory=Colour)
    blur: Blur = field(default_factory=Blur)
    noise: Noise = field(default_factory=Noise)
    where: Where = "batch"

    def __post_init__(self) -> None:
        """Refuse changes that would wipe out or invert a stain, and unknown places."""
        StainJitter(self.stain_scale, self.stain_shift)
        if self.where not in get_args(Where):
            raise InvalidValueError(
                f"{SECTION}.where", found=self.where, allowed=" or ".join(get_args(Where))
            )

    def check_fits(self, views: Views) -> None:
        """Refuse amounts that are too large for what the network is shown, or too fine.

        Raises:
            InvalidValueError: A shift that leaves nothing of what was there, a blur wider than the
                tile, or a bending finer than its pixels.
        """
        side_um, mpp = views.side_um, views.mpps[0]
        for name, value, most in (
            ("affine.shift_um", self.affine.shift_um, side_um / 2),
            ("blur.sigma_um", self.blur.sigma_um, side_um / 10),
        ):
            if value > most:
                raise InvalidValueError(
                    f"{SECTION}.{name} is too much for tiles of {side_um:g} µm",
                    found=value,
                    allowed=f"0 to {most:g}",
                )
        if self.elastic.shift_um and self.elastic.period_um < 4 * mpp:
            raise InvalidValueError(
                f"{SECTION}.elastic.period_um is too fine for {mpp:g} µm per pixel",
                found=self.elastic.period_um,
                allowed=f"{4 * mpp:g} or more",
            )

    def draw(self, count: int, generator: torch.Generator, views: Views) -> Variation:
        """How a batch is varied.

        Args:
            count: Number of items.
            generator: Of the random numbers, on the CPU.
            views: What the items are.
        """
        return Variation(
            symmetry=torch.randint(8, (count,), generator=generator) if self.dihedral else None,
            stains=self._stains(count, generator),
            warp=self._warp(count, generator, views),
            colour=self.colour.draw(count, generator) if self.colour.varies else None,
            blur_um=self.blur.draw(count, generator) if self.blur.varies else None,
            noise=self.noise.draw(count, generator) if self.noise.varies else None,
        )

    def __call__(
        self, batch: Sequence[torch.Tensor], generator: torch.Generator, views: Views
    ) -> tuple[torch.Tensor, ...]:
        """Vary a batch on its device; as `vary`, with what `draw` gives."""
        return vary(batch, self.draw(len(batch[0]), generator, views), views, TorchOperations())

    def _stains(self, count: int, generator: torch.Generator) -> StainChange | None:
        if not (self.stain_scale or self.stain_shift):
            return None
        jitter = StainJitter(self.stain_scale, self.stain_shift)
        return StainChange(*jitter.draw(count, generator))

    def _warp(self, count: int, generator: torch.Generator, views: Views) -> Warp | None:
        affine, elastic = self.affine, self.elastic
        if not (affine.varies or elastic.varies):
            return None
        matrix, shift_um = torch.eye(2).repeat(count, 1, 1), torch.zeros(count, 2)
        if affine.varies:
            matrix, shift_um = affine.draw(count, generator)
        bends_um = torch.zeros(count, 2, 0, 0)
        if elastic.varies:
            bends_um = elastic.draw(count, generator, views.widest_um)
        return Warp(matrix, shift_um, bends_um, elastic.period_um)
