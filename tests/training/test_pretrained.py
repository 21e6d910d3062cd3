"""A recipe may name a registered encoder to begin with; the bundle says so and needs it no more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pathoai.errors import InvalidValueError, ModelError
from pathoai.models.bundle import load_bundle, load_network
from pathoai.models.encoder import EncoderEntry
from pathoai.models.encoder_network import build_timm
from pathoai.models.encoder_registry import EncoderRegistry, RegisteredEncoder
from pathoai.models.encoder_weights import as_safetensors
from pathoai.provenance import sha256_of_file
from pathoai.study.study import Study
from pathoai_training.recipes.recipe import read_recipe
from pathoai_training.train import train

NAME = "breast-nuclei-segmentation"
StudyMaker = Callable[..., Study]
NETWORK = ("model.architecture=smp", "model.arguments={encoder: resnet10t}")


@pytest.fixture
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EncoderEntry:
    """A small convolutional encoder of random weights, registered under the key `small`."""
    monkeypatch.setenv("PATHOAI_ENCODERS", str(tmp_path / "encoders"))
    entry = EncoderEntry.from_dict(
        "small",
        {
            "title": "Small",
            "architecture": "resnet10t",
            "pooling": "avg",
            "prefix_tokens": 0,
            "embedding": 512,
            "size_px": 64,
            "mpp": 0.5,
            "mean": (0.7, 0.6, 0.7),
            "std": (0.2, 0.2, 0.2),
            "licence": "Apache-2.0",
            "commercial": True,
        },
    )
    torch.manual_seed(5)
    file = tmp_path / "small.safetensors"
    file.write_bytes(as_safetensors(build_timm("resnet10t", {}, "avg").state_dict()))
    EncoderRegistry().put(RegisteredEncoder(entry, file, sha256_of_file(file), ""))
    return entry


def test_training_begins_with_the_encoder_and_the_bundle_is_free_of_it(
    make_study: StudyMaker, small: list[str], registered: EncoderEntry, tmp_path: Path
) -> None:
    study = make_study(*(f"P{i:015d}" for i in range(3)))
    # A rate of next to nothing: what is published is what training began with.
    still = ["model.learning_rate=1e-12", "model.weight_decay=0", "trainer.max_steps=1"]
    plain = [s for s in small if not s.startswith("model.arguments")]
    changes = [*plain, *NETWORK, *still, "trainer.steps_per_epoch=1", "data.batch_size=2"]
    bundle = train(study, read_recipe(NAME, [*changes, "model.pretrained=small"]), device="cpu")
    assert bundle.encoder["key"] == "small"
    assert bundle.normalisation.mean == registered.mean
    EncoderRegistry().get("small").path.unlink()
    network = load_network(
        study.model_path(NAME), load_bundle(study.model_path(NAME)), torch.device("cpu")
    )
    torch.manual_seed(5)
    first = build_timm("resnet10t", {}, "avg").state_dict()["conv1.0.weight"]
    found = next(v for k, v in network.encoder.state_dict().items() if k.endswith("conv1.0.weight"))  # type: ignore[union-attr]  # a module of smp
    torch.testing.assert_close(found, first)
    assert str(tmp_path) not in (study.model_path(NAME) / "bundle.json").read_text("utf8")


def test_tiles_of_another_scale_are_refused_before_the_first_step(
    make_study: StudyMaker, small: list[str], registered: EncoderEntry
) -> None:
    study = make_study(*(f"P{i:015d}" for i in range(3)))
    plain = [s for s in small if not s.startswith(("model.arguments", "data.spec"))]
    coarse = "data.spec={size_px: 64, mpp: 1.0, overlap_px: 16, min_tissue_fraction: 0.1}"
    recipe = read_recipe(NAME, [*plain, *NETWORK, coarse, "model.pretrained=small"])
    with pytest.raises(ModelError, match=r"another scale.*found 1 µm.*allowed: 0.5"):
        train(study, recipe, device="cpu")
    recipe = read_recipe(NAME, [*plain, *NETWORK, "model.pretrained=unknown"])
    with pytest.raises(InvalidValueError, match="unknown encoder"):
        train(study, recipe, device="cpu")
