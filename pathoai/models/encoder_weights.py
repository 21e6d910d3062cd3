"""An encoder's weights, from a safetensors file into its network: strictly, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import nn

from pathoai.errors import ModelError
from pathoai.models.encoder import EncoderEntry
from pathoai.models.encoder_network import TileEncoder, build_timm
from pathoai.models.encoder_registry import RegisteredEncoder
from pathoai.models.hf_dinov2 import timm_from_hf_dinov2

_State = Mapping[str, torch.Tensor]
_TO_TIMM: Mapping[str, Callable[[_State], dict[str, torch.Tensor]]] = {
    "timm": dict,
    "hf-dinov2": timm_from_hf_dinov2,
}


def as_safetensors(state: _State) -> bytes:
    """The bytes of a safetensors file with these tensors."""
    return save({name: tensor.contiguous() for name, tensor in state.items()})


def check_fits(entry: EncoderEntry, weights: Path) -> None:
    """Compare the names and shapes in a file with the network's; no weight is read.

    Raises:
        ModelError: It is no safetensors file, or of another network.
    """
    try:
        with safe_open(weights, framework="pt") as file:
            shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError) as error:
        raise ModelError(
            "not a safetensors file", where=entry.key, found=f"{weights.name}: {error}"
        ) from error
    state = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    with torch.device("meta"):
        network = build_timm(entry.architecture, entry.arguments, entry.pooling)
    _fitting(entry, network, state)


def load_encoder(encoder: RegisteredEncoder, device: torch.device) -> TileEncoder:
    """The network of an encoder with its weights, ready to encode.

    Raises:
        ModelError: The file has moved, was altered, or does not fit.
    """
    entry = encoder.entry
    network = build_timm(entry.architecture, entry.arguments, entry.pooling)
    network.load_state_dict(read_state(encoder, network))
    return TileEncoder(network, entry).to(device).eval()


def read_state(encoder: RegisteredEncoder, network: nn.Module) -> dict[str, torch.Tensor]:
    """The tensors that an encoder's whole timm network takes, from the registered file.

    Raises:
        ModelError: The file has moved, was altered, or does not fit.
    """
    encoder.check_unchanged()
    return _fitting(encoder.entry, network, load_file(encoder.path))


def _fitting(entry: EncoderEntry, network: nn.Module, state: _State) -> dict[str, torch.Tensor]:
    """The tensors under timm's names, without those of the classifier that we do not have.

    Raises:
        ModelError: Others are missing, left over, or of another shape.
    """
    found = _TO_TIMM[entry.weights](state)
    classifier = _classifier_names(network)
    found = {k: v for k, v in found.items() if not k.startswith(classifier)}
    wanted = network.state_dict()
    faults = [f"no {name}" for name in wanted if name not in found]
    faults += [f"an unknown {name}" for name in found if name not in wanted]
    faults += [
        f"{name} of {tuple(found[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in found and found[name].shape != tensor.shape
    ]
    if faults:
        raise ModelError(
            "the weights are of another network than the encoder's",
            where=entry.key,
            found=f"{len(faults)} differences, first {faults[0]}",
            allowed=f"timm's {entry.architecture}, named as in {entry.weights}",
            remedy="register the file of this encoder, or describe yours with --describe FILE.yaml",
        )
    return found


def _classifier_names(network: nn.Module) -> tuple[str, ...]:
    """Where timm keeps the layer that names the classes of the pretraining."""
    settings: Any = network.default_cfg
    names = settings["classifier"]
    return tuple(f"{name}." for name in ([names] if isinstance(names, str) else names or ()))
