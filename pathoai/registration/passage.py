"""The way from one slide of a registered pair to the other, in either direction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pathoai.errors import AlignmentError, MissingFileError, StudyError
from pathoai.provenance import sha256_of_file
from pathoai.registration.saved_registration import Registration
from pathoai.registration.tile_quality import RegistrationQuality, TileState
from pathoai.registration.transform import PlacedSlide, PointMap, Points
from pathoai.store.slide_store import SlideStore
from pathoai.study.pairs import pairs_of
from pathoai.study.study import Study

_FLAT_UM = 0.05
"""Of the points that were put on long sides those are left out again that the way did not need."""
_STEP_UM = 8.0


@dataclass(frozen=True, eq=False)
class Passage:
    """From a slide, here called *near*, to its twin, the *far* one.

    Args:
        transform: Seen from the near slide, which is its ``fixed``.
        quality: How far to believe it, over the H&E slide.
        is_from_he: Whether the near slide is the H&E slide.
        identity: SHA-256 of the registration's file.
        is_of_neighbours: Whether both are neighbouring sections, which share areas but no cells.
    """

    transform: PointMap
    quality: RegistrationQuality
    is_from_he: bool
    identity: str
    is_of_neighbours: bool = False

    def to_far_px(self, points_xy: Points) -> Points:
        """Points ``(..., 2)`` of the near slide on the far one, level-0 pixels of each."""
        return self.transform.to_moving_px(points_xy)

    def to_near_px(self, points_xy: Points) -> Points:
        """Points ``(..., 2)`` of the far slide on the near one, level-0 pixels of each."""
        return self.transform.to_fixed_px(points_xy)

    def carried(self, geometry: BaseGeometry) -> BaseGeometry:
        """An outline of the near slide on the far one, level-0 pixels of each."""
        moved = self.transform.geometry_to_moving(geometry)
        tolerance = _FLAT_UM / self.transform.moving.mpp.mean
        flat = shapely.simplify(moved, tolerance, preserve_topology=True)
        return flat if flat.is_valid and not flat.is_empty else moved

    def state_at(self, points_xy: Points) -> NDArray[np.uint8]:
        """What is known of the alignment at points ``(..., 2)`` of the near slide.

        Args:
            points_xy: Level-0 pixels of the near slide.

        Returns:
            ``(...)`` uint8, values of `TileState`; no tissue off the H&E slide.
        """
        on_he = points_xy if self.is_from_he else self.to_far_px(points_xy)
        grid = self.quality.grid
        place = np.floor(on_he / np.array([grid.downsample_x, grid.downsample_y]))
        column, row = np.moveaxis(place.astype(np.int64), -1, 0)
        rows, columns = self.quality.state.shape
        inside = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
        found = self.quality.state[np.where(inside, row, 0), np.where(inside, column, 0)]
        return np.where(inside, found, np.uint8(TileState.NO_TISSUE)).astype(np.uint8)

    def local_affine_um(self, point_um: tuple[float, float]) -> NDArray[np.float64]:
        """The affine map nearest to the way back, about a point of the near slide.

        Args:
            point_um: x and y on the near slide, µm.

        Returns:
            ``(2, 3)`` float64, from µm of the far slide to µm of the near one.
        """
        here = np.asarray(point_um, np.float64)
        step = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]) * _STEP_UM
        there, right, below = self.transform.to_moving(here + step)
        forth = np.stack([right - there, below - there], axis=1) / _STEP_UM
        back = np.linalg.inv(forth)
        return np.column_stack([back, here - back @ there])


def passage_between(study: Study, near_id: str, far_id: str) -> Passage:
    """The way from one slide of a study to its twin.

    Args:
        study: The study.
        near_id: Code of the slide that one stands on.
        far_id: Code of the other slide of the pair.

    Raises:
        StudyError: The slides are no pair.
        MissingFileError: The pair is not registered.
        AlignmentError: One of the stores was made again since.
        StoreError: One of the slides is not tiled.
    """
    ends = {near_id, far_id}
    pairs = pairs_of(study.cohort, [near_id])
    found = next((p for p in pairs if {p.fixed.slide_id, p.moving.slide_id} == ends), None)
    if found is None:
        raise StudyError(
            "the slides are no pair",
            where=f"{near_id} and {far_id}",
            allowed=", ".join(p.name for p in pairs),
            remedy="name two slides of one section, one of them in H&E; between two restained "
            "slides the way leads over that",
        )
    path = study.registration_path(found.fixed.slide_id, found.moving.slide_id)
    if not path.is_file():
        raise MissingFileError(
            "the pair is not registered", where=found.name, remedy="run `pathoai register STUDY`"
        )
    registration = Registration.load(path)
    stores = [SlideStore(study.store_path(row.slide_id)) for row in (found.fixed, found.moving)]
    check_is_of(registration, *stores)
    is_from_he = near_id == found.fixed.slide_id
    transform = registration.transform
    return Passage(
        transform if is_from_he else transform.swapped(),
        registration.quality,
        is_from_he,
        sha256_of_file(path),
        registration.is_of_neighbours,
    )


def check_is_of(registration: Registration, fixed: SlideStore, moving: SlideStore) -> None:
    """Refuse a registration of pixels that the stores do not hold any more.

    Raises:
        AlignmentError: It is.
    """
    transform = registration.transform
    for placed, store in ((transform.fixed, fixed), (transform.moving, moving)):
        if placed != PlacedSlide.of_store(store):
            raise AlignmentError(
                "the pair was registered from other pixels than its stores hold now",
                where=f"{fixed.slide_id}--{moving.slide_id}",
                found=f"store {store.slide_id} was made again",
                remedy="run `pathoai register STUDY` again",
            )
