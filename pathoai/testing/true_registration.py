"""The true transform of a generated twin, as a registration would have found it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pathoai.registration.displacement import Displacement
from pathoai.registration.saved_registration import Registration
from pathoai.registration.tile_quality import RegistrationQuality, TileState, tile_grid
from pathoai.registration.transform import PlacedSlide, SlideTransform
from pathoai.store.slide_store import SlideStore
from pathoai.testing.ihc_twin import TwinTruth

TILE_UM = 50.0
_SPACING_UM = 20.0
_Carry = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def true_registration(
    fixed: SlideStore, moving: SlideStore, truth: TwinTruth, *, residual_um: float = 0.0
) -> Registration:
    """Make a registration from the truth of a twin, to 0.01 µm.

    Args:
        fixed: The H&E slide's store.
        moving: The twin's.
        truth: Of the twin.
        residual_um: What the registration shall say of every tile.

    Returns:
        A registration that is believable everywhere.
    """
    here, there = PlacedSlide.of_store(fixed), PlacedSlide.of_store(moving)

    def to_moving(points_um: NDArray[np.float64]) -> NDArray[np.float64]:
        return there.to_um(truth.to_twin(here.to_px(points_um)))

    affine = _best_affine(here, to_moving)
    turned = np.linalg.inv(affine[:, :2])
    wide, tall = (int(np.ceil(side / _SPACING_UM)) for side in here.size_um)
    # Two nodes more on each side: control points are nodes less a sixth of their curvature.
    places = [(np.arange(-2, count + 3)) * _SPACING_UM for count in (wide, tall)]
    nodes = np.stack(np.meshgrid(*places), axis=-1)
    moved = (to_moving(nodes) - affine[:, 2]) @ turned.T - nodes
    control = moved[1:-1, 1:-1] - _curvature(moved) / 6
    transform = SlideTransform(here, there, affine, Displacement(control, _SPACING_UM))
    return Registration(transform, believable(here, residual_um))


def believable(slide: PlacedSlide, residual_um: float = 0.0) -> RegistrationQuality:
    """Say of every tile of a slide that it is well aligned, with one residual in µm."""
    grid = tile_grid(slide, TILE_UM)
    shape = (grid.size_px.height, grid.size_px.width)
    return RegistrationQuality(
        TILE_UM,
        grid,
        np.ones(shape, np.float32),
        np.full(shape, residual_um, np.float32),
        np.full(shape, np.uint8(TileState.BELIEVABLE)),
    )


def _best_affine(slide: PlacedSlide, to_moving: _Carry) -> NDArray[np.float64]:
    points = np.stack(np.meshgrid(*(np.linspace(0, s, 20) for s in slide.size_um)), -1).reshape(
        -1, 2
    )
    design = np.column_stack([points, np.ones(len(points))])
    return np.asarray(np.linalg.lstsq(design, to_moving(points), rcond=None)[0].T)


def _curvature(field: NDArray[np.float64]) -> NDArray[np.float64]:
    """Second differences along both axes at the inner nodes."""
    inner = field[1:-1, 1:-1]
    along = field[1:-1, 2:] + field[1:-1, :-2] - 2 * inner
    return np.asarray(along + field[2:, 1:-1] + field[:-2, 1:-1] - 2 * inner)
