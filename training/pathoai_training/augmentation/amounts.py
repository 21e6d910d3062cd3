"""Amounts by which a recipe lets items vary: one class for each kind, and its draws."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from pathoai.errors import InvalidValueError
from pathoai_training.augmentation.variation import ColourChange, NoiseDraw

SECTION = "data.augmentation"
_LARGEST_BEND = 0.1
"""Of the nodes' distance. The slope of cubic interpolation is at most 4.13 times their values over
that distance, so with a tenth no slope reaches a half, and tissue never folds over itself."""


class Amounts(ABC):
    """What all kinds share: largest amounts, and the share of items that they apply to."""

    probability: float

    @property
    def varies(self) -> bool:
        """True where any amount is stated."""
        return any(getattr(self, name) for name in self._limits())

    @abstractmethod
    def _limits(self) -> Mapping[str, float]:
        """The largest amount that each key allows."""

    def __post_init__(self) -> None:
        """Refuse amounts outside their limits, and a probability of nothing."""
        section = f"{SECTION}.{type(self).__name__.lower()}"
        for key, most in self._limits().items():
            value = getattr(self, key)
            if not 0 <= value <= most or value == math.inf:
                upper = "or more" if most == math.inf else f"to {most:g}"
                raise InvalidValueError(f"{section}.{key}", found=value, allowed=f"0 {upper}")
        if not 0 < self.probability <= 1:
            raise InvalidValueError(
                f"{section}.probability",
                found=self.probability,
                allowed="above 0, to 1",
                remedy="leave the section out if it is never wanted",
            )
        if self.probability != type(self).probability and not self.varies:
            raise InvalidValueError(
                f"{section} has a probability but no amount",
                found=f"probability {self.probability:g}",
                remedy=f"state {' or '.join(self._limits())}",
            )

    def happens(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Which of so many items are varied, ``(count,)`` bool."""
        return torch.rand(count, generator=generator) < self.probability


@dataclass(frozen=True)  # no slots, here and below: jsonargparse reads defaults from __dict__
class Affine(Amounts):
    """Turned, resized, sheared and shifted; uniform on both sides of no change.

    Args:
        rotation_deg: Largest turn, 0 to 180.
        scale: Largest relative change of size, 0 to 0.5.
        shear_deg: Largest angle of shear, 0 to 30.
        shift_um: Largest shift in x and in y, µm on the slide.
        probability: Share of items that are varied.
    """

    rotation_deg: float = 0.0
    scale: float = 0.0
    shear_deg: float = 0.0
    shift_um: float = 0.0
    probability: float = 1.0

    def _limits(self) -> Mapping[str, float]:
        return {"rotation_deg": 180, "scale": 0.5, "shear_deg": 30, "shift_um": math.inf}

    def draw(self, count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """From places of results to places of sources: ``(N, 2, 2)``, and µm ``(N, 2)``."""
        happens = self.happens(count, generator)
        angle, size, shear = (_signed(3, count, generator=generator).double() * happens).unbind()
        angle, shear = angle * math.radians(self.rotation_deg), shear * math.radians(self.shear_deg)
        turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1)
        sheared = torch.eye(2, dtype=torch.float64).repeat(count, 1, 1)
        sheared[:, 0, 1] = shear.tan()
        forward = turn.view(-1, 2, 2) @ sheared * (1 + self.scale * size)[:, None, None]
        shift_um = self.shift_um * _signed(count, 2, generator=generator) * happens[:, None]
        return torch.linalg.inv(forward).float(), shift_um


@dataclass(frozen=True)
class Elastic(Amounts):
    """Bent, as sections are when they are laid on the glass.

    Args:
        shift_um: Largest displacement in x and in y, µm; at most a tenth of the period.
        period_um: Distance between the nodes of the bending, µm on the slide.
        probability: Share of items that are varied.
    """

    shift_um: float = 0.0
    period_um: float = 32.0
    probability: float = 0.5

    def _limits(self) -> Mapping[str, float]:
        return {"shift_um": _LARGEST_BEND * self.period_um}

    def __post_init__(self) -> None:
        """Refuse what could fold tissue over itself."""
        if not 0 < self.period_um < math.inf:
            raise InvalidValueError(
                f"{SECTION}.elastic.period_um", found=self.period_um, allowed="more than 0 µm"
            )
        super().__post_init__()

    def draw(self, count: int, generator: torch.Generator, widest_um: float) -> torch.Tensor:
        """Displacements ``(N, 2, K, K)`` in µm, at nodes that cover the widest view."""
        happens = self.happens(count, generator)
        nodes = math.ceil(widest_um / self.period_um) + 3
        bends_um = self.shift_um * _signed(count, 2, nodes, nodes, generator=generator)
        return bends_um * happens[:, None, None, None]


@dataclass(frozen=True)
class Colour(Amounts):
    """Light and hue, as cameras and screens differ; stains have keys of their own.

    Args:
        brightness: Largest relative change of light, 0 to 0.9.
        contrast: Largest relative change of the distance from the image's mean grey, likewise.
        saturation: Largest relative change of each pixel's distance from its grey, likewise.
        hue_deg: Largest turn of the hue, degrees, 0 to 180.
        probability: Share of items that are varied.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue_deg: float = 0.0
    probability: float = 1.0

    def _limits(self) -> Mapping[str, float]:
        return {"brightness": 0.9, "contrast": 0.9, "saturation": 0.9, "hue_deg": 180}

    def draw(self, count: int, generator: torch.Generator) -> ColourChange:
        """Changes of so many items."""
        happens = self.happens(count, generator)
        light, contrast, saturation, hue = _signed(4, count, generator=generator) * happens
        return ColourChange(
            brightness=1 + self.brightness * light,
            contrast=1 + self.contrast * contrast,
            saturation=1 + self.saturation * saturation,
            hue_deg=self.hue_deg * hue,
        )


@dataclass(frozen=True)
class Blur(Amounts):
    """Out of focus.

    Args:
        sigma_um: Largest standard deviation of a Gaussian, µm on the slide.
        probability: Share of items that are varied.
    """

    sigma_um: float = 0.0
    probability: float = 0.5

    def _limits(self) -> Mapping[str, float]:
        return {"sigma_um": math.inf}

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Standard deviations ``(N,)`` in µm, 0 where nothing happens."""
        happens = self.happens(count, generator)
        return self.sigma_um * torch.rand(count, generator=generator) * happens


@dataclass(frozen=True)
class Noise(Amounts):
    """Of the camera: Gaussian, in each channel of each pixel by itself.

    Args:
        levels: Largest standard deviation, in grey levels of 255, 0 to 64.
        probability: Share of items that are varied.
    """

    levels: float = 0.0
    probability: float = 0.5

    def _limits(self) -> Mapping[str, float]:
        return {"levels": 64}

    def draw(self, count: int, generator: torch.Generator) -> NoiseDraw:
        """Standard deviations, and the seed of the noise itself."""
        happens = self.happens(count, generator)
        levels = self.levels * torch.rand(count, generator=generator) * happens
        return NoiseDraw(levels, int(torch.randint(2**62, (), generator=generator)))


def _signed(*shape: int, generator: torch.Generator) -> torch.Tensor:
    """Uniform from -1 to 1, float32."""
    return 2 * torch.rand(*shape, generator=generator) - 1
