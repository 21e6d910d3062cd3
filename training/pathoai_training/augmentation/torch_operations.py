"""Operations on whole batches of images, on their device."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from pathoai.preprocess.stain.optical_density import in_pieces
from pathoai_training.augmentation.variation import ColourChange
from pathoai_training.augmentation.warped import linear_between

GREY = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in grey, ITU-R BT.601."""
_REACH = 4.0
"""Where a Gaussian ends, in standard deviations: what is cut off is less than a grey level."""


class TorchOperations:
    """The image operations by torch: each image of a batch by its own numbers, all at once."""

    def warp(self, images: torch.Tensor, places_px: torch.Tensor) -> torch.Tensor:
        """As in `ImageOperations`."""
        return _pixels(linear_between(images.float(), places_px))

    def recolour(self, images: torch.Tensor, change: ColourChange) -> torch.Tensor:
        """As in `ImageOperations`."""
        parts = (change.brightness, change.contrast, change.saturation, change.hue_deg)
        brightness, contrast, saturation, hue_deg = (
            part.to(images.device)[:, None, None, None] for part in parts
        )
        mean = _mean_grey(images, brightness)
        turns = bool(change.hue_deg.any())

        def of_piece(piece: torch.Tensor, at: slice) -> torch.Tensor:
            light = (piece * brightness[at]).clamp_(0, 255)
            light = torch.lerp(mean[at], light, contrast[at]).clamp_(0, 255)
            light = torch.lerp(_grey(light), light, saturation[at]).clamp_(0, 255)
            return _pixels(_turned_hue(light, hue_deg[at]) if turns else light)

        return in_pieces(images, of_piece)

    def blur(self, images: torch.Tensor, sigma_px: torch.Tensor) -> torch.Tensor:
        """As in `ImageOperations`."""
        kernel = gaussian_kernel(sigma_px).to(images.device)[:, None, None, None]
        reach = kernel.shape[-1] // 2
        light = images.float()
        for axis, border in ((-1, (reach, reach, 0, 0)), (-2, (0, 0, reach, reach))):
            wide = functional.pad(light, border, mode="reflect")
            light = torch.zeros_like(light)
            # Not by convolution: TensorFloat-32 would round grey levels.
            for step in range(kernel.shape[-1]):
                light.addcmul_(wide.narrow(axis, step, images.shape[axis]), kernel[..., step])
        return _pixels(light)

    def add_noise(self, images: torch.Tensor, levels: torch.Tensor, seed: int) -> torch.Tensor:
        """As in `ImageOperations`."""
        return _pixels(gaussian_noise(images, levels, seed).add_(images))


def gaussian_noise(images: torch.Tensor, levels: torch.Tensor, seed: int) -> torch.Tensor:
    """Noise for each image, in grey levels; a seed gives the same on devices of one kind.

    Args:
        images: ``(N, 3, S, S)``, whose shape and device it has.
        levels: ``(N,)`` float32 standard deviations.
        seed: Of all of it.

    Returns:
        ``(N, 3, S, S)`` float32.
    """
    generator = torch.Generator(images.device).manual_seed(seed)
    noise = torch.randn(images.shape, generator=generator, device=images.device)
    return noise.mul_(levels.to(images.device)[:, None, None, None])


def gaussian_kernel(sigma_px: torch.Tensor) -> torch.Tensor:
    """Weights of pixels about the middle one, which sum to 1.

    Args:
        sigma_px: ``(N,)`` float32, above 0.

    Returns:
        ``(N, 2 R + 1)`` float32, with the reach R of the widest.
    """
    reach = math.ceil(_REACH * float(sigma_px.max()))
    steps = torch.arange(-reach, reach + 1)
    weights = torch.exp(-0.5 * (steps / sigma_px.double()[:, None]) ** 2)
    return (weights / weights.sum(1, keepdim=True)).float()


def _pixels(light: torch.Tensor) -> torch.Tensor:
    """Rounded to uint8; the argument is overwritten."""
    # By int16, because torch has no fast cast from float to 8 bits.
    return light.add_(0.5).clamp_(0, 255).to(torch.int16).to(torch.uint8)


def _grey(light: torch.Tensor) -> torch.Tensor:
    """``(N, 3, H, W)`` to ``(N, 1, H, W)``, floating point."""
    red, green, blue = (light[:, channel : channel + 1] for channel in range(3))
    return (GREY[0] * red).add_(green, alpha=GREY[1]).add_(blue, alpha=GREY[2])


def _mean_grey(images: torch.Tensor, brightness: torch.Tensor) -> torch.Tensor:
    """Mean grey of brightened images, ``(N, 1, 1, 1)`` float32."""
    return _grey((images * brightness).clamp_(0, 255)).mean((1, 2, 3), keepdim=True)


def _turned_hue(light: torch.Tensor, hue_deg: torch.Tensor) -> torch.Tensor:
    """Colours of the same value and saturation (HSV) whose hue is turned.

    Args:
        light: ``(N, 3, H, W)`` float32.
        hue_deg: ``(N, 1, 1, 1)`` float32.

    The hue is counted in sextants of the circle. A channel that is n sextants away from full lies
    ``chroma * clamp(min(n, 4 - n), 0, 1)`` below the value.
    """
    red, green, blue = light.unbind(1)
    value, least = light.amax(1), light.amin(1)
    chroma = value - least
    divisor = chroma.clamp(min=1e-6)
    sextant = torch.where(
        value == red,
        (green - blue) / divisor,
        torch.where(value == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    sextant = sextant + hue_deg[:, 0] / 60
    channels = []
    for start in (5, 3, 1):
        away = torch.remainder(sextant + start, 6)
        channels.append(value - chroma * torch.minimum(away, 4 - away).clamp_(0, 1))
    return torch.stack(channels, 1)
