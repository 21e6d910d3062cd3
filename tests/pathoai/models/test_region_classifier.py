"""Regions at several scales: one encoder for all, and views that are told apart."""

from __future__ import annotations

import pytest
import torch

from pathoai.errors import InvalidValueError, ModelError
from pathoai.models.architecture import build_network
from pathoai.models.encoder_network import build_timm
from pathoai.models.region_classifier import RegionClassifier
from pathoai.models.small_residual import SmallResidual


def views(count: int, side: int = 32) -> torch.Tensor:
    return torch.randn(2, count, 3, side, side, generator=torch.Generator().manual_seed(0))


def network(**arguments: object) -> RegionClassifier:
    torch.manual_seed(0)
    made = build_network("region-classifier", classes=3, arguments=arguments)
    assert isinstance(made, RegionClassifier)
    return made.eval()


@pytest.mark.parametrize("side", [32, 45, 64])
@pytest.mark.parametrize("blocks", [1, 2])
def test_small_crops_of_any_side_become_vectors(side: int, blocks: int) -> None:
    small = SmallResidual(width=8, blocks=blocks)
    assert small(torch.zeros(2, 3, side, side)).shape == (2, small.embedding) == (2, 32)


def test_all_views_are_seen_by_one_encoder_and_laid_side_by_side() -> None:
    model, shown = network(context=[2, 8], arguments={"width": 4}), views(3)
    vectors = [model.encoder(shown[:, view]) for view in range(3)]
    torch.testing.assert_close(model(shown), model.head(torch.cat(vectors, dim=1)))
    assert not torch.allclose(model(shown), model(shown.flip(1)))
    assert model.context == (2, 8)


def test_an_encoder_of_timm_serves_as_well() -> None:
    model = network(encoder="resnet18", context=[8])
    assert model(views(2, 64)).shape == (2, 3)
    assert model.encoder_architecture == "resnet18"
    assert "conv1.weight" in model.encoder.state_dict()


def test_the_centre_of_the_map_stands_beside_its_mean() -> None:
    for side, middle in ((48, slice(1, 2)), (64, slice(1, 3))):
        model, shown = network(pooling="avg+centre", arguments={"width": 4}), views(1, side)
        maps = model.encoder.maps(shown[:, 0])  # type: ignore[operator]  # our own encoder has maps
        centre = maps[:, :, middle, middle].mean((2, 3))
        vectors = torch.cat([maps.mean((2, 3)), centre], dim=1)
        torch.testing.assert_close(model(shown), model.head(vectors))


def test_an_encoder_of_timm_ends_at_a_stride() -> None:
    whole = build_timm("resnet18", {}, "avg").eval()
    model = network(encoder="resnet18", pooling="avg+centre", stride=16, context=[8])
    state = model.encoder.state_dict()
    assert {name.split(".")[0] for name in state} == {"conv1", "bn1", "layer1", "layer2", "layer3"}
    whole.load_state_dict(state, strict=False)
    shown = views(2, 64)
    assert model(shown).shape == (2, 3)
    taken = []
    whole.layer3.register_forward_hook(lambda *call: taken.append(call[-1]))  # type: ignore[union-attr]  # a layer
    whole(shown[:, 0])
    near = model.vectors(shown[:, 0])
    torch.testing.assert_close(near[:, :256], taken[0].mean((2, 3)))
    torch.testing.assert_close(near[:, 256:], taken[0][:, :, 1:3, 1:3].mean((2, 3)))
    plain = network(encoder="resnet18", stride=16)
    assert plain(views(1, 64)).shape == (2, 3)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"encoder": "resnet18", "pooling": "avg+centre"}, "state its stride, e.g. 16"),
        ({"encoder": "resnet18", "pooling": "cls", "stride": 16}, "allowed: avg, avg.centre"),
        ({"stride": 8}, "encoder small: stride; found 8"),
        ({"pooling": "cls"}, "encoder small: pooling; found cls"),
    ],
)
def test_a_pooling_that_the_encoder_cannot_give_is_refused(
    arguments: dict[str, object], says: str
) -> None:
    with pytest.raises(InvalidValueError, match=says):
        network(**arguments)


def test_a_stride_that_the_network_does_not_have_is_refused() -> None:
    with pytest.raises(ModelError, match=r"no map of this stride.*found 12.*allowed: 2, 4, 8"):
        network(encoder="resnet18", stride=12)


def test_other_views_are_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"views of regions.*\(N, 2, 3, S, S\)"):
        network(context=[4])(views(3))
    with pytest.raises(InvalidValueError, match="views"):
        network()(views(1)[:, 0])


@pytest.mark.parametrize("context", [[1], [0.5], [8, 2], [4, 4], [float("inf")], [float("nan")]])
def test_a_context_that_is_not_coarser_is_refused(context: list[float]) -> None:
    with pytest.raises(InvalidValueError, match="rising factors above 1"):
        network(context=context)


def test_unknown_arguments_are_refused() -> None:
    with pytest.raises(ModelError, match="encoder small"):
        network(arguments={"widht": 4})
    with pytest.raises(ModelError, match="no such architecture"):
        network(encoder="reznet18")
