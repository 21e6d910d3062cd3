"""From Hugging Face's names of DINOv2's tensors to timm's: one network, two ways of writing it.

Oquab M et al. DINOv2. TMLR 2024; registers: Darcet T et al. Vision transformers need registers.
ICLR 2024. Three things differ beside the names: Hugging Face keeps query, key and value apart; it
keeps a mask token that is used only while pretraining; and with registers timm adds no position to
the class token, so that position is added to the token once and for all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch

from pathoai.errors import ModelError

_LAYER = re.compile(r"encoder\.layer\.(\d+)\.(.+)\.(weight|bias|lambda1)")
_PARTS = {
    "norm1": "norm1",
    "norm2": "norm2",
    "attention.output.dense": "attn.proj",
    "layer_scale1": "ls1",
    "layer_scale2": "ls2",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
    "mlp.weights_in": "mlp.fc1",  # SwiGLU: gate and value side by side, in the same order
    "mlp.weights_out": "mlp.fc2",
}
_KINDS = {"weight": "weight", "bias": "bias", "lambda1": "gamma"}
_ATTENTION = ("query", "key", "value")
_EMBEDDINGS = {
    "embeddings.cls_token": "cls_token",
    "embeddings.position_embeddings": "pos_embed",
    "embeddings.register_tokens": "reg_token",
    "embeddings.patch_embeddings.projection.weight": "patch_embed.proj.weight",
    "embeddings.patch_embeddings.projection.bias": "patch_embed.proj.bias",
    "layernorm.weight": "norm.weight",
    "layernorm.bias": "norm.bias",
}
_ONLY_PRETRAINING = "embeddings.mask_token"


def timm_from_hf_dinov2(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of a DINOv2, with registers or without, under timm's names.

    Args:
        state: As Hugging Face's ``Dinov2Model`` or ``Dinov2WithRegistersModel`` saves it.

    Raises:
        ModelError: A tensor is not of such a model, or one is missing.
    """
    found: dict[str, torch.Tensor] = {}
    try:
        for name, tensor in state.items():
            if name == _ONLY_PRETRAINING:
                continue
            if name in _EMBEDDINGS:
                found[_EMBEDDINGS[name]] = tensor
            else:
                found |= _of_layer(name, state)
        if "reg_token" in found:
            position = found["pos_embed"]
            found["cls_token"] = found["cls_token"] + position[:, :1]
            found["pos_embed"] = position[:, 1:]
    except KeyError as error:
        raise ModelError(
            "the weights are not a whole DINOv2 in Hugging Face's naming", found=str(error)
        ) from error
    return found


def _of_layer(name: str, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What becomes of one tensor of a layer; nothing of key and value, which go with the query."""
    match = _LAYER.fullmatch(name)
    if match is None:
        raise KeyError(name)
    number, part, kind = match.groups()
    own, _, which = part.rpartition(".")
    if own == "attention.attention" and which in _ATTENTION:
        if which != "query":
            return {}
        names = [f"encoder.layer.{number}.{own}.{w}.{kind}" for w in _ATTENTION]
        return {f"blocks.{number}.attn.qkv.{kind}": torch.cat([state[n] for n in names])}
    return {f"blocks.{number}.{_PARTS[part]}.{_KINDS[kind]}": state[name]}
