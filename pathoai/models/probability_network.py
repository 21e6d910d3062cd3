"""From input as it is stored to probabilities: a network with what its bundle puts around it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from pathoai.models.bag_classifier import BagClassifier
from pathoai.models.bundle import REGION_CLASSIFICATION, SLIDE_GRADING, ModelBundle
from pathoai.models.onnx_network import OnnxNetwork
from pathoai.models.region_decision import RegionDecision
from pathoai.models.turns import mean_over_turns

Forward = Callable[[torch.Tensor], tuple[torch.Tensor, ...]]
"""From a uint8 batch to probabilities, and what else there is."""


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


class RegionProbabilities(nn.Module):
    """The same for regions: turned copies are averaged as the bundle's decision says.

    Args:
        bundle: What normalises, turns and calibrates.
        network: Of that bundle.

    Raises:
        ModelError: The bundle does not say how it decides.
    """

    def __init__(self, bundle: ModelBundle, network: nn.Module) -> None:
        """Put them together."""
        super().__init__()
        self.network = network
        self._bundle = bundle
        self._turns = RegionDecision.from_dict(bundle.decision, where=bundle.name).turns

    def forward(self, views: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Calibrated probabilities ``(N, K)`` float32 of views ``(N, V, 3, S, S)`` uint8."""
        logits = mean_over_turns(self._logits, views, self._turns)
        return (self._bundle.calibration.probabilities(logits),)

    def _logits(self, views: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.network(self._bundle.normalisation(views))
        return found


class BagProbabilities(nn.Module):
    """The same for slides as bags of features, which are taken as they are.

    Args:
        bundle: What calibrates.
        network: Of that bundle.
    """

    def __init__(self, bundle: ModelBundle, network: BagClassifier) -> None:
        """Put them together."""
        super().__init__()
        self.network = network
        self._bundle = bundle

    def forward(self, features: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What the network says of slides.

        Args:
            features: ``(B, N, F)`` float32; anything where masked.
            mask: ``(B, N)`` bool, True for tiles that are there.

        Returns:
            Calibrated probabilities ``(B, K)``, and the weight of each tile ``(B, N)``.
        """
        vectors, weights = self.network.pooled(features, mask)
        return self._bundle.calibration.probabilities(self.network.head(vectors)), weights


def whole_network(bundle: ModelBundle, network: nn.Module) -> nn.Module:
    """A network with what its bundle puts around it, by the bundle's task."""
    if bundle.task == REGION_CLASSIFICATION:
        return RegionProbabilities(bundle, network)
    if bundle.task == SLIDE_GRADING:
        assert isinstance(network, BagClassifier)
        return BagProbabilities(bundle, network)
    return ProbabilityNetwork(bundle, network)


def forward_of(bundle: ModelBundle, network: nn.Module) -> Forward:
    """What is asked about pixels or regions: the whole network, in torch or as ONNX."""
    if isinstance(network, OnnxNetwork):
        return network.whole
    whole: Forward = whole_network(bundle, network)
    return whole
