"""A U-Net over a pretrained encoder whose first maps are as fine as the image.

Encoders of timm halve the image before they look at it; where nuclei touch, the rim between them is
a pixel wide, and lost there. Enlarged twice first, the image keeps it: Ronneberger O, Fischer P,
Brox T. U-Net. MICCAI 2015, over an encoder.
"""

from __future__ import annotations

import timm
import torch
from torch import nn

from pathoai.errors import InvalidValueError, ModelError
from pathoai.models.unet import twice


class FineUNet(nn.Module):
    """A decoder over the maps of an encoder that sees the image at twice its size.

    Args:
        classes: Output channels, background included.
        encoder: Name of a convolutional network in timm whose maps are half, a quarter … of its
            input, e.g. ``tf_efficientnet_lite0``.
        depth: Number of the encoder's maps, from the finest; tile sides must divide by
            ``2 ** (depth - 1)``.
        width: Channels of the finest level of the decoder; level k has ``width * 2**k``.

    Raises:
        InvalidValueError: Fewer than two maps, or no channels.
        ModelError: timm has no such network, or its maps are others.
    """

    def __init__(
        self,
        *,
        classes: int,
        encoder: str = "tf_efficientnet_lite0",
        depth: int = 4,
        width: int = 24,
    ) -> None:
        """Build the layers; weights are random."""
        super().__init__()
        for name, value, least in (("depth", depth, 2), ("width", width, 1)):
            if value < least:
                raise InvalidValueError(name, found=value, allowed=f"{least} or more")
        self.encoder_architecture = encoder
        self.encoder = _encoder(encoder, depth)
        channels = self.encoder.feature_info.channels()  # type: ignore[union-attr,operator]
        widths = [width * 2**level for level in range(depth - 1)]
        below = [*widths[1:], channels[-1]]
        self.decoders = nn.ModuleList(
            twice(skip + coarse, own)
            for skip, coarse, own in zip(channels[:-1], below, widths, strict=True)
        )
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits ``(N, classes, H, W)`` of normalised images ``(N, 3, H, W)``."""
        large = nn.functional.interpolate(x, scale_factor=2.0, mode="bilinear")
        *skips, y = self.encoder(large)  # (N, C, H / 2**level, W / 2**level)
        for decoder, skip in zip(reversed(self.decoders), reversed(skips), strict=True):
            y = nn.functional.interpolate(y, scale_factor=2.0, mode="nearest")
            y = decoder(torch.cat([skip, y], dim=1))
        logits: torch.Tensor = self.head(y)
        return logits


def _encoder(name: str, depth: int) -> nn.Module:
    try:
        found: nn.Module = timm.create_model(
            name, pretrained=False, features_only=True, out_indices=tuple(range(depth))
        )
        steps = found.feature_info.reduction()  # type: ignore[union-attr,operator]
    except (RuntimeError, ValueError, AttributeError, AssertionError, IndexError) as error:
        raise ModelError("not an encoder with maps", where=name, found=error) from error
    if steps != [2 ** (level + 1) for level in range(depth)]:
        raise ModelError(
            "the encoder's maps do not halve step by step",
            where=name,
            found=steps,
            allowed=[2 ** (level + 1) for level in range(depth)],
            remedy="take a convolutional network, e.g. resnet18 or tf_efficientnet_lite0",
        )
    return found
