"""Both ways to compute images, held to the definitions in float64."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.testing.generated_slide import SlideRecipe, paint_region, plan_slide
from pathoai_training.augmentation.albumentations_operations import AlbumentationsOperations
from pathoai_training.augmentation.torch_operations import TorchOperations
from pathoai_training.augmentation.variation import ColourChange
from pathoai_training.augmentation.vary import ImageOperations

COUNT, SIDE = 3, 64
Light = NDArray[np.float64]


@pytest.fixture(scope="module", params=["torch", "albumentations"])
def operations(request: pytest.FixtureRequest) -> ImageOperations:
    return TorchOperations() if request.param == "torch" else AlbumentationsOperations()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    """Squares of generated tissue."""
    truth = plan_slide(SlideRecipe(width=1024, height=1024, seed=1))
    block = paint_region(truth, 400, 400, COUNT * SIDE, SIDE)
    cut = block.reshape(SIDE, COUNT, SIDE, 3).transpose(1, 3, 0, 2)
    return torch.from_numpy(np.ascontiguousarray(cut))


def change(
    brightness: float = 1, contrast: float = 1, saturation: float = 1, hue_deg: float = 0
) -> ColourChange:
    return ColourChange(
        *(torch.full((COUNT,), float(v)) for v in (brightness, contrast, saturation, hue_deg))
    )


def grey(light: Light) -> Light:
    return np.asarray(np.einsum("c,nchw->nhw", [0.299, 0.587, 0.114], light)[:, None])


def recoloured(
    images: torch.Tensor, brightness: float, contrast: float, saturation: float, hue_deg: float
) -> Light:
    """The definition, one after the other, clipped to black and white each time."""
    light = np.clip(images.double().numpy() * brightness, 0, 255)
    mean = grey(light).mean((1, 2, 3), keepdims=True)
    light = np.clip(mean + contrast * (light - mean), 0, 255)
    light = np.clip(grey(light) + saturation * (light - grey(light)), 0, 255)
    pixels = light.transpose(0, 2, 3, 1).reshape(-1, 3) / 255
    turned = []
    for red, green, blue in pixels.tolist():
        hue, full, value = colorsys.rgb_to_hsv(red, green, blue)
        turned.append(colorsys.hsv_to_rgb((hue + hue_deg / 360) % 1, full, value))
    return 255 * np.reshape(turned, (COUNT, SIDE, SIDE, 3)).transpose(0, 3, 1, 2)


def furthest(found: torch.Tensor, wanted: Light) -> float:
    assert found.dtype == torch.uint8
    return round(float(np.abs(found.numpy() - wanted).max()), 6)


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        ((1.3, 1, 1, 0), 1),
        ((0.6, 1, 1, 0), 1),
        ((1, 1.4, 1, 0), 1),
        ((1, 0.6, 1, 0), 1),
        ((1, 1, 1.4, 0), 1.6),
        ((1, 1, 0.5, 0), 1.6),
    ],
)
def test_light_contrast_and_saturation(
    operations: ImageOperations,
    images: torch.Tensor,
    values: tuple[float, float, float, float],
    levels: float,
) -> None:
    found = operations.recolour(images, change(*values))
    assert furthest(found, recoloured(images, *values)) <= levels


@pytest.mark.parametrize("values", [(1, 1, 1, 25), (1, 1, 1, -70), (1.1, 0.9, 1.2, 8)])
def test_hue(
    operations: ImageOperations,
    images: torch.Tensor,
    values: tuple[float, float, float, float],
) -> None:
    found, wanted = operations.recolour(images, change(*values)), recoloured(images, *values)
    # OpenCV counts hues of bytes in steps of two degrees.
    levels = 1 if isinstance(operations, TorchOperations) else 12
    assert furthest(found, wanted) <= levels
    assert np.abs(found.numpy() - wanted).mean() <= (0.5 if levels == 1 else 3)


def test_grey_stays_grey_when_hue_is_turned(operations: ImageOperations) -> None:
    ramp = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).repeat(COUNT, 3, 1, 1)
    assert torch.equal(operations.recolour(ramp, change(hue_deg=40)), ramp)


@pytest.mark.parametrize("sigma_px", [0.3, 1.0, 2.5])
def test_blur(operations: ImageOperations, images: torch.Tensor, sigma_px: float) -> None:
    found = operations.blur(images, torch.tensor([sigma_px, 0.5, 2.0]))
    for i, sigma in enumerate((sigma_px, 0.5, 2.0)):
        wanted = ndimage.gaussian_filter(
            images[i].double().numpy(), (0, sigma, sigma), mode="mirror", truncate=6
        )
        assert furthest(found[i], wanted) <= 1


def test_noise_has_the_stated_spread(operations: ImageOperations) -> None:
    images = torch.full((2, 3, 128, 128), 128, dtype=torch.uint8)
    levels = torch.tensor([4.0, 12.0])
    found = operations.add_noise(images, levels, seed=3).double() - 128
    assert found.flatten(1).std(1).tolist() == pytest.approx([4, 12], rel=0.03)
    assert found.flatten(1).mean(1).abs().max() < 0.2
    channels = found[0].flatten(1)
    assert torch.corrcoef(channels).triu(1).abs().max() < 0.03
    again = operations.add_noise(images, levels, seed=3)
    assert torch.equal(again, operations.add_noise(images, levels, seed=3))
    assert not torch.equal(again, operations.add_noise(images, levels, seed=4))


def test_images_at_other_places(operations: ImageOperations, images: torch.Tensor) -> None:
    rng = np.random.default_rng(0)
    # Also beyond the edges, where the outermost pixel is repeated first.
    places = rng.uniform(-20, SIDE + 20, (COUNT, SIDE, SIDE, 2)).astype(np.float32)
    found = operations.warp(images, torch.from_numpy(places))
    for i, image in enumerate(images.double().numpy()):
        where = places[i, ..., ::-1].transpose(2, 0, 1).astype(np.float64)
        wanted = np.stack(
            [ndimage.map_coordinates(c, where, order=1, mode="reflect") for c in image]
        )
        # OpenCV rounds places to a 32nd of a pixel.
        levels = 1 if isinstance(operations, TorchOperations) else 8
        assert furthest(found[i], wanted) <= levels
