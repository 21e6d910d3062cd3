"""Network architectures by name, registered in the entry-point group ``pathoai.architectures``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from pathoai import entry_points
from pathoai.errors import ModelError

GROUP = "pathoai.architectures"


def build_network(name: str, *, classes: int, arguments: Mapping[str, Any]) -> nn.Module:
    """A network with random weights.

    It maps normalised images ``(N, 3, H, W)`` to logits: ``(N, classes, H, W)`` for each pixel, or
    ``(N, classes)`` where it classifies whole tiles. One that classifies slides is a
    :class:`pathoai.models.bag_classifier.BagClassifier`: it maps features of tiles ``(B, N, F)``
    and a mask ``(B, N)`` to logits ``(B, classes)``.

    Args:
        name: Name in the entry-point group.
        classes: Output channels, background included where there is one.
        arguments: What else the architecture takes, e.g. ``width``.

    Raises:
        InvalidValueError: The architecture is unknown.
        ModelError: It does not take these arguments.
    """
    make = entry_points.load(GROUP, name)
    try:
        network: nn.Module = make(classes=classes, **arguments)
    except TypeError as error:
        raise ModelError("wrong arguments", where=f"architecture {name}", found=error) from error
    return network
