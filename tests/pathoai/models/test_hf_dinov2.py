"""Hugging Face's names for DINOv2 become timm's: the network computes the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pathoai.errors import ModelError
from pathoai.models.encoder_network import build_timm
from pathoai.models.encoder_registry import EncoderRegistry
from pathoai.models.encoder_weights import as_safetensors, load_encoder
from pathoai.models.hf_dinov2 import timm_from_hf_dinov2
from pathoai.models.register_encoder import register_file
from tests.pathoai.made_encoders import tiny_entry

_SMALL = {"img_size": 28, "patch_size": 14, "embed_dim": 24, "depth": 2, "num_heads": 2}
_KINDS = {
    "plain": "vit_small_patch14_dinov2",
    "registers": "vit_small_patch14_reg4_dinov2",
    "gated": "vit_giant_patch14_reg4_dinov2",
}
_BACK = {
    "norm1": "norm1",
    "norm2": "norm2",
    "attn.proj": "attention.output.dense",
    "ls1": "layer_scale1",
    "ls2": "layer_scale2",
}


def _network(kind: str) -> nn.Module:
    torch.manual_seed(0)
    network = build_timm(_KINDS[kind], _SMALL, "cls").eval()
    with torch.no_grad():
        for parameter in network.parameters():  # layer scales and biases are otherwise near 0
            parameter.normal_(std=0.3)
    return network


def _as_hugging_face(network: nn.Module, *, gated: bool) -> dict[str, torch.Tensor]:
    """What Hugging Face would save of the same network, written down from its model's code."""
    state = dict(network.state_dict())
    found = {
        "embeddings.mask_token": torch.zeros(1, 24),
        "embeddings.patch_embeddings.projection.weight": state.pop("patch_embed.proj.weight"),
        "embeddings.patch_embeddings.projection.bias": state.pop("patch_embed.proj.bias"),
        "layernorm.weight": state.pop("norm.weight"),
        "layernorm.bias": state.pop("norm.bias"),
    }
    token, position = state.pop("cls_token"), state.pop("pos_embed")
    if "reg_token" in state:
        found["embeddings.register_tokens"] = state.pop("reg_token")
        of_class = torch.randn(1, 1, 24)  # any split of token and its position is the same network
        token, position = token - of_class, torch.cat([of_class, position], 1)
    found |= {"embeddings.cls_token": token, "embeddings.position_embeddings": position}
    names = {"mlp.fc1": "mlp.weights_in", "mlp.fc2": "mlp.weights_out"} if gated else {}
    for name, tensor in state.items():
        match = re.fullmatch(r"blocks\.(\d+)\.(.+)\.(\w+)", name)
        assert match, name
        layer, part, kind = f"encoder.layer.{match[1]}", match[2], match[3]
        if part == "attn.qkv":
            for which, third in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                found[f"{layer}.attention.attention.{which}.{kind}"] = third
            continue
        there = names.get(part) or _BACK.get(part, part)
        found[f"{layer}.{there}.{'lambda1' if kind == 'gamma' else kind}"] = tensor
    return found


@pytest.mark.parametrize("kind", sorted(_KINDS))
def test_the_converted_network_computes_the_same(kind: str) -> None:
    network = _network(kind)
    state = timm_from_hf_dinov2(_as_hugging_face(network, gated=kind == "gated"))
    other = build_timm(_KINDS[kind], _SMALL, "cls").eval()
    other.load_state_dict(state)
    images = torch.randn(2, 3, 28, 28)
    with torch.inference_mode():
        torch.testing.assert_close(other(images), network(images))


def test_a_file_so_named_is_registered_and_encodes_the_same(tmp_path: Path) -> None:
    network = _network("registers")
    changes: dict[str, Any] = {"architecture": _KINDS["registers"], "arguments": _SMALL}
    changes |= {"prefix_tokens": 5, "size_px": 28, "weights": "hf-dinov2", "pooling": "cls"}
    entry = tiny_entry(**changes, embedding=24)
    file = tmp_path / "model.safetensors"
    file.write_bytes(as_safetensors(_as_hugging_face(network, gated=False)))
    encoder = load_encoder(register_file(EncoderRegistry(), entry, file), torch.device("cpu"))
    tiles = torch.randint(0, 256, (2, 3, 28, 28), dtype=torch.uint8)
    mean = torch.tensor(entry.mean).view(1, 3, 1, 1)
    with torch.inference_mode():
        torch.testing.assert_close(encoder(tiles), network((tiles / 255 - mean) / 0.2)[:, 0])


def test_what_is_no_whole_dinov2_is_refused() -> None:
    state = _as_hugging_face(_network("plain"), gated=False)
    missing = "encoder.layer.0.attention.attention.key.weight"
    with pytest.raises(ModelError, match=f"not a whole DINOv2.*{missing}"):
        timm_from_hf_dinov2({k: v for k, v in state.items() if k != missing})
    for surplus in ("classifier.weight", "encoder.layer.0.odd.weight"):
        with pytest.raises(ModelError, match="not a whole DINOv2"):
            timm_from_hf_dinov2(state | {surplus: torch.zeros(1)})
