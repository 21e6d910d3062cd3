"""From a tile to its vector: timm's networks, built without any download, and how they are pooled.

timm: Wightman R. PyTorch Image Models. 2019, Apache-2.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from pathoai.errors import InvalidValueError, MissingDependencyError, ModelError
from pathoai.models.bundle import Normalisation
from pathoai.models.encoder import EncoderEntry, Pooling

try:
    import timm
    import timm.layers
except ModuleNotFoundError as error:
    raise MissingDependencyError(
        "a package is not installed",
        where="pretrained encoders",
        found=error.name,
        remedy="pip install 'pathoai[models]'",
    ) from error

_LAYERS = ("mlp_layer", "norm_layer")
"""Arguments that timm takes as classes; a description names them."""


def build_timm(architecture: str, arguments: Mapping[str, Any], pooling: Pooling) -> nn.Module:
    """A network of timm with random weights and without classifier.

    Args:
        architecture: Its name in timm.
        arguments: What else it takes.
        pooling: ``avg`` gives vectors; else the network gives its tokens.

    Raises:
        ModelError: timm does not know it, or it does not take these arguments.
    """
    if not timm.is_model(architecture):
        raise ModelError(
            "timm has no such architecture",
            found=repr(architecture),
            allowed=f"a name of timm.list_models() of version {timm.__version__}",
        )
    layers = {name: _layer(name, value) for name, value in arguments.items()}
    try:
        network: nn.Module = timm.create_model(
            architecture,
            pretrained=False,
            num_classes=0,
            global_pool="avg" if pooling == "avg" else "",
            **layers,
        )
    except (TypeError, ValueError, AssertionError) as error:
        raise ModelError("wrong arguments", where=architecture, found=str(error)) from error
    return network


def _layer(argument: str, value: Any) -> Any:  # noqa: ANN401 - as timm's arguments are
    if argument not in _LAYERS or not isinstance(value, str):
        return value
    if not callable(layer := getattr(timm.layers, value, None)):
        raise InvalidValueError("timm has no such layer", where=argument, found=repr(value))
    return layer


class Pooled(nn.Module):
    """A network of timm that gives one vector per image.

    Args:
        network: As ``build_timm`` makes it.
        pooling: How the vector is made.
        stage: Pool the map of this stage, counted from 0; None: of the last.

    Attributes:
        embedding: Length of the vector.
        prefix_tokens: Tokens before those of the patches; 0 without tokens.

    Raises:
        ModelError: The network has no such stage.
    """

    def __init__(self, network: nn.Module, pooling: Pooling, stage: int | None = None) -> None:
        """Look at the network; nothing is computed."""
        super().__init__()
        self.network = network
        self.pooling = pooling
        self.stage = stage
        has_tokens: Any = network if pooling != "avg" else None
        self.prefix_tokens = int(getattr(has_tokens, "num_prefix_tokens", 0))
        length: Any = network.num_features if stage is None else _stage_width(network, stage)
        self.embedding = int(length) * (2 if pooling == "cls+mean" else 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Vectors ``(N, embedding)`` of normalised images ``(N, 3, H, W)``."""
        if self.stage is not None:
            return self._map(x).mean(dim=(2, 3))
        found: torch.Tensor = self.network(x)
        if self.pooling == "avg":
            return found
        class_token = found[:, 0]
        if self.pooling == "cls":
            return class_token
        mean = found[:, self.prefix_tokens :].mean(dim=1)
        return mean if self.pooling == "mean" else torch.cat([class_token, mean], dim=1)

    def _map(self, x: torch.Tensor) -> torch.Tensor:
        """What the stage gives, ``(N, embedding, h, w)``; later ones are not computed."""
        run: Any = self.network.forward_intermediates
        found: torch.Tensor = run(
            x, indices=[self.stage], stop_early=True, intermediates_only=True
        )[0]
        return found


def _stage_width(network: nn.Module, stage: int) -> int:
    """Channels of a stage's map."""
    stages: Any = getattr(network, "feature_info", [])
    if not hasattr(network, "forward_intermediates") or stage >= len(stages):
        raise ModelError(
            "the network has no such stage",
            where=type(network).__name__,
            found=stage,
            allowed=f"0 to {len(stages) - 1}" if len(stages) else "null: it has no stages",
        )
    return int(stages[stage]["num_chs"])


class TileEncoder(nn.Module):
    """An encoder as its description says: tiles in, vectors out.

    Args:
        network: As ``build_timm`` makes it for the description.
        entry: The description, with mean and standard deviation.

    Raises:
        ModelError: The network gives other tokens or vectors than described.
    """

    def __init__(self, network: nn.Module, entry: EncoderEntry) -> None:
        """Compare the network with its description."""
        super().__init__()
        self.pooled = Pooled(network, entry.pooling, entry.stage)
        for name in ("embedding", "prefix_tokens"):
            if getattr(self.pooled, name) != getattr(entry, name):
                raise ModelError(
                    f"the network has another {name.replace('_', ' ')} than its description",
                    where=entry.key,
                    found=getattr(self.pooled, name),
                    allowed=getattr(entry, name),
                )
        if entry.mean is None or entry.std is None:
            raise ModelError("mean and std of the encoder's input are not known", where=entry.key)
        self._normalisation = Normalisation(entry.mean, entry.std)

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        """Vectors ``(N, embedding)`` float32 of tiles ``(N, 3, size_px, size_px)`` uint8."""
        found: torch.Tensor = self.pooled(self._normalisation(tiles))
        return found.float()
