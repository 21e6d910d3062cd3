"""Networks of bags: order does not matter, padding does not exist, weights are what they say."""

from __future__ import annotations

import math

import pytest
import torch

from pathoai.errors import InvalidValueError, ModelError
from pathoai.models.architecture import build_network
from pathoai.models.bag_classifier import BagClassifier
from pathoai.models.gated_attention import GatedAttention

NAMES = ("gated-attention", "mean-pool")
FEATURES, CLASSES = 6, 4


def network_of(name: str, *, seed: int = 0) -> BagClassifier:
    torch.manual_seed(seed)
    arguments = {"features": FEATURES, "hidden": 8, "dropout": 0.5}
    network = build_network(name, classes=CLASSES, arguments=arguments)
    assert isinstance(network, BagClassifier)
    return network.eval()


def bags(*sizes: int, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(len(sizes), max(sizes), FEATURES, generator=generator)
    mask = torch.arange(max(sizes)) < torch.tensor(sizes)[:, None]
    return features, mask


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_tiles_does_not_matter(name: str) -> None:
    network, (features, mask) = network_of(name), bags(9, 9, 9)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(network(features[:, order], mask), network(features, mask))
    weights = network.attention(features, mask)
    torch.testing.assert_close(network.attention(features[:, order], mask), weights[:, order])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("padding", [0.0, 1e30, math.nan, math.inf])
def test_a_padded_bag_is_the_bag_alone(name: str, padding: float) -> None:
    network, (features, mask) = network_of(name), bags(2, 7, 1)
    features[~mask] = padding
    logits, weights = network(features, mask), network.attention(features, mask)
    for row, size in enumerate((2, 7, 1)):
        alone = features[row : row + 1, :size], mask[row : row + 1, :size]
        torch.testing.assert_close(logits[row : row + 1], network(*alone))
        torch.testing.assert_close(weights[row : row + 1, :size], network.attention(*alone))
    assert (weights[~mask] == 0).all()
    torch.testing.assert_close(weights.sum(1), torch.ones(3))


def test_attention_by_its_definition() -> None:
    """Tile by tile, as the paper has it."""
    network, (features, mask) = network_of("gated-attention"), bags(5)
    assert isinstance(network, GatedAttention)
    h = network.project(features[0])
    scores = torch.stack(
        [
            network.score(torch.tanh(network.content(t)) * torch.sigmoid(network.gate(t)))[0]
            for t in h
        ]
    )
    weights = scores.exp() / scores.exp().sum()
    torch.testing.assert_close(network.attention(features, mask)[0], weights)
    pooled = sum(w * t for w, t in zip(weights, h, strict=True))
    torch.testing.assert_close(network.pool(features, mask)[0], pooled)
    torch.testing.assert_close(network(features, mask)[0], network.head(pooled))


def test_mean_pool_by_its_definition() -> None:
    network, (features, mask) = network_of("mean-pool"), bags(5, 3)
    torch.testing.assert_close(
        network.pool(features, mask)[1], network.project(features[1, :3]).mean(0)
    )


@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_every_weight_and_no_padding(name: str) -> None:
    network, (features, mask) = network_of(name), bags(4, 6)
    features[~mask] = math.nan
    features.requires_grad_()
    network(features, mask).square().sum().backward()
    assert features.grad is not None
    assert (features.grad[~mask] == 0).all()
    assert (features.grad[mask].abs().sum(-1) > 0).all()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key
        # Softmax does not know a constant that is added to all scores.
        assert parameter.grad.abs().sum() > 0 or key == "score.bias", key


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"features": 0}, InvalidValueError),
        ({"hidden": 0}, InvalidValueError),
        ({"dropout": 1.0}, InvalidValueError),
        ({"width": 3}, ModelError),
    ],
)
def test_wrong_arguments_are_refused(changes: dict[str, float], error: type[Exception]) -> None:
    with pytest.raises(error):
        build_network("gated-attention", classes=2, arguments={"features": 4} | changes)
