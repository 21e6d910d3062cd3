"""What washing and restaining do to a section: it tears, and flaps of it fold over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.testing.texture_noise import FloatGrid
from pathoai.testing.tissue_layout import TissueLayout

DamageKind = Literal["tear", "fold"]
Points = NDArray[np.float64]
_HALF_LENGTH_UM = (150.0, 350.0)
_HALF_WIDTH_UM: dict[DamageKind, tuple[float, float]] = {"tear": (14.0, 30.0), "fold": (25.0, 50.0)}
_LARGEST_SHARE = 0.16
_DARTS = 4000


@dataclass(frozen=True)
class TwinDamage:
    """One tear or fold, in the frame of the H&E slide, level-0 px.

    A tear is a bent gap in the tissue. A fold is an ellipse whose one half is turned over its long
    axis onto the other: glass on one side of the crease, two layers of tissue on the other.

    Attributes:
        kind: "tear" or "fold".
        centre: Its middle (x, y), for a fold on the crease.
        angle: Its long direction, radians from the x axis.
        half_length: Half its extent along.
        half_width: Half its largest extent across.
        bend: How far the ends of a tear lie off its long direction.
    """

    kind: DamageKind
    centre: tuple[float, float]
    angle: float
    half_length: float
    half_width: float
    bend: float

    @property
    def reach(self) -> float:
        """Radius of a circle about the centre that holds all of it, level-0 px."""
        return float(np.hypot(self.half_length, 1.3 * self.half_width + abs(self.bend))) + 2.0

    def near(self, points_xy: Points) -> bool:
        """Whether it may show in the box about points (..., 2) in level-0 px."""
        flat = points_xy.reshape(-1, 2)
        low, high = flat.min(axis=0) - self.reach, flat.max(axis=0) + self.reach
        return bool(np.all(low < self.centre) and np.all(self.centre < high))

    def depth(self, points_xy: Points) -> Points:
        """How deep points (..., 2) in level-0 px lie in it, (...) px, negative outside."""
        along, across = self._own_axes(points_xy)
        share = along / self.half_length
        if self.kind == "tear":
            ragged = 0.3 * self.half_width * np.sin(11.0 * share + self.angle)
            across = across - self.bend * share**2 - ragged
        distance = np.hypot(share, across / self.half_width)
        return np.asarray((1.0 - distance) * self.half_width)

    def missing(self, points_xy: Points) -> FloatGrid:
        """How much of the tissue at points (..., 2) is gone from there, (...) from 0 to 1."""
        cover = np.clip(0.5 + self.depth(points_xy) / 1.5, 0.0, 1.0)
        if self.kind == "fold":
            cover = np.where(self._own_axes(points_xy)[1] > 0, cover, 0.0)
        return cover.astype(np.float32)

    def doubled(self, points_xy: Points) -> FloatGrid:
        """How much of a second layer lies on points (..., 2), (...) from 0 to 1."""
        if self.kind == "tear":
            return np.zeros(points_xy.shape[:-1], dtype=np.float32)
        cover = np.clip(0.5 + self.depth(points_xy) / 1.5, 0.0, 1.0)
        return np.where(self._own_axes(points_xy)[1] <= 0, cover, 0.0).astype(np.float32)

    def turned_over(self, points_xy: Points) -> Points:
        """Where the second layer of a fold comes from: points (..., 2) mirrored at the crease."""
        across = self._own_axes(points_xy)[1]
        normal = np.array([-np.sin(self.angle), np.cos(self.angle)])
        return np.asarray(points_xy - 2.0 * across[..., None] * normal)

    def _own_axes(self, points_xy: Points) -> tuple[Points, Points]:
        """Positions (...) along and across the damage, px."""
        offset = points_xy - np.asarray(self.centre)
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        along = cosine * offset[..., 0] + sine * offset[..., 1]
        across = cosine * offset[..., 1] - sine * offset[..., 0]
        return np.asarray(along), np.asarray(across)


def draw_damages(
    kinds: Sequence[DamageKind], generator: np.random.Generator, *, layout: TissueLayout
) -> tuple[TwinDamage, ...]:
    """Draw damages that lie on the tissue and not on each other.

    Args:
        kinds: What to draw, in order.
        generator: Source of places and shapes.
        layout: The fields of the H&E slide.

    Returns:
        One damage for each kind.

    Raises:
        InvalidValueError: The tissue has no room for so many.
    """
    drawn: list[TwinDamage] = []
    for kind in kinds:
        drawn.append(_draw(kind, generator, layout=layout, others=drawn))
    return tuple(drawn)


def _draw(
    kind: DamageKind,
    generator: np.random.Generator,
    *,
    layout: TissueLayout,
    others: Sequence[TwinDamage],
) -> TwinDamage:
    """Draw one damage at a free place of the tissue."""
    grid = layout.grid
    extent = min(grid.width, grid.height)
    half_length = min(grid.px(generator.uniform(*_HALF_LENGTH_UM)), _LARGEST_SHARE * extent)
    half_width = min(grid.px(generator.uniform(*_HALF_WIDTH_UM[kind])), 0.3 * half_length)
    angle, bend = generator.uniform(0, 2 * np.pi), generator.uniform(-0.3, 0.3)
    x = generator.uniform(0, grid.width, _DARTS)
    y = generator.uniform(0, grid.height, _DARTS)
    free = layout.value(layout.tissue, x, y) > grid.px(15.0)
    for other in others:
        apart = np.hypot(x - other.centre[0], y - other.centre[1])
        free &= apart > other.reach + 1.2 * half_length
    if not free.any():
        raise InvalidValueError(
            "the tissue has no room for so many tears and folds",
            where="tears, folds",
            found=len(others) + 1,
            allowed=f"{len(others)} on this slide",
            remedy="make a larger slide, or fewer of them",
        )
    first = int(np.argmax(free))
    return TwinDamage(
        kind=kind,
        centre=(float(x[first]), float(y[first])),
        angle=float(angle),
        half_length=float(half_length),
        half_width=float(half_width),
        bend=float(bend * half_length) if kind == "tear" else 0.0,
    )
