"""Classes of regions, each seen at several scales about one centre.

One encoder sees all scales, as the readers of a slide have one pair of eyes; its vectors are laid
side by side, so that the head knows which is the near view and which the far one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import torch
from torch import nn

from pathoai.errors import InvalidValueError, ModelError
from pathoai.models.encoder import Pooling
from pathoai.models.mean_and_centre import MeanAndCentre
from pathoai.models.small_residual import SmallResidual

SMALL = "small"
"""The encoder that needs no package but torch."""

RegionPooling = Pooling | Literal["avg+centre"]


class RegionClassifier(nn.Module):
    """Classifies regions from a near view and coarser ones about the same centre.

    Args:
        classes: Output channels.
        encoder: ``small``, or the name of a network in timm.
        arguments: What else the encoder takes; of timm as in the description of an encoder.
        pooling: ``avg``, the mean of the encoder's map; ``avg+centre``, beside it what the map says
            of the centre; of a transformer of timm ``cls``, ``mean`` or ``cls+mean`` of its tokens.
        stride: Of a network of timm: its map at so many pixels of the image per pixel of the map;
            deeper layers are left out. Needed for ``avg+centre`` of such a network.
        context: How many times coarser each further view is.
        dropout: Share of the vectors that training leaves out.

    Attributes:
        context: Likewise; who predicts must show these views.
        encoder_architecture: Name of the encoder, for `load_pretrained`.

    Raises:
        InvalidValueError: A context that is not coarser, or a pooling or stride that does not fit.
        ModelError: timm does not know the encoder, it does not take these arguments, or it has no
            map of that stride.
    """

    def __init__(
        self,
        *,
        classes: int,
        encoder: str = SMALL,
        arguments: Mapping[str, Any] | None = None,
        pooling: RegionPooling = "avg",
        stride: int | None = None,
        context: Sequence[float] = (),
        dropout: float = 0.0,
    ) -> None:
        """Build the layers; weights are random."""
        super().__init__()
        self.context = check_context(context)
        self.encoder_architecture = encoder
        self.vectors, length = _vectors(encoder, arguments or {}, pooling, stride)
        views = 1 + len(self.context)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(views * length, classes))

    @property
    def encoder(self) -> nn.Module:
        """What pretrained weights are for."""
        inner = self.vectors
        while isinstance(deeper := getattr(inner, "network", None), nn.Module):
            inner = deeper
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
        # Of the shape, not by len: an exported network takes any number of regions.
        logits: torch.Tensor = self.head(vectors.reshape(views.shape[0], -1))
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


def _vectors(
    name: str, arguments: Mapping[str, Any], pooling: RegionPooling, stride: int | None
) -> tuple[nn.Module, int]:
    """A network from images to vectors, and their length."""
    _check_pooling(name, pooling, stride)
    network: Any
    if name == SMALL:
        network = _small(arguments)
    else:
        # timm is another package, which our own encoder does not need.
        from pathoai.models.encoder_network import Pooled, build_timm
        from pathoai.models.timm_map import TimmMap

        if stride is None:
            tokens = cast("Pooling", pooling)  # as was checked
            network = Pooled(build_timm(name, arguments, tokens), tokens)
        else:
            network = TimmMap(name, arguments, stride)
    if pooling == "avg+centre":
        network = MeanAndCentre(network)
    return network, network.embedding


def _check_pooling(name: str, pooling: RegionPooling, stride: int | None) -> None:
    """Refuse what an encoder cannot give.

    Raises:
        InvalidValueError: Tokens of a map, a stride of our own encoder, or a centre without map.
    """
    if name == SMALL and stride is not None:
        raise InvalidValueError("stride", where=f"encoder {name}", found=stride, allowed="none")
    has_map = name == SMALL or stride is not None
    allowed = ("avg", "avg+centre") if has_map else ("avg", "cls", "mean", "cls+mean")
    if pooling not in allowed:
        raise InvalidValueError(
            "pooling",
            where=f"encoder {name}",
            found=pooling,
            allowed=", ".join(allowed),
            remedy=None if has_map else "avg+centre needs a map: state its stride, e.g. 16",
        )


def _small(arguments: Mapping[str, Any]) -> SmallResidual:
    try:
        return SmallResidual(**arguments)
    except TypeError as error:
        raise ModelError("wrong arguments", where=f"encoder {SMALL}", found=error) from error
