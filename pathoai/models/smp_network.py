"""Decoders of segmentation_models_pytorch over timm's convolutional networks.

Iakubovskii P. Segmentation Models PyTorch. 2019, MIT. Nothing is ever downloaded: weights of an
encoder come from a registered file, see ``load_pretrained``.
"""

from __future__ import annotations

import segmentation_models_pytorch as smp
import timm
import torch
from torch import nn

from pathoai.errors import InvalidValueError, ModelError

_DECODERS = {
    "unet": smp.Unet,
    "unetplusplus": smp.UnetPlusPlus,
    "deeplabv3plus": smp.DeepLabV3Plus,
    "fpn": smp.FPN,
}
_MIX_TRANSFORMER = "mit_"


class SmpNetwork(nn.Module):
    """A decoder over an encoder.

    Args:
        classes: Output channels, background included.
        decoder: ``unet``, ``unetplusplus``, ``deeplabv3plus`` or ``fpn``.
        encoder: Name of a convolutional network in timm, e.g. ``resnet18``; tile sides must
            divide by 32.

    Raises:
        InvalidValueError: The decoder or encoder is unknown, or its licence forbids our use.
        ModelError: The two do not go together.
    """

    def __init__(self, *, classes: int, decoder: str = "unet", encoder: str = "resnet18") -> None:
        """Build the layers; weights are random."""
        super().__init__()
        _check(decoder, encoder)
        self.encoder_architecture = encoder
        try:
            self.network = _DECODERS[decoder](
                f"tu-{encoder}", encoder_weights=None, in_channels=3, classes=classes
            )
        except (TypeError, ValueError, AssertionError, RuntimeError, AttributeError) as error:
            raise ModelError(
                "this encoder does not go with this decoder",
                where=f"{encoder}, {decoder}",
                found=str(error),
                remedy="take a convolutional network, e.g. resnet18 or convnext_tiny",
            ) from error

    @property
    def encoder(self) -> nn.Module:
        """What pretrained weights are for."""
        network: nn.Module = self.network
        return network.get_submodule("encoder.model")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits ``(N, classes, H, W)`` of normalised images ``(N, 3, H, W)``."""
        logits: torch.Tensor = self.network(x)
        return logits


def _check(decoder: str, encoder: str) -> None:
    if decoder not in _DECODERS:
        raise InvalidValueError(
            "unknown decoder", found=repr(decoder), allowed=", ".join(sorted(_DECODERS))
        )
    if encoder.startswith(_MIX_TRANSFORMER):
        raise InvalidValueError(
            "the Mix Transformer is under NVIDIA's licence for non-commercial research only",
            where="encoder",
            found=repr(encoder),
            remedy="take another encoder of timm, e.g. convnext_tiny",
        )
    if not timm.is_model(encoder):
        raise InvalidValueError(
            "timm has no such network",
            where="encoder",
            found=repr(encoder),
            allowed="a name in timm, without `tu-`, e.g. resnet18",
        )
