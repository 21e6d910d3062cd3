"""Stain normalisation: slides of one laboratory as another's would look, batch by batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from pathoai.errors import InvalidValueError
from pathoai.preprocess.stain import reinhard
from pathoai.preprocess.stain.optical_density import change_density
from pathoai.preprocess.stain.reinhard import ColourProfile, transfer_colour
from pathoai.preprocess.stain.stain_profile import StainProfile

Profile = StainProfile | ColourProfile
"""What is known of a slide's colours: its stains, or the statistics of Reinhard et al."""


def normalise_batch(batch: torch.Tensor, source: Profile, target: Profile) -> torch.Tensor:
    """Make images of one slide look as if stained like another.

    With stain profiles, as Macenko et al. 2009: amounts of both stains by least squares, scaled by
    the ratio of their 99th percentiles, in the target's vectors. What is neither stain (ink,
    pigment) is dropped, white stays white. With colour profiles, as Reinhard et al. 2001.

    Args:
        batch: ``(N, 3, H, W)`` RGB, uint8, or floating point from 0 to 1, on any device.
        source: Of the slide the batch is from.
        target: Of the slide it shall look like; of the same kind.

    Returns:
        ``(N, 3, H, W)`` of the batch's type, on its device, clipped to black and white.

    Raises:
        InvalidValueError: The profiles are of two kinds, or the batch has another shape or type.
    """
    if isinstance(source, StainProfile) and isinstance(target, StainProfile):
        ratio = np.array(target.maximum) / np.array(source.maximum)
        matrix = np.linalg.pinv(np.array(source.matrix)) @ np.diag(ratio) @ np.array(target.matrix)
        return change_density(batch, torch.from_numpy(matrix))
    if isinstance(source, ColourProfile) and isinstance(target, ColourProfile):
        return transfer_colour(batch, source, target)
    raise InvalidValueError(
        "source and target are profiles of two kinds",
        found=f"{source.method} and {target.method}",
        remedy="estimate both by the same method",
    )


def profile_from_dict(found: Mapping[str, Any]) -> Profile:
    """The profile whose ``to_dict`` gave this.

    Raises:
        InvalidValueError: Fields are missing, unknown or malformed.
    """
    if found.get("method") == reinhard.METHOD:
        return ColourProfile.from_dict(found)
    return StainProfile.from_dict(found)
