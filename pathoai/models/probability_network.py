"""From the bytes of an image to probabilities: a network with what its bundle puts around it."""

from __future__ import annotations

import torch
from torch import nn

from pathoai.models.bundle import ModelBundle


class ProbabilityNetwork(nn.Module):
    """A network between its normalisation and its calibration, so that no user can forget either.

    Args:
        bundle: What normalises and calibrates; its task is a segmentation.
        network: Of that bundle.
    """

    def __init__(self, bundle: ModelBundle, network: nn.Module) -> None:
        """Put them together."""
        super().__init__()
        self.network = network
        self._bundle = bundle

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What the network says of images ``(N, 3, H, W)`` uint8, float32, 0 to 1.

        Returns:
            Calibrated probabilities of the classes ``(N, C, H, W)``; then, where it tells objects
            apart, its maps ``(N, 2, H, W)``.
        """
        outputs = self.network(self._bundle.normalisation(images))
        classes = len(self._bundle.classes)
        probabilities = self._bundle.calibration.probabilities(outputs[:, :classes])
        if self._bundle.outputs == classes:
            return (probabilities,)
        return probabilities, outputs[:, classes:].float().sigmoid()
