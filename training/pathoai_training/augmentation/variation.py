"""What was drawn for the items of one batch: the same numbers, whoever computes the pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Views:
    """What the squares of an item are.

    Args:
        size_px: Their side.
        mpps: µm per pixel of each view about the same centre, the nearest first; tiles have one.
    """

    size_px: int
    mpps: tuple[float, ...]

    @property
    def side_um(self) -> float:
        """Side of the nearest view."""
        return self.size_px * self.mpps[0]

    @property
    def widest_um(self) -> float:
        """Side of the widest view."""
        return self.size_px * max(self.mpps)


@dataclass(frozen=True, slots=True)
class Warp:
    """Where in the source each place of the result lies, both measured from the centre.

    In µm, so that views of several scales show the same tissue warped.

    Args:
        matrix: ``(N, 2, 2)`` float32: from a place (x, y) of the result to one of the source.
        shift_um: ``(N, 2)`` float32, added.
        bends_um: ``(N, 2, K, K)`` float32, added: displacements at nodes about the centre, with
            cubic interpolation between them; none where K is 0.
        period_um: Distance between nodes.
    """

    matrix: torch.Tensor
    shift_um: torch.Tensor
    bends_um: torch.Tensor
    period_um: float

    @property
    def chosen(self) -> torch.Tensor:
        """``(M,)`` int64 positions of the items that it moves."""
        still = (self.matrix == torch.eye(2)).flatten(1).all(1) & (self.shift_um == 0).all(1)
        return torch.nonzero(~still | (self.bends_um != 0).flatten(1).any(1)).squeeze(1)


@dataclass(frozen=True, slots=True)
class ColourChange:
    """Factors and turns of colours; 1, 1, 1 and 0 change nothing.

    Args:
        brightness: ``(N,)`` float32, factor of light.
        contrast: ``(N,)`` float32, factor of the distance from the image's mean grey.
        saturation: ``(N,)`` float32, factor of each pixel's distance from its own grey.
        hue_deg: ``(N,)`` float32, turn of the hue.
    """

    brightness: torch.Tensor
    contrast: torch.Tensor
    saturation: torch.Tensor
    hue_deg: torch.Tensor

    @property
    def chosen(self) -> torch.Tensor:
        """``(M,)`` int64 positions of the items that it changes."""
        factors = torch.stack([self.brightness, self.contrast, self.saturation])
        return torch.nonzero((factors != 1).any(0) | (self.hue_deg != 0)).squeeze(1)

    def __getitem__(self, chosen: torch.Tensor) -> ColourChange:
        """Of some items."""
        return ColourChange(
            self.brightness[chosen],
            self.contrast[chosen],
            self.saturation[chosen],
            self.hue_deg[chosen],
        )


@dataclass(frozen=True, slots=True)
class StainChange:
    """Changes of stain amounts; see `pathoai.preprocess.stain.stain_jitter.change_stains`.

    Args:
        scale: ``(N, 3)`` float32.
        shift: ``(N, 3)`` float32, optical density.
    """

    scale: torch.Tensor
    shift: torch.Tensor


@dataclass(frozen=True, slots=True)
class NoiseDraw:
    """How much noise, and where its numbers begin.

    Args:
        levels: ``(N,)`` float32 standard deviation, grey levels of 255; 0 for none.
        seed: Of the noise of the whole batch.
    """

    levels: torch.Tensor
    seed: int


@dataclass(frozen=True, slots=True)
class Variation:
    """How each item of a batch is varied, on the CPU; None for what the recipe leaves alone.

    Args:
        symmetry: ``(N,)`` int64, 0 to 7.
        stains: Amounts of stains.
        warp: Turned, stretched, shifted and bent.
        colour: Light and hue.
        blur_um: ``(N,)`` float32 standard deviation of a Gaussian; 0 for none.
        noise: Added to each channel of each pixel.
    """

    symmetry: torch.Tensor | None = None
    stains: StainChange | None = None
    warp: Warp | None = None
    colour: ColourChange | None = None
    blur_um: torch.Tensor | None = None
    noise: NoiseDraw | None = None
