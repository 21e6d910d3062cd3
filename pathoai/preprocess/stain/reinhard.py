"""Colour statistics of a slide, and transfer of one slide's to another.

Reinhard E et al. Color transfer between images. IEEE Comput Graph Appl 2001. Its space lαβ
(Ruderman et al. 1998) has axes of light, yellow-blue and red-green, the logarithm of what the
eye's three cones receive; mean and deviation along each are made those of the target.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.preprocess.stain.optical_density import (
    from_values,
    in_pieces,
    mix_channels,
    values_of,
)
from pathoai.preprocess.stain.stain_profile import Vector, read_text, read_vector

METHOD = "reinhard"

# The publication's matrices, columns for columns of pixels: red, green, blue to the cones
# (long, medium, short), and their logarithms to lαβ. The inverse that it prints is off by up to
# 0.02; an exact one leaves an image as it is when source and target are the same.
RGB_TO_CONES = np.array(
    [[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]]
)
_LAB = np.diag([3**-0.5, 6**-0.5, 2**-0.5]) @ np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]])


@dataclass(frozen=True, slots=True)
class ColourProfile:
    """Mean and deviation of a slide's tissue in lαβ, decadic logarithms.

    Args:
        mean: Along l, α and β; white is about 0 along each.
        deviation: Likewise.
        source_sha256: Identity of the store they are from; empty for none.
        method: Always ``reinhard``.

    Raises:
        InvalidValueError: A value is not finite, or a deviation is not above 0.
    """

    mean: Vector
    deviation: Vector
    source_sha256: str = ""
    method: str = METHOD

    def __post_init__(self) -> None:
        """Refuse a slide of one colour: it cannot be stretched to another's."""
        finite = np.isfinite([*self.mean, *self.deviation]).all()
        if not finite or min(self.deviation) <= 0:
            raise InvalidValueError(
                "colour statistics",
                found=f"mean {self.mean}, deviation {self.deviation}",
                allowed="finite, deviations above 0",
                remedy="choose a slide with more tissue",
            )
        if self.method != METHOD:
            raise InvalidValueError("colour statistics", found=self.method, allowed=METHOD)

    @classmethod
    def of_pixels(cls, pixels: NDArray[np.uint8], *, source_sha256: str = "") -> ColourProfile:
        """The statistics of pixels of tissue, ``(M, 3)`` uint8 RGB."""
        light = (pixels.astype(np.float64) + 1) / 256
        lab = np.log10(light @ RGB_TO_CONES.T) @ _LAB.T
        return cls(read_vector(lab.mean(axis=0)), read_vector(lab.std(axis=0)), source_sha256)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> ColourProfile:
        """The profile that `to_dict` wrote.

        Raises:
            InvalidValueError: Fields are missing, unknown or malformed.
        """
        try:
            values = {**found}
            mean, deviation = read_vector(values.pop("mean")), read_vector(values.pop("deviation"))
            return cls(mean, deviation, **{key: read_text(value) for key, value in values.items()})
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, InvalidValueError):
                raise
            raise InvalidValueError("colour statistics malformed", found=str(error)) from error


@torch.no_grad()
def transfer_colour(
    batch: torch.Tensor, source: ColourProfile, target: ColourProfile
) -> torch.Tensor:
    """Give images of one slide the colour statistics of another.

    White moves with the tissue: clear glass takes on a tint where the slides differ much.

    Args:
        batch: ``(N, 3, H, W)`` RGB, uint8, or floating point from 0 to 1, on any device.
        source: Of the slide the batch is from.
        target: Of the slide it shall look like.

    Returns:
        ``(N, 3, H, W)`` of the batch's type, on its device.

    Raises:
        InvalidValueError: The batch has another shape or type.
    """
    stretch = np.array(target.deviation) / np.array(source.deviation)
    matrix = np.linalg.inv(_LAB) @ np.diag(stretch) @ _LAB
    shift = np.linalg.inv(_LAB) @ (np.array(target.mean) - stretch * np.array(source.mean))
    # Cones receive 256 times the light here, and logarithms are binary: both go into the shift.
    shift = shift * math.log2(10) + 8 - 8 * matrix.sum(axis=1)
    cones, mixing, back = (
        _weights(m, batch.device) for m in (RGB_TO_CONES, matrix, np.linalg.inv(RGB_TO_CONES))
    )
    none = torch.zeros(1, 3, device=batch.device)
    bias = torch.from_numpy(shift).to(batch.device, torch.float32)[None]

    def transfer(piece: torch.Tensor, _: slice) -> torch.Tensor:
        received = mix_channels(values_of(piece), cones, none).log2_()
        wanted = mix_channels(received, mixing, bias).exp2_()
        return from_values(mix_channels(wanted, back, none), batch.dtype)

    return in_pieces(batch, transfer)


def _weights(matrix: NDArray[np.float64], device: torch.device) -> torch.Tensor:
    """A matrix for columns of pixels as `mix_channels` takes it, ``(1, 3, 3)`` float32."""
    return torch.from_numpy(matrix.T.copy()).to(device, torch.float32)[None]
