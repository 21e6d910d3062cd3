"""Features on a common scale, measured once and kept with the weights."""

from __future__ import annotations

import torch

from pathoai.models.feature_scale import FeatureScale
from pathoai.models.gated_attention import GatedAttention


def test_features_are_scaled_by_what_was_measured() -> None:
    draw = torch.Generator().manual_seed(0)
    seen = torch.tensor([1.0, 100.0, 0.0]) * torch.randn(500, 3, generator=draw) + 7
    scale = FeatureScale(3)
    assert torch.equal(scale(seen), seen)  # nothing was measured yet
    scale.measure(seen)
    found = scale(seen)
    torch.testing.assert_close(found.mean(0), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(
        found.std(0, correction=0), torch.tensor([1.0, 1.0, 0.0]), atol=1e-4, rtol=0
    )
    # A constant feature stays 0, and no number becomes infinite.
    assert torch.equal(found[:, 2], torch.zeros(500))
    torch.testing.assert_close(scale(seen[None, :4]), found[None, :4])


def test_the_size_of_an_encoders_numbers_does_not_matter() -> None:
    """A network and its copy that sees features a thousand times larger say the same."""
    torch.manual_seed(0)
    network = GatedAttention(classes=4, features=5, hidden=8, attention_width=4).eval()
    features, mask = torch.randn(2, 6, 5), torch.ones(2, 6, dtype=torch.bool)
    network.scale.measure(features.flatten(0, 1))
    first = network(features, mask)
    other = GatedAttention(classes=4, features=5, hidden=8, attention_width=4).eval()
    other.load_state_dict(network.state_dict())
    torch.testing.assert_close(other(features, mask), first)
    other.scale.measure(1000 * features.flatten(0, 1))
    torch.testing.assert_close(other(1000 * features, mask), first, rtol=1e-3, atol=1e-4)
