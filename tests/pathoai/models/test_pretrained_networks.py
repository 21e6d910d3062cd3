"""Networks of others behind the registry: no download, rebuilt from their bundle alone."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pathoai.errors import InvalidValueError, ModelError
from pathoai.models.architecture import build_network
from pathoai.models.bundle import ModelBundle, load_bundle, load_network, save_bundle
from pathoai.models.encoder_registry import RegisteredEncoder
from pathoai.models.load_pretrained import load_pretrained
from pathoai.tiling.spec import TileSpec
from tests.pathoai.made_encoders import TINY_VIT, tiny_encoder

_CONVOLUTIONAL: dict[str, Any] = {
    "pooling": "avg",
    "prefix_tokens": 0,
    "arguments": {},
    "size_px": 64,
}
_RESNET: dict[str, Any] = {**_CONVOLUTIONAL, "architecture": "resnet10t", "embedding": 512}


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("something went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def resnet(tmp_path: Path) -> RegisteredEncoder:
    return tiny_encoder(tmp_path, **_RESNET)


@pytest.mark.parametrize("decoder", ["unet", "unetplusplus", "deeplabv3plus", "fpn"])
def test_a_decoder_gives_logits_of_every_pixel(decoder: str) -> None:
    arguments = {"decoder": decoder, "encoder": "resnet10t"}
    network = build_network("smp", classes=3, arguments=arguments).eval()
    with torch.inference_mode():
        assert network(torch.randn(1, 3, 64, 96)).shape == (1, 3, 64, 96)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"encoder": "mit_b0"}, "NVIDIA.*non-commercial"),
        ({"encoder": "resnet10tt"}, "no such network"),
        ({"encoder": "tu-resnet10t"}, "without `tu-`"),
        ({"decoder": "segformer"}, "unknown decoder.*deeplabv3plus, fpn, unet, unetplusplus"),
        ({"encoder": "vit_tiny_patch16_224"}, "does not go with this decoder"),
        ({"encoder_weights": "imagenet"}, "wrong arguments"),
    ],
)
def test_what_cannot_be_built_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((InvalidValueError, ModelError), match=message):
        build_network("smp", classes=3, arguments=arguments)


@pytest.mark.parametrize("decoder", ["unet", "deeplabv3plus"])
def test_a_decoder_starts_from_the_weights_of_an_encoder(
    decoder: str, resnet: RegisteredEncoder
) -> None:
    """Its maps are then those of the encoder's own network, layer by layer."""
    arguments = {"decoder": decoder, "encoder": "resnet10t"}
    network = build_network("smp", classes=3, arguments=arguments)
    about = load_pretrained(network, resnet)
    assert about == resnet.about
    whole = build_network("timm-classifier", classes=3, arguments={"encoder": "resnet10t"})
    load_pretrained(whole, resnet)
    theirs = whole.get_submodule("pooled.network").state_dict()
    ours = network.encoder.state_dict()  # type: ignore[union-attr]
    assert ours
    assert all(torch.equal(theirs[name], tensor) for name, tensor in ours.items())


def test_modules_that_timm_flattens_find_their_place(tmp_path: Path) -> None:
    changes = {**_CONVOLUTIONAL, "architecture": "convnext_atto", "embedding": 320}
    encoder = tiny_encoder(tmp_path, **changes)
    network = build_network("smp", classes=2, arguments={"encoder": "convnext_atto"})
    load_pretrained(network, encoder)
    whole = build_network("timm-classifier", classes=2, arguments={"encoder": "convnext_atto"})
    load_pretrained(whole, encoder)
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        maps = network.encoder.eval()(images)  # type: ignore[union-attr]
        last = whole.get_submodule("pooled.network").eval().forward_features(images)  # type: ignore[operator]
    torch.testing.assert_close(maps[-1], last)


def test_a_network_that_takes_no_or_another_encoder_refuses_it(resnet: RegisteredEncoder) -> None:
    with pytest.raises(ModelError, match="has no pretrained encoder"):
        load_pretrained(build_network("unet", classes=2, arguments={"width": 4}), resnet)
    other = build_network("timm-classifier", classes=2, arguments={"encoder": "resnet18"})
    with pytest.raises(ModelError, match=r"resnet10t; allowed: resnet18"):
        load_pretrained(other, resnet)


def test_a_network_built_with_other_arguments_refuses_the_encoder(tmp_path: Path) -> None:
    encoder = tiny_encoder(tmp_path)
    arguments = {"encoder": encoder.entry.architecture, "pooling": "cls"}
    wider = {**encoder.entry.arguments, "embed_dim": 48}
    network = build_network(
        "timm-classifier", classes=2, arguments=arguments | {"arguments": wider}
    )
    with pytest.raises(ModelError, match="do not fit the network's"):
        load_pretrained(network, encoder)


@pytest.mark.parametrize(
    "arguments",
    [
        {"encoder": "resnet10t", "dropout": 0.2},
        {
            "encoder": TINY_VIT["architecture"],
            "arguments": TINY_VIT["arguments"],
            "pooling": "cls+mean",
        },
    ],
)
def test_a_classifier_gives_logits_of_whole_tiles(arguments: dict[str, Any]) -> None:
    network = build_network("timm-classifier", classes=4, arguments=arguments).eval()
    with torch.inference_mode():
        assert network(torch.randn(3, 3, 16, 16)).shape == (3, 4)


def test_a_bundle_is_rebuilt_without_the_encoders_file(
    tmp_path: Path, resnet: RegisteredEncoder
) -> None:
    arguments = {"decoder": "unet", "encoder": "resnet10t"}
    network = build_network("smp", classes=2, arguments=arguments)
    about = load_pretrained(network, resnet)
    classes = ("background", "tumour")
    bundle = ModelBundle(
        "m", "smp", arguments, "breast", "1", classes, TileSpec(64, 0.5), encoder=about
    )
    save_bundle(tmp_path / "m", bundle, network)
    resnet.path.unlink()
    kept = load_bundle(tmp_path / "m")
    assert kept.encoder == about
    assert str(tmp_path) not in (tmp_path / "m" / "bundle.json").read_text("utf8")
    images = torch.randn(1, 3, 64, 64)
    rebuilt: nn.Module = load_network(tmp_path / "m", kept, torch.device("cpu"))
    with torch.inference_mode():
        torch.testing.assert_close(rebuilt(images), network.eval()(images))
