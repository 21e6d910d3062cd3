"""Regions at several scales: one encoder for all, and views that are told apart."""

from __future__ import annotations

import pytest
import torch

from pathoai.errors import InvalidValueError, ModelError
from pathoai.models.architecture import build_network
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
