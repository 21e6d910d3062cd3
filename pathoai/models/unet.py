"""U-Net: Ronneberger O, Fischer P, Brox T. MICCAI 2015. With batch normalisation and padding."""

from __future__ import annotations

import torch
from torch import nn


def twice(inputs: int, outputs: int) -> nn.Sequential:
    """Two 3 × 3 convolutions with batch normalisation, to ``outputs`` channels."""
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [
            nn.Conv2d(channels, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """A U-Net whose width doubles at each level.

    Args:
        classes: Output channels, background included.
        width: Channels at the finest level.
        depth: Number of times the resolution is halved; tile sides must divide by ``2 ** depth``.
    """

    def __init__(self, *, classes: int, width: int = 16, depth: int = 3) -> None:
        """Build the layers; weights are random."""
        super().__init__()
        widths = [width * 2**level for level in range(depth + 1)]
        self.encoders = nn.ModuleList(
            twice(i, o) for i, o in zip([3, *widths[:-2]], widths[:-1], strict=True)
        )
        self.bottom = twice(widths[-2], widths[-1])
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(o, i, 2, stride=2)
            for i, o in zip(widths[-2::-1], widths[:0:-1], strict=True)
        )
        self.decoders = nn.ModuleList(twice(2 * w, w) for w in widths[-2::-1])
        self.head = nn.Conv2d(width, classes, 1)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits ``(N, classes, H, W)`` of normalised images ``(N, 3, H, W)``."""
        skips = []
        for encoder in self.encoders:
            x = encoder(x)  # (N, width * 2**level, H / 2**level, W / 2**level)
            skips.append(x)
            x = self.pool(x)
        x = self.bottom(x)
        for up, decoder, skip in zip(self.ups, self.decoders, reversed(skips), strict=True):
            x = decoder(torch.cat([skip, up(x)], dim=1))
        logits: torch.Tensor = self.head(x)
        return logits
