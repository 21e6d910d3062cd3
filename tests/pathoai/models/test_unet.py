from __future__ import annotations

import pytest
import torch

from pathoai.errors import InvalidValueError, ModelError
from pathoai.models.architecture import build_network
from pathoai.models.unet import UNet


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize("classes", [2, 5])
def test_logits_have_the_size_of_the_image(depth: int, classes: int) -> None:
    network = UNet(classes=classes, width=4, depth=depth).eval()
    assert network(torch.zeros(2, 3, 32, 64)).shape == (2, classes, 32, 64)


def test_widths_double_and_meet() -> None:
    network = UNet(classes=2, width=4, depth=3)
    shapes = [p.shape[0] for n, p in network.named_parameters() if n.startswith("encoders")]
    assert max(shapes) == 16
    assert network.bottom[0].out_channels == 32


def test_every_weight_learns() -> None:
    network = UNet(classes=2, width=4, depth=2)
    network(torch.randn(2, 3, 16, 16)).square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in network.parameters())


def test_prediction_of_a_tile_does_not_depend_on_its_batch() -> None:
    network = UNet(classes=2, width=4, depth=2).eval()
    images = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(network(images)[:1], network(images[:1]), atol=1e-5)


def test_unknown_architecture_names_the_nearest() -> None:
    with pytest.raises(InvalidValueError, match=r"unknown architecture.*did you mean 'unet'"):
        build_network("unett", classes=2, arguments={})


def test_wrong_arguments_are_the_models_error() -> None:
    with pytest.raises(ModelError, match=r"architecture unet: wrong arguments.*widht"):
        build_network("unet", classes=2, arguments={"widht": 8})
