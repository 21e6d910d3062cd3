"""Descriptions of encoders: what ships can be built as published, what is malformed is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pathoai.errors import InvalidValueError, MissingFileError, ModelError
from pathoai.models.encoder import EncoderEntry, read_entry, shipped_encoders
from pathoai.models.encoder_network import TileEncoder, build_timm
from tests.pathoai.made_encoders import TINY_VIT, tiny_entry

# Millions of parameters, as the publishers or timm's own documentation state them.
_PUBLISHED = {
    "h-optimus-0": 1134.8,
    "uni2-h": 681.4,
    "virchow2": 631.2,
    "gigapath": 1135.0,
    "phikon-v2": 303.4,
    "hibou-b": 85.7,
    "hibou-l": 303.2,
    "efficientnet-lite0": 3.4,
    "efficientnet-lite0-stage-3": 3.4,
    "resnet50": 23.5,
    "convnext-tiny": 27.8,
    "vit-small": 21.7,
}


def test_every_shipped_encoder_is_compared() -> None:
    assert set(_PUBLISHED) == set(shipped_encoders())


@pytest.mark.parametrize("key", sorted(_PUBLISHED))
def test_a_shipped_encoder_builds_with_the_published_number_of_parameters(key: str) -> None:
    entry = shipped_encoders()[key]
    with torch.device("meta"):  # shapes without memory: the largest would take 4.5 GB
        network = build_timm(entry.architecture, entry.arguments, entry.pooling)
    millions = sum(p.numel() for p in network.parameters()) / 1e6
    assert millions == pytest.approx(_PUBLISHED[key], abs=0.06)
    assert entry.source
    assert not entry.unknown
    encoder = TileEncoder(network, entry)  # compares length of vector and tokens
    side = entry.size_px
    tiles = torch.empty((1, 3, side, side), dtype=torch.uint8, device="meta")
    assert encoder(tiles).shape == (1, entry.embedding)


def test_licences_that_forbid_commercial_use_are_known() -> None:
    closed = {key for key, entry in shipped_encoders().items() if not entry.commercial}
    assert closed == {"uni2-h", "virchow2", "phikon-v2"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pooling": "max"}, r"pooling.*'?max'?.*cls\+mean"),
        ({"weights": "pickle"}, "weights.*timm, hf-dinov2"),
        ({"embedding": 0}, "embedding.*1 or more"),
        ({"size_px": 16.0}, "size_px"),
        ({"prefix_tokens": 0}, "prefix_tokens"),
        ({"pooling": "avg"}, "prefix_tokens"),
        ({"commercial": "perhaps"}, "commercial"),
        ({"licence": ""}, "licence"),
        ({"mpp": 40.0}, "40"),
        ({"mean": (0.5, 0.5)}, "mean"),
        ({"std": (0.5, 0.5, 0.0)}, "std"),
        ({"patch": 8}, "unknown field.*patch"),
        ({"mean": 5}, "malformed"),
        ({"stage": 1}, "stage.*pooling avg"),
        ({"pooling": "avg", "prefix_tokens": 0, "stage": -1}, "stage.*from 0"),
        ({"pooling": "avg", "prefix_tokens": 0, "stage": 1.0}, "stage.*from 0"),
    ],
)
def test_a_malformed_description_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        tiny_entry(**change)


def test_a_malformed_key_or_missing_field_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="malformed key"):
        EncoderEntry.from_dict("../escape", TINY_VIT)
    with pytest.raises(InvalidValueError, match="architecture"):
        EncoderEntry.from_dict("x", {k: v for k, v in TINY_VIT.items() if k != "architecture"})


@pytest.mark.parametrize("mpp", [0.475, 0.5, 0.525])
def test_scales_within_five_percent_are_taken(mpp: float) -> None:
    tiny_entry().check_mpp(mpp, where="tiny")


@pytest.mark.parametrize("mpp", [0.25, 0.47, 0.53, 1.0])
def test_another_scale_is_refused_with_the_remedy(mpp: float) -> None:
    with pytest.raises(ModelError, match=r"another scale.*allowed: 0\.5 µm.*--mpp 0\.5"):
        tiny_entry().check_mpp(mpp, where="tiny")
    tiny_entry(mpp=None).check_mpp(mpp, where="tiny")


def test_a_users_own_description_is_read(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "encoders:\n  mine:\n    title: Mine\n    architecture: resnet18\n    embedding: 512\n"
        "    pooling: avg\n    size_px: 64\n    licence: MIT\n    commercial: true\n"
        "    mean: [0.5, 0.5, 0.5]\n    std: [0.5, 0.5, 0.5]\n"
    )
    entry = read_entry(file, "mine")
    assert (entry.key, entry.architecture, entry.mean) == ("mine", "resnet18", (0.5, 0.5, 0.5))
    with pytest.raises(InvalidValueError, match=r"unknown encoder.*'mime'.*did you mean 'mine'"):
        read_entry(file, "mime")
    file.write_text("encoders: [1]")
    with pytest.raises(InvalidValueError, match=r"malformed.*mine\.yaml|mine\.yaml.*malformed"):
        read_entry(file, "mine")
    with pytest.raises(MissingFileError):
        read_entry(tmp_path / "none.yaml", "mine")


def test_a_network_that_differs_from_its_description_is_refused() -> None:
    entry = tiny_entry(embedding=47)
    with pytest.raises(ModelError, match=r"another embedding.*48.*allowed: 47"):
        TileEncoder(build_timm(entry.architecture, entry.arguments, entry.pooling), entry)
    entry = tiny_entry(prefix_tokens=1)
    with pytest.raises(ModelError, match="another prefix tokens"):
        TileEncoder(build_timm(entry.architecture, entry.arguments, entry.pooling), entry)


def _staged(stage: int | None, embedding: int) -> EncoderEntry:
    return tiny_entry(
        architecture="resnet10t",
        arguments={},
        pooling="avg",
        prefix_tokens=0,
        stage=stage,
        embedding=embedding,
        size_px=32,
    )


def test_an_earlier_stage_is_pooled_and_nothing_after_it_is_computed() -> None:
    """Against timm's own maps; a later stage that cannot compute does not matter."""
    entry = _staged(3, 256)
    network = build_timm(entry.architecture, entry.arguments, entry.pooling).eval()
    tiles = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    mean = torch.tensor(entry.mean).view(1, 3, 1, 1)
    maps = network.forward_intermediates(  # type: ignore[operator]  # as above
        (tiles / 255 - mean) / 0.2, intermediates_only=True
    )
    encoder = TileEncoder(network, entry).eval()
    network.layer4 = torch.nn.Linear(1, 1)
    torch.testing.assert_close(encoder(tiles), maps[3].mean((2, 3)))


