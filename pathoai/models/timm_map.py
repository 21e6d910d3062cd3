"""The map that a network of timm has at one stride: deeper layers are left out, and not computed.

Deep down, a pixel of the map of a network for photographs spans several nuclei.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from pathoai.errors import ModelError
from pathoai.models.encoder_network import build_timm


class TimmMap(nn.Module):
    """Images to maps, and to vectors: a network of timm down to one stride.

    Args:
        architecture: Its name in timm.
        arguments: What else timm is told, as in the description of an encoder.
        stride: Pixels of the image per pixel of the map.

    Attributes:
        network: That of timm, without the layers that are left out.
        embedding: Length of the vector: channels of the map.

    Raises:
        ModelError: timm does not know the network, it does not take these arguments, or it has no
            map of that stride.
    """

    def __init__(self, architecture: str, arguments: Mapping[str, Any], stride: int) -> None:
        """Build the layers; weights are random."""
        super().__init__()
        self.network: Any = build_timm(architecture, arguments, "avg")
        maps = _maps(self.network)
        # The deepest of a stride: a transformer has it in every block.
        self._index = max((i for i, m in enumerate(maps) if m["reduction"] == stride), default=-1)
        if self._index < 0:
            raise ModelError(
                "the network has no map of this stride",
                where=architecture,
                found=stride,
                allowed=", ".join(map(str, sorted({m["reduction"] for m in maps}))) or "none",
            )
        self.embedding = int(maps[self._index]["num_chs"])
        leave_out_deeper: Any = self.network.prune_intermediate_layers
        leave_out_deeper([self._index])

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        """Maps ``(N, embedding, H / stride, W / stride)`` of normalised images ``(N, 3, H, W)``."""
        found: list[torch.Tensor] = self.network.forward_intermediates(
            # Where channels lie side by side, a CPU needs about two thirds of the time for
            # depthwise convolutions.
            x.contiguous(memory_format=torch.channels_last),
            indices=[self._index],
            stop_early=True,
            intermediates_only=True,
        )
        return found[0]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Vectors ``(N, embedding)`` of normalised images ``(N, 3, H, W)``: the map's mean."""
        return self.maps(x).mean(dim=(-2, -1))


def _maps(network: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - timm's networks share no type
    """What timm says of a network's maps, the finest first; none where it hands none out."""
    if not hasattr(network, "prune_intermediate_layers"):
        return []
    return list(network.feature_info)
