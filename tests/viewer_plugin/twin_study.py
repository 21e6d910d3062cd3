"""The small study with a registered twin: the same three squares in brown, turned and bent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Mpp, Size
from pathoai.registration.quality_label import write_quality
from pathoai.registration.transform import PlacedSlide, SlideTransform
from pathoai.store.header import StoreHeader
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study
from tests.registered_pair import bend, register_known, turned, write_store
from tests.viewer_plugin.small_study import (
    HEIGHT,
    OTHER_SLIDE,
    SLIDE,
    SLIDE_MPP,
    SQUARES,
    STORE_MPP,
    WIDTH,
    make_study,
)

BROWN_RGB, GLASS_RGB = (120, 70, 30), (232, 232, 240)
TWIN_PX = Size(2400, 2800)
TWIN_MPP = Mpp(0.25, 0.25)
REFUSED = (4, 8)
"""Row and column of a tile of 50 µm: far from the squares."""


def make_twin_study(path: Path) -> Study:
    study = make_study(path)
    rows = [
        CohortRow(SLIDE, pair="p1"),
        CohortRow(OTHER_SLIDE, stain="IHC", marker="AE1AE3", pair="p1"),
    ]
    Cohort(rows).write(path / "cohort.csv")
    fixed = PlacedSlide(SLIDE, SLIDE_MPP, Size(WIDTH, HEIGHT), "")
    moving = PlacedSlide(OTHER_SLIDE, TWIN_MPP, TWIN_PX, "")
    affine = turned(75, fixed.size_um, moving.size_um, mirrored=True)
    transform = SlideTransform(fixed, moving, affine, bend(fixed.size_um))

    def paint(points: NDArray[np.float64]) -> NDArray[np.uint8]:
        x, y = np.moveaxis(fixed.to_um(transform.to_fixed_px(points)) / STORE_MPP, -1, 0)
        pixels = np.full((*x.shape, 3), GLASS_RGB, np.uint8)
        for left, top, right, bottom in SQUARES:
            pixels[(x >= left) & (x < right) & (y >= top) & (y < bottom)] = BROWN_RGB
        return pixels

    header = StoreHeader(
        OTHER_SLIDE, TWIN_PX.width, TWIN_PX.height, TWIN_MPP.x, TWIN_MPP.y, STORE_MPP
    )
    write_store(study.store_path(OTHER_SLIDE), header, paint)
    found = register_known(study, affine, transform.displacement, refused=REFUSED)
    write_quality(SlideStore(study.store_path(SLIDE)), found)
    return study