@pytest.mark.parametrize(("stage", "embedding", "says"), [(5, 512, "0 to 4"), (3, 64, "embedding")])
def test_a_stage_that_is_not_there_or_of_another_width_is_refused(
    stage: int, embedding: int, says: str
) -> None:
    entry = _staged(stage, embedding)
    with pytest.raises(ModelError, match=says):
        TileEncoder(build_timm(entry.architecture, entry.arguments, entry.pooling), entry)


def test_pooling_is_of_the_tokens_it_names() -> None:
    """Against timm's own tokens, one by one."""
    torch.manual_seed(0)
    tiles = torch.randint(0, 256, (3, 3, 16, 16), dtype=torch.uint8)
    found = {}
    for pooling, length in (("cls", 24), ("mean", 24), ("cls+mean", 48)):
        entry = tiny_entry(pooling=pooling, embedding=length)
        torch.manual_seed(1)
        network = build_timm(entry.architecture, entry.arguments, entry.pooling).eval()
        found[pooling] = TileEncoder(network, entry).eval()(tiles)
    mean = torch.tensor(entry.mean).view(1, 3, 1, 1)
    tokens = network.forward_features((tiles / 255 - mean) / 0.2)  # type: ignore[operator]
    assert tokens.shape == (3, 2 + 4, 24)
    torch.testing.assert_close(found["cls"], tokens[:, 0])
    torch.testing.assert_close(found["mean"], tokens[:, 2:].mean(1))
    torch.testing.assert_close(found["cls+mean"], torch.cat([found["cls"], found["mean"]], 1))


@pytest.mark.parametrize(
    ("architecture", "arguments", "message"),
    [
        ("vit_tinny", {}, "no such architecture"),
        ("vit_tiny_patch16_224", {"mlp_layer": "NoSuchLayer"}, "no such layer"),
        ("vit_tiny_patch16_224", {"no_such": 1}, "wrong arguments"),
    ],
)
def test_what_timm_does_not_know_is_refused(
    architecture: str, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises((ModelError, InvalidValueError), match=message):
        build_timm(architecture, arguments, "cls")
