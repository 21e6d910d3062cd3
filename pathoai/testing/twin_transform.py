"""A known rigid move with a smooth warp between a slide and its restained twin."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError

_WAVES = 3
_LARGEST_SLOPE = 0.25
_ROUNDS = 60
Points = NDArray[np.float64]
Side = Literal["left", "top", "right", "bottom"]
SIDES: tuple[Side, ...] = ("left", "top", "right", "bottom")


@dataclass(frozen=True, eq=False)
class TwinTransform:
    """Maps level-0 points of the H&E slide to its twin and back.

    The way back is in closed form: a rotation about the centres, mirrored or not, then a sum of
    plane waves. The way forth inverts it by a fixed-point iteration that converges because the
    waves are gentle.

    Attributes:
        source_px: Width and height of the H&E slide, level-0 px.
        twin_px: Width and height of the twin: the box about the turned slide, or a part of it.
        angle: Rotation, radians, clockwise on screen (y downwards).
        shift: (2,) float64, translation of the centre, level-0 px of the twin.
        amplitude: (K, 2) float64, displacement of each wave along x and y, level-0 px
            of the H&E slide.
        wave: (K, 2) float64, wave vectors, radians per px of the twin.
        phase: (K, 2) float64, phases of the displacement along x and y, radians.
        mirrored: Whether left and right of the H&E slide are exchanged before it is turned.
        scale: Pixels of the twin per pixel of the H&E slide.
    """

    source_px: tuple[int, int]
    twin_px: tuple[int, int]
    angle: float
    shift: Points
    amplitude: Points
    wave: Points
    phase: Points
    mirrored: bool = False
    scale: float = 1.0

    @classmethod
    def draw(
        cls,
        generator: np.random.Generator,
        *,
        source_px: tuple[int, int],
        rotation_degrees: float,
        translation_px: tuple[float, float],
        warp_px: float,
        wavelength_px: float | None = None,
    ) -> TwinTransform:
        """Draw the waves of a transform.

        Args:
            generator: Source of the waves.
            source_px: Width and height of the H&E slide, level-0 px.
            rotation_degrees: Rotation, clockwise on screen.
            translation_px: Move of the centre along x and y, level-0 px.
            warp_px: Largest displacement by the warp along either axis, level-0 px.
            wavelength_px: About how long the waves are, level-0 px; None for about the length of
                the slide.

        Returns:
            The transform.
        """
        if warp_px < 0 or not np.isfinite(warp_px):
            raise InvalidValueError(
                "a warp cannot be negative", where="warp_um", found=warp_px, allowed=">= 0"
            )
        angle = np.deg2rad(rotation_degrees)
        cosine, sine = abs(np.cos(angle)), abs(np.sin(angle))
        width, height = source_px
        # Short of a hundredth of a pixel, a quarter turn would gain a row by rounding.
        twin_px = (
            int(np.ceil(width * cosine + height * sine - 0.01)),
            int(np.ceil(width * sine + height * cosine - 0.01)),
        )
        shares = generator.dirichlet(np.ones(_WAVES), size=2).T
        shortest = 2 * np.pi * max(warp_px, 1e-9) / _LARGEST_SLOPE
        usual = max(source_px) if wavelength_px is None else wavelength_px
        length = np.maximum(shortest, generator.uniform(0.5, 1.5, _WAVES) * usual)
        heading = generator.uniform(0, 2 * np.pi, _WAVES)
        wave = np.stack([np.cos(heading), np.sin(heading)], axis=1) * (2 * np.pi / length)[:, None]
        return cls(
            source_px=source_px,
            twin_px=twin_px,
            angle=float(angle),
            shift=np.asarray(translation_px, dtype=np.float64),
            amplitude=shares * warp_px,
            wave=wave,
            phase=generator.uniform(0, 2 * np.pi, (_WAVES, 2)),
        )

    def rescanned(
        self, *, scale: float, mirrored: bool, left_off: float, side: Side
    ) -> TwinTransform:
        """The same with another scanner, the glass the other way up, or a part not scanned.

        Args:
            scale: Pixels of the new twin per pixel of this one.
            mirrored: Whether to exchange left and right of the H&E slide first.
            left_off: Share of the width or height that is not scanned.
            side: Where.
        """
        extent = [int(np.ceil(length * scale - 0.01)) for length in self.twin_px]
        shift = self.shift * scale
        axis = SIDES.index(side) % 2
        lost = round(extent[axis] * left_off)
        extent[axis] -= lost
        shift[axis] += lost / 2 if side in ("right", "bottom") else -lost / 2
        return replace(
            self,
            twin_px=(extent[0], extent[1]),
            shift=shift,
            wave=self.wave / scale,
            mirrored=mirrored,
            scale=self.scale * scale,
        )

    def from_twin(self, points_xy: Points) -> Points:
        """Map points of the twin to the H&E slide.

        Args:
            points_xy: (..., 2) float64, level-0 px of the twin.

        Returns:
            (..., 2) float64, level-0 px of the H&E slide.
        """
        points = np.asarray(points_xy, dtype=np.float64)
        offset = (points - np.asarray(self.twin_px) / 2 - self.shift) / self.scale
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        turned = np.stack(
            [
                cosine * offset[..., 0] + sine * offset[..., 1],
                cosine * offset[..., 1] - sine * offset[..., 0],
            ],
            axis=-1,
        )
        if self.mirrored:
            turned[..., 0] *= -1.0
        return np.asarray(turned + np.asarray(self.source_px) / 2 + self._warp(points))

    def to_twin(self, points_xy: Points) -> Points:
        """Map points of the H&E slide to the twin; inverts `from_twin` to better than 1e-6 px.

        Args:
            points_xy: (..., 2) float64, level-0 px of the H&E slide.

        Returns:
            (..., 2) float64, level-0 px of the twin.
        """
        points = np.asarray(points_xy, dtype=np.float64)
        found = self._turn_forth(points)
        for _ in range(_ROUNDS):
            better = self._turn_forth(points - self._warp(found))
            moved = float(np.max(np.abs(better - found), initial=0.0))
            found = better
            if moved < 1e-8:
                break
        return found

    def _turn_forth(self, points: Points) -> Points:
        """Mirror, rotate, scale and move without the warp, (..., 2) to (..., 2)."""
        offset = points - np.asarray(self.source_px) / 2
        if self.mirrored:
            offset[..., 0] *= -1.0
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        turned = np.stack(
            [
                cosine * offset[..., 0] - sine * offset[..., 1],
                sine * offset[..., 0] + cosine * offset[..., 1],
            ],
            axis=-1,
        )
        return np.asarray(turned * self.scale + np.asarray(self.twin_px) / 2 + self.shift)

    def _warp(self, twin_points: Points) -> Points:
        """Displacement (..., 2) in the H&E frame at points (..., 2) of the twin, px."""
        moved = np.zeros_like(twin_points)
        for wave, amplitude, phase in zip(self.wave, self.amplitude, self.phase, strict=True):
            angle = twin_points @ wave
            moved[..., 0] += amplitude[0] * np.sin(angle + phase[0])
            moved[..., 1] += amplitude[1] * np.sin(angle + phase[1])
        return moved
