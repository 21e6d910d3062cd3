"""A study with two slides of one section, and the transform between them, known exactly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pathoai.registration.displacement import Displacement
from pathoai.registration.saved_registration import Registration
from pathoai.registration.tile_quality import RegistrationQuality, TileState, tile_grid
from pathoai.registration.transform import PlacedSlide, SlideTransform
from pathoai.store.header import StoreHeader
from pathoai.store.image_writer import ImageWriter
from pathoai.store.shards import shard_slices, shards_of
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study

HE_ID, IHC_ID = "0123456789ABCDEF", "FEDCBA9876543210"
TILE_UM = 50.0
Paint = Callable[[NDArray[np.float64]], NDArray[np.uint8]]
"""From level-0 pixels ``(h, w, 2)`` of a slide to colours ``(h, w, 3)``."""


def write_store(path: Path, header: StoreHeader, paint: Paint) -> SlideStore:
    """A store painted by place."""
    writer = ImageWriter(path, header)
    _, height, width = writer.finest.array.shape
    grid = header.grid
    x = (np.arange(width) + 0.5) * grid.downsample_x
    y = (np.arange(height) + 0.5) * grid.downsample_y
    pixels = paint(np.stack(np.meshgrid(x, y), axis=-1)).transpose(2, 0, 1)
    for shard in shards_of(writer.finest.array.shape):
        rows, columns = shard_slices(shard, writer.finest.array.shape)
        writer.finest.write(shard, np.ascontiguousarray(pixels[..., rows, columns]))
    writer.finish()
    return SlideStore(path)


def ramp(width: float, height: float) -> Paint:
    """Red says how far to the right a place is, green how far down."""

    def paint(points: NDArray[np.float64]) -> NDArray[np.uint8]:
        red, green = (
            40 + 160 * points[..., axis] / size for axis, size in ((0, width), (1, height))
        )
        return np.rint(np.stack([red, green, np.full_like(red, 120)], axis=-1)).astype(np.uint8)

    return paint


def turned(
    degrees: float,
    fixed_um: tuple[float, float],
    moving_um: tuple[float, float],
    *,
    mirrored: bool = False,
) -> NDArray[np.float64]:
    """An affine map that turns about the middle of one slide and puts it onto the other's."""
    angle = np.deg2rad(degrees)
    linear = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if mirrored:
        linear = linear @ np.diag([-1.0, 1.0])
    shift = np.array(moving_um) / 2 - linear @ (np.array(fixed_um) / 2)
    return np.column_stack([linear, shift])


def bend(size_um: tuple[float, float], *, seed: int = 4) -> Displacement:
    """A smooth field of a few µm over a slide."""
    spacing = 150.0
    squares = [int(np.ceil(side / spacing)) for side in size_um]
    draws = np.random.default_rng(seed).normal(0, 2.5, (squares[1] + 3, squares[0] + 3, 2))
    return Displacement(np.clip(draws, -5, 5), spacing)


def quality_over(
    placed: PlacedSlide,
    *,
    refused: tuple[int, int] | None = None,
    glass: tuple[int, int] | None = None,
) -> RegistrationQuality:
    """All tiles believable but for one that is refused and one without tissue (row, column)."""
    grid = tile_grid(placed, TILE_UM)
    shape = (grid.size_px.height, grid.size_px.width)
    state = np.full(shape, TileState.BELIEVABLE, np.uint8)
    for place, what in ((refused, TileState.REFUSED), (glass, TileState.NO_TISSUE)):
        if place is not None:
            state[place] = what
    similarity = np.full(shape, 0.8, np.float32)
    return RegistrationQuality(TILE_UM, grid, similarity, similarity, state)


def register_known(
    study: Study,
    affine: NDArray[np.float64],
    displacement: Displacement | None = None,
    *,
    refused: tuple[int, int] | None = None,
    glass: tuple[int, int] | None = None,
) -> Registration:
    """Save a registration of the two slides of a study."""
    fixed, moving = (
        PlacedSlide.of_store(SlideStore(study.store_path(slide_id))) for slide_id in (HE_ID, IHC_ID)
    )
    transform = SlideTransform(fixed, moving, affine, displacement)
    found = Registration(transform, quality_over(fixed, refused=refused, glass=glass))
    found.save(study.registration_path(HE_ID, IHC_ID))
    return found


def make_pair(path: Path) -> Study:
    """A breast study: 600 × 450 µm of H&E, and 520 × 680 µm of its twin, turned by 97°.

    The tile in row 2 and column 3 (50 µm each) is refused, the first one shows glass.
    """
    study = Study.create(path, ontology="breast")
    rows = [CohortRow(HE_ID, pair="p1"), CohortRow(IHC_ID, stain="IHC", marker="AE1AE3", pair="p1")]
    Cohort(rows).write(path / "cohort.csv")
    write_store(
        study.store_path(HE_ID), StoreHeader(HE_ID, 1200, 900, 0.5, 0.5, 0.5), ramp(1200, 900)
    )
    header = StoreHeader(IHC_ID, 1300, 1700, 0.4, 0.4, 0.4)
    write_store(study.store_path(IHC_ID), header, ramp(1300, 1700))
    sizes = (600.0, 450.0), (520.0, 680.0)
    register_known(study, turned(97, *sizes), bend(sizes[0]), refused=(2, 3), glass=(0, 0))
    return study
