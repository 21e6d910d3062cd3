"""What a network has made of a tile by its last layer: one vector, for any architecture."""

from __future__ import annotations

from threading import get_ident

import torch
from torch import nn

from pathoai.errors import ModelError


def pooled_features(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The input of a network's last convolution or linear layer, pooled over each image.

    Threads may ask the same network at once.

    Args:
        network: Any; its last such layer in the order of registration is its head.
        images: Normalised, ``(N, 3, H, W)`` float32.

    Returns:
        ``(N, D)`` float32: of maps, mean and standard deviation of each channel; of tokens, their
        mean; of vectors, themselves.

    Raises:
        ModelError: The network has no such layer, or its head was not reached.
    """
    heads = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    seen: list[torch.Tensor] = []
    own = get_ident()

    def look(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        # Other threads may ask the same network about other images.
        if get_ident() == own:
            seen.append(inputs[0])

    if heads:
        handle = heads[-1].register_forward_pre_hook(look)
        try:
            network(images)
        finally:
            handle.remove()
    if not seen:
        raise ModelError(
            "the network shows no features before its last layer",
            found=type(network).__name__,
            allowed="a network that ends in a convolution or a linear layer",
        )
    return _pooled(seen[-1].float())


def _pooled(found: torch.Tensor) -> torch.Tensor:
    if found.ndim == 4:
        return torch.cat([found.mean((2, 3)), found.std((2, 3), correction=0)], dim=1)
    return found.flatten(1, -2).mean(1) if found.ndim > 2 else found
