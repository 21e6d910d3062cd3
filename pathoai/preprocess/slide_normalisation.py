"""One slide's pixels as if stained like a reference, while its store is made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.geometry import Grid
from pathoai.preprocess.resampled_pixels import Resampling
from pathoai.preprocess.stain.estimation import profile_of_pixels
from pathoai.preprocess.stain.normalisation import Profile, normalise_batch
from pathoai.preprocess.stain.tissue_sample import sample_tissue
from pathoai.tissue.mask import TissueMask


@dataclass(frozen=True)
class SlideNormalisation:
    """From the colours of one slide to those of a reference.

    Args:
        source: Of the slide.
        target: Of the reference, by the same method.
    """

    source: Profile
    target: Profile

    @classmethod
    def of_slide(
        cls, pixels: Resampling, grid: Grid, tissue: TissueMask, target: Profile, *, where: str
    ) -> SlideNormalisation:
        """Estimate the slide's profile by the target's method, from a fixed sample of its tissue.

        Args:
            pixels: The slide at the store's scale.
            grid: The store's finest raster.
            tissue: Where to sample.
            target: What the slide shall look like.
            where: The coded slide id, for errors.

        Raises:
            NoTissueError: Too little stained tissue to say.
            InvalidValueError: The slide shows one stain only.
            DamagedSlideError: A sampled place cannot be read.
        """
        sample = sample_tissue(pixels.chunk, grid, tissue)
        return cls(profile_of_pixels(sample, target.method, where=where), target)

    def batch(self, batch: torch.Tensor) -> torch.Tensor:
        """Normalise ``(N, 3, H, W)`` uint8 on any device."""
        return normalise_batch(batch, self.source, self.target)

    def pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Normalise ``(H, W, 3)`` uint8."""
        batch = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None]
        return np.asarray(self.batch(batch)[0].numpy().transpose(1, 2, 0))
