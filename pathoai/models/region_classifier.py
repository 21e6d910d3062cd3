"""Classes of regions, each seen at several scales about one centre.

One encoder sees all scales, as the readers of a slide have one pair of eyes; its vectors are laid
side by side, so that the head knows which is the near view and which the far one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from pathoai.errors import InvalidValueError, ModelError
from pathoai.models.encoder import Pooling
from pathoai.models.small_residual import SmallResidual

SMALL = "small"
"""The encoder that needs no package but torch."""


class RegionClassifier(nn.Module):
    """Classifies regions from a near view and coarser ones about the same centre.

    Args:
        classes: Output channels.
        encoder: ``small``, or the name of a network in timm.
        arguments: What else the encoder takes; of timm as in the description of an encoder.
        pooling: Of a network of timm: ``cls``, ``mean`` or ``cls+mean`` of a transformer's tokens,
            ``avg`` of a map.
        context: How many times coarser each further view is.
        dropout: Share of the vectors that training leaves out.

    Attributes:
        context: Likewise; who predicts must show these views.
        encoder_architecture: Name of the encoder, for `load_pretrained`.

    Raises:
        InvalidValueError: A context that is not coarser.
        ModelError: timm does not know the encoder, or it does not take these arguments.
    """

    def __init__(
        self,
        *,
        classes: int,
        encoder: str = SMALL,
        arguments: Mapping[str, Any] | None = None,
        pooling: Pooling = "avg",
        context: Sequence[float] = (),
        dropout: float = 0.0,
    ) -> None:
        """Build the layers; weights are random."""
        super().__init__()
        self.context = check_context(context)
        self.encoder_architecture = encoder
        self.vectors, length = _encoder(encoder, arguments or {}, pooling)
        views = 1 + len(self.context)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(views * length, classes))

    @property
    def encoder(self) -> nn.Module:
        """What pretrained weights are for."""
        inner: nn.Module = getattr(self.vectors, "network", self.vectors)
        return inner

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        """Logits ``(N, classes)``.

        Args:
            views: ``(N, V, 3, S, S)`` normalised, the near view first, then those of ``context``.

        Raises:
            InvalidValueError: Another number of views.
        """
        if views.ndim != 5 or views.shape[1] != 1 + len(self.context):
            raise InvalidValueError(
                "views of regions",
                found=tuple(views.shape),
                allowed=f"(N, {1 + len(self.context)}, 3, S, S)",
            )
        vectors = self.vectors(views.flatten(0, 1))
        logits: torch.Tensor = self.head(vectors.reshape(len(views), -1))
        return logits


def check_context(context: Sequence[float]) -> tuple[float, ...]:
    """The factors of coarser views as a tuple.

    Raises:
        InvalidValueError: One is not above 1 or not finite, or they do not rise.
    """
    found = tuple(context)
    if any(not 1 < factor < float("inf") for factor in found) or list(found) != sorted(set(found)):
        raise InvalidValueError(
            "context", found=list(found), allowed="rising factors above 1, e.g. [8]"
        )
    return found


def _encoder(name: str, arguments: Mapping[str, Any], pooling: Pooling) -> tuple[nn.Module, int]:
    """A network from images to vectors, and their length."""
    if name == SMALL:
        try:
            small = SmallResidual(**arguments)
        except TypeError as error:
            raise ModelError("wrong arguments", where=f"encoder {name}", found=error) from error
        return small, small.embedding
    # timm is another package, which our own encoder does not need.
    from pathoai.models.encoder_network import Pooled, build_timm

    pooled = Pooled(build_timm(name, arguments, pooling), pooling)
    return pooled, pooled.embedding
