"""Starting a network from a pretrained encoder: a step of its own, before training.

A bundle holds all its weights, so that predicting needs no encoder's file.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from pathoai.errors import ModelError
from pathoai.models.encoder_network import build_timm
from pathoai.models.encoder_registry import RegisteredEncoder
from pathoai.models.encoder_weights import read_state


def load_pretrained(network: nn.Module, encoder: RegisteredEncoder) -> dict[str, Any]:
    """Give a network's encoder the weights of a registered one; the rest stays as it is.

    Args:
        network: With an ``encoder`` (a network of timm, or the part of one that gives its maps) and
            the name of its ``encoder_architecture``, e.g. of the architectures ``smp`` and
            ``timm-classifier``.
        encoder: Of the same architecture.

    Returns:
        What the bundle must say of the encoder: its key, licence and hash.

    Raises:
        ModelError: The network takes no encoder, or another one; or the file has moved, was
            altered or does not fit.
    """
    entry = encoder.entry
    wanted = getattr(network, "encoder_architecture", None)
    if wanted != entry.architecture:
        raise ModelError(
            "the network does not take this encoder",
            where=entry.key,
            found=entry.architecture,
            allowed=wanted or "none: its architecture has no pretrained encoder",
            remedy="name the encoder's architecture in the network's arguments",
        )
    whole = build_timm(entry.architecture, entry.arguments, entry.pooling)
    source = {_plain(name): tensor for name, tensor in read_state(encoder, whole).items()}
    target: nn.Module = network.encoder  # type: ignore[assignment]  # such networks have one
    own = target.state_dict()
    state = {name: _same_place(name, tensor, source, entry.key) for name, tensor in own.items()}
    target.load_state_dict(state)
    return encoder.about


def _plain(name: str) -> str:
    """A tensor's name without what tells a whole network of timm from the part that gives maps.

    That part has the first modules side by side: ``stages.0.blocks`` becomes ``stages_0.blocks``.
    """
    return name.replace("_", ".")


def _same_place(
    name: str, tensor: torch.Tensor, source: dict[str, torch.Tensor], key: str
) -> torch.Tensor:
    found = source.get(_plain(name))
    if found is None or found.shape != tensor.shape:
        raise ModelError(
            "the encoder's weights do not fit the network's",
            where=f"{key} {name}",
            found="none" if found is None else tuple(found.shape),
            allowed=tuple(tensor.shape),
            remedy="build the network with the arguments in the encoder's description",
        )
    return found
