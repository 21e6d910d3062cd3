"""Encoders of random weights, small enough to encode a slide in a moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from pathoai.models.encoder import EncoderEntry
from pathoai.models.encoder_network import build_timm
from pathoai.models.encoder_registry import RegisteredEncoder
from pathoai.models.encoder_weights import as_safetensors
from pathoai.provenance import sha256_of_file

TINY_VIT: dict[str, Any] = {
    "title": "A small transformer",
    "architecture": "vit_tiny_patch16_224",
    "arguments": {
        "img_size": 16,
        "patch_size": 8,
        "embed_dim": 24,
        "depth": 2,
        "num_heads": 2,
        "reg_tokens": 1,
    },
    "pooling": "cls+mean",
    "prefix_tokens": 2,
    "embedding": 48,
    "size_px": 16,
    "mpp": 0.5,
    "mean": (0.7, 0.6, 0.7),
    "std": (0.2, 0.2, 0.2),
    "licence": "Apache-2.0",
    "commercial": True,
}


def tiny_entry(**changes: object) -> EncoderEntry:
    """The description of a small transformer, with changes."""
    return EncoderEntry.from_dict("tiny", TINY_VIT | changes)


def write_weights(entry: EncoderEntry, path: Path, *, seed: int = 0) -> Path:
    """Random weights of an encoder as a safetensors file, named as in timm."""
    torch.manual_seed(seed)
    network = build_timm(entry.architecture, entry.arguments, entry.pooling)
    path.write_bytes(as_safetensors(network.state_dict()))
    return path


def tiny_encoder(folder: Path, *, seed: int = 0, **changes: object) -> RegisteredEncoder:
    """A small encoder whose weights lie in a folder."""
    entry = tiny_entry(**changes)
    path = write_weights(entry, folder / f"tiny-{seed}.safetensors", seed=seed)
    accepted = "" if entry.commercial else entry.licence
    return RegisteredEncoder(entry, path, sha256_of_file(path), accepted)
