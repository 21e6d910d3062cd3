"""A small residual network for small crops: one nucleus and what touches it, on a laptop's CPU.

Residual blocks: He K et al. Deep residual learning for image recognition. CVPR 2016.
"""

from __future__ import annotations

import torch
from torch import nn

_STAGES = 3


class SmallResidual(nn.Module):
    """Images to vectors: a stem that halves, then residual stages of which each halves again.

    Args:
        width: Channels of the first stage; each further stage has twice as many.
        blocks: Residual blocks of each stage.

    Attributes:
        embedding: Length of the vector.
    """

    def __init__(self, *, width: int = 32, blocks: int = 1) -> None:
        """Build the layers; weights are random."""
        super().__init__()
        widths = [width * 2**stage for stage in range(_STAGES)]
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )
        layers: list[nn.Module] = []
        for inputs, outputs in zip([width, *widths[:-1]], widths, strict=True):
            layers.append(_Residual(inputs, outputs, stride=2))
            layers += [_Residual(outputs, outputs) for _ in range(blocks - 1)]
        self.stages = nn.Sequential(*layers)
        self.embedding = widths[-1]

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        """Maps ``(N, embedding, H / 16, W / 16)`` of normalised images ``(N, 3, H, W)``."""
        found: torch.Tensor = self.stages(self.stem(x))
        return found

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Vectors ``(N, embedding)`` of normalised images ``(N, 3, H, W)``; any H and W."""
        return self.maps(x).mean(dim=(-2, -1))


class _Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        changes = stride != 1 or inputs != outputs
        self.shortcut: nn.Module = nn.Identity()
        if changes:
            self.shortcut = nn.Sequential(
                # Averaged before it is projected, so that no pixel is dropped.
                nn.AvgPool2d(stride, ceil_mode=True),
                nn.Conv2d(inputs, outputs, 1, bias=False),
                nn.BatchNorm2d(outputs),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = torch.relu(self.body(x) + self.shortcut(x))
        return found
