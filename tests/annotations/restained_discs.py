"""A section painted with brown discs, on the stores of an H&E slide and of its restained twin."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pathoai.ontology import LabelClass
from pathoai.quality.artefacts import ARTEFACTS, LABEL
from pathoai.registration.saved_registration import Registration
from pathoai.registration.tile_quality import RegistrationQuality, TileState, tile_grid
from pathoai.registration.transform import PlacedSlide, SlideTransform
from pathoai.store.header import StoreHeader
from pathoai.store.image_writer import ImageWriter
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study

HE, IHC = (f"{letter}{0:015d}" for letter in "AB")
SIDE = 512
# (x, y, radius) of what the antibody binds, in pixels of 0.5 µm.
DISCS = [(120, 130, 30), (300, 250, 50), (420, 100, 20)]


def make_pair(study: Study, marker: str) -> None:
    """A pair of the cohort and its stores: pink in H&E, and with brown discs."""
    rows = [CohortRow(HE, pair="one"), CohortRow(IHC, stain="IHC", pair="one", marker=marker)]
    Cohort(rows).write(study.path / "cohort.csv")
    _write_store(study, HE, (225, 160, 200), (205, 140, 190))
    _write_store(study, IHC, (215, 218, 232), (140, 100, 70))


def register_pair_as_is(study: Study) -> None:
    """A registration that leaves every point in its place and believes every tile."""
    here, there = (PlacedSlide.of_store(SlideStore(study.store_path(c))) for c in (HE, IHC))
    grid = tile_grid(here, 64.0)
    shape = (grid.size_px.height, grid.size_px.width)
    quality = RegistrationQuality(
        64.0,
        grid,
        np.ones(shape, np.float32),
        np.zeros(shape, np.float32),
        np.full(shape, np.uint8(TileState.BELIEVABLE)),
    )
    transform = SlideTransform(here, there, np.eye(2, 3))
    Registration(transform, quality).save(study.registration_path(HE, IHC))


def discs() -> NDArray[np.bool_]:
    """Where the antibody binds, ``(SIDE, SIDE)``."""
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    return np.asarray(np.any([(x - a) ** 2 + (y - b) ** 2 < r**2 for a, b, r in DISCS], axis=0))


def _write_store(
    study: Study, slide_id: str, outside: tuple[int, ...], inside: tuple[int, ...]
) -> None:
    header = StoreHeader(slide_id, SIDE, SIDE, 0.5, 0.5, 0.5)
    noise = np.random.default_rng(0).integers(-6, 7, (3, SIDE, SIDE))
    colour = np.where(discs(), np.array(inside)[:, None, None], np.array(outside)[:, None, None])
    image = ImageWriter(study.store_path(slide_id), header)
    image.finest.write((0, 0), np.clip(colour + noise, 0, 255).astype(np.uint8))
    kind = LabelClass(1, "tissue", "Tissue", "Tissu", "#56b4e9")
    tissue = LabelWriter(study.store_path(slide_id), header, LabelRecipe("tissue", (kind,), {}))
    tissue.class_map.write((0, 0), np.ones((SIDE, SIDE), np.uint8))
    tissue.finish()
    # Painted tissue has no texture to be in focus: what is there is used, not made again.
    about = {"origin": "method", "not_assessed": []}
    quality = LabelWriter(
        study.store_path(slide_id), header, LabelRecipe(LABEL, ARTEFACTS, about, factor=32)
    )
    quality.class_map.write((0, 0), np.zeros((SIDE // 32, SIDE // 32), np.uint8))
    quality.finish()
    image.finish()
