from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pathoai.errors import InvalidValueError, ModelError
from pathoai.models.architecture import build_network
from pathoai.models.load_pretrained import load_pretrained
from tests.pathoai.made_encoders import tiny_encoder

_RESNET: dict[str, Any] = {
    "architecture": "resnet10t",
    "embedding": 512,
    "pooling": "avg",
    "prefix_tokens": 0,
    "arguments": {},
    "size_px": 64,
}


@pytest.mark.parametrize("depth", [2, 4])
def test_logits_have_the_size_of_the_image_and_every_weight_learns(depth: int) -> None:
    arguments = {"encoder": "resnet10t", "depth": depth, "width": 4}
    network = build_network("fine-unet", classes=3, arguments=arguments)
    logits = network(torch.randn(2, 3, 32, 48))
    assert logits.shape == (2, 3, 32, 48)
    logits.square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_the_first_map_is_as_fine_as_the_image() -> None:
    network = build_network("fine-unet", classes=2, arguments={"encoder": "resnet10t"}).eval()
    seen: list[torch.Size] = []
    network.decoders[0].register_forward_hook(  # type: ignore[index,union-attr]
        lambda _, given, made: seen.append(given[0].shape)
    )
    with torch.inference_mode():
        network(torch.randn(1, 3, 32, 32))
    assert seen[0][2:] == (32, 32)


def test_it_starts_from_the_weights_of_an_encoder(tmp_path: Path) -> None:
    encoder = tiny_encoder(tmp_path, **_RESNET)
    network = build_network("fine-unet", classes=2, arguments={"encoder": "resnet10t"})
    assert load_pretrained(network, encoder) == encoder.about
    whole = build_network("timm-classifier", classes=3, arguments={"encoder": "resnet10t"})
    load_pretrained(whole, encoder)
    theirs = whole.get_submodule("pooled.network").state_dict()
    ours = network.encoder.state_dict()  # type: ignore[union-attr]
    assert ours
    assert all(torch.equal(theirs[name], tensor) for name, tensor in ours.items())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"encoder": "resnet10tt"}, "not an encoder with maps"),
        ({"encoder": "vit_tiny_patch16_224"}, "do not halve step by step"),
        ({"encoder": "resnet10t", "depth": 1}, "depth"),
        ({"encoder": "resnet10t", "width": 0}, "width"),
    ],
)
def test_what_cannot_be_built_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((InvalidValueError, ModelError), match=message):
        build_network("fine-unet", classes=3, arguments=arguments)
